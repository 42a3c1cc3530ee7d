"""The document says what is there: each address and method, each refusal, each limit."""

import re

import pytest

from groups.models import NAME_LENGTH, USERNAME_LENGTH
from tokens.dialects.native import urls
from tokens.dialects.native.agents import ActOnAgent
from tokens.dialects.native.document import document
from tokens.dialects.native.page import _context
from tokens.models import Scope
from tokens.urls import busy

NOT_IN_IT = {"api_schema", "api_docs"}


def operations() -> list[tuple[str, str, dict]]:
    return [
        (path, method, operation)
        for path, methods in document()["paths"].items()
        for method, operation in methods.items()
    ]


def views() -> set[tuple[str, str]]:
    found = set()
    patterns = [("/api/", pattern) for pattern in urls.urlpatterns if pattern.name not in NOT_IN_IT]
    patterns += [("/", pattern) for pattern in busy if str(pattern.pattern).startswith("^api/v1/")]
    for below, pattern in patterns:
        path = below + str(pattern.pattern).removeprefix("^").removesuffix("/?$")
        path = re.sub(r"\(\?P<subject>[^)]*\)", "{subject}", path)
        for act in ActOnAgent.ACTS if "<act>" in path else [""]:
            full = re.sub(r"\(\?P<act>[^)]*\)", act, path)
            found |= {(full, method) for method in pattern.callback.cls.methods() if method != "head"}
    return found


def test_every_address_and_method_is_in_it_and_no_other():
    assert {(path, method) for path, method, _ in operations()} == views()


def test_every_operation_names_the_scope_that_its_door_asks_for():
    scopes = {
        scope
        for _, _, operation in operations()
        for needed in operation["security"]
        for scope in needed.get("key", [])
    }

    assert scopes == set(Scope.values)


def test_operations_are_named_once():
    names = [operation["operationId"] for _, _, operation in operations()]

    assert len(names) == len(set(names))


def test_every_reference_leads_somewhere():
    told = document()
    names = re.findall(r"#/components/schemas/(\w+)", str(told))

    assert set(names) <= set(told["components"]["schemas"])


@pytest.mark.parametrize(("name", "longest"), [("username", USERNAME_LENGTH), ("full_name", NAME_LENGTH)])
def test_limits_are_those_of_the_fields(name, longest):
    assert document()["components"]["schemas"]["NewAgent"]["properties"][name]["maxLength"] == longest


def test_examples_are_what_their_schemas_say():
    import jsonschema_rs

    told = document()
    for path, method, operation in operations():
        bodies = [operation["requestBody"]] if "requestBody" in operation else []
        for holder in [*bodies, *operation["responses"].values()]:
            for content in holder["content"].values():
                schema = content["schema"] | {"components": told["components"]}
                for example in [
                    content.get("example"),
                    *(e["value"] for e in content.get("examples", {}).values()),
                ]:
                    if example is not None:
                        assert jsonschema_rs.is_valid(schema, example), (path, method, example)


def test_page_shows_every_operation():
    shown = [operation.name for _, _, listed in _context()["sections"] for operation in listed]

    assert sorted(shown) == sorted(operation["operationId"] for _, _, operation in operations())
