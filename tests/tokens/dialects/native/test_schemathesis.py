"""Everything that the OpenAPI document allows, and much that it does not, asked of the portal: no answer surprises."""

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from sso_portal.wsgi import application
from tests import factories
from tests.tokens.asking import basic
from tokens.dialects.native.document import document

pytestmark = pytest.mark.django_db

EXAMPLES = 25  # of each operation, in each mode
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    response_headers_conformance,
    negative_data_rejection,
]
API = schemathesis.openapi.from_dict(document())
API.app = application
OPERATIONS = {found.ok().label: found.ok() for found in API.get_all_operations()}


@pytest.fixture
def authorization(group, entitlement, agent, relying_party) -> dict[str, str]:
    """What opens each kind of address."""
    factories.AddressRuleFactory(group=group)
    factories.ApiKeyFactory(group=group)
    return {
        "key": f"Bearer {factories.API_KEY}",
        "relyingParty": basic(relying_party.identifier, factories.SECRET),
    }


@pytest.mark.usefixtures("_one_connection")
@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: mode.value)
@pytest.mark.parametrize("name", OPERATIONS)
def test_answers_are_those_that_the_document_knows(name, mode, authorization, agent, settings):
    settings.RATE_LIMITS = False
    operation = OPERATIONS[name]
    (needed,) = operation.definition.raw["security"][0]

    @hypothesis_settings
    @given(case=operation.as_strategy(generation_mode=mode))
    def ask(case) -> None:
        if "subject" in case.path_parameters and mode == GenerationMode.POSITIVE:
            case.path_parameters["subject"] = agent.subject
        case.call_and_validate(headers={"Authorization": authorization[needed]}, checks=CHECKS)

    ask()


hypothesis_settings = settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
