"""Scripts of other origins: those that are registered, and no others."""

import pytest

from tests import factories
from tokens.models import (
    Use,
)

pytestmark = pytest.mark.django_db


ORIGIN = "https://demoaws.crm.example"


@pytest.fixture
def registered_origin(relying_party):
    return relying_party.addresses.create(use=Use.ORIGIN, address=ORIGIN)


@pytest.mark.usefixtures("registered_origin")
def test_script_of_a_registered_origin_may_read_the_answer(exchange, code):
    response = exchange(code, extra={"HTTP_ORIGIN": ORIGIN})

    assert response.headers["Access-Control-Allow-Origin"] == ORIGIN
    assert "Access-Control-Allow-Credentials" not in response.headers
    assert response.headers["Vary"] == "Origin"


@pytest.mark.usefixtures("registered_origin")
def test_script_of_a_registered_origin_may_read_a_refusal(exchange):
    for headers in (None, {}):
        response = exchange("lt_x", headers=headers, extra={"HTTP_ORIGIN": ORIGIN})
        assert response.headers["Access-Control-Allow-Origin"] == ORIGIN


@pytest.mark.parametrize(
    "origin",
    ["https://evil.example", "null", f"{ORIGIN}:443", f"{ORIGIN}.evil.example", "http://demoaws.crm.example"],
)
@pytest.mark.usefixtures("registered_origin")
def test_script_of_another_origin_reads_nothing(exchange, code, origin):
    response = exchange(code, extra={"HTTP_ORIGIN": origin})

    assert not [name for name in response.headers if name.startswith("Access-Control-")]


def test_script_of_an_origin_that_another_party_registered_reads_nothing(exchange, code):
    factories.RelyingPartyFactory(secret="rs_o").addresses.create(use=Use.ORIGIN, address=ORIGIN)

    response = exchange(code, extra={"HTTP_ORIGIN": ORIGIN})

    assert not [name for name in response.headers if name.startswith("Access-Control-")]


def test_redirect_address_is_no_origin(exchange, code, relying_party):
    relying_party.addresses.create(use=Use.REDIRECT, address=ORIGIN)

    response = exchange(code, extra={"HTTP_ORIGIN": ORIGIN})

    assert "Access-Control-Allow-Origin" not in response.headers
