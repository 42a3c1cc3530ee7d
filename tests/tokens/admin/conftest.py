"""An operator's browser at the back office."""

import pytest

from tests import factories
from tokens.models import RelyingParty


@pytest.fixture
def operator():
    administrator = factories.AdministratorFactory(is_staff=True, is_superuser=True)
    return factories.SecondFactorFactory(user=administrator).user


@pytest.fixture
def office(operator, visit_as):
    """The operator's browser."""
    return visit_as(operator)


@pytest.fixture
def party(client_company) -> RelyingParty:
    return factories.RelyingPartyFactory(client=client_company, secret="", needs_pkce=False)
