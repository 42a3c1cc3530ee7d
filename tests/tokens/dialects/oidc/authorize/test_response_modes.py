"""How the answer travels: in the query, the fragment or a form."""

import re

import pytest

from groups import models as groups
from sso_portal.lib.secrets import digest_of
from tests import factories
from tests.reading import directives
from tests.tokens.dialects.oidc.authorize.asking import (
    HOSTILE,
    ISSUER,
    assert_sent_back,
    told,
)
from tests.tokens.dialects.oidc.parties import (
    REDIRECT_URI,
)
from tokens.models import LoginToken

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("entitlement")]


def test_fragment_is_answered_in_the_fragment(authorize):
    assert "code" in told(authorize(response_mode="fragment"), by="fragment")


def test_query_of_the_registered_address_is_kept(authorize, party):
    address = f"{REDIRECT_URI}?tenant=7"
    factories.RegisteredAddressFactory(relying_party=party, address=address)

    answer = told(authorize(redirect_uri=address))

    assert (answer["tenant"], answer["state"]) == ("7", "a state")


def test_form_post_posts_to_the_registered_address(authorize):
    response = authorize(response_mode="form_post")

    page = response.content.decode()
    fields = dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]+)">', page))
    assert f'action="{REDIRECT_URI}"' in page
    assert fields == {"code": fields["code"], "state": "a state", "iss": ISSUER}
    assert LoginToken.objects.get().digest == digest_of(fields["code"])


def test_form_post_may_end_where_the_party_goes_on_to(authorize, party):
    groups.Client.objects.update(further_origins="https://app.crm.example")

    response = authorize(response_mode="form_post")

    allowed = {"'self'", "https://demoaws.crm.example", "https://app.crm.example"}
    assert set(directives(response)["form-action"]) == allowed
    assert directives(response)["frame-ancestors"] == ["'none'"]
    assert response.headers["Referrer-Policy"] == "no-referrer"


def test_form_post_posts_errors_too(authorize):
    page = authorize(response_mode="form_post", response_type="nonsense").content.decode()

    assert 'name="error" value="unsupported_response_type"' in page
    assert 'name="state" value="a state"' in page


@pytest.mark.parametrize("state", [HOSTILE, "ünï©ode \U0001f600", "a b+c%20&d=e#f", "x" * 4096, "'; --"])
@pytest.mark.parametrize("mode", ["query", "fragment"])
def test_state_comes_back_letter_by_letter(authorize, state, mode):
    response = authorize(state=state, response_mode=mode)

    assert told(response, by=mode)["state"] == state
    assert not set("<>\"' \r\n") & set(response.headers["Location"])


def test_state_in_a_form_is_text(authorize):
    page = authorize(state=HOSTILE, response_mode="form_post").content.decode()

    assert "<script>alert" not in page


@pytest.mark.parametrize("state", ["a\r\nSet-Cookie: b=c", "\x01", "\u202e", "x" * 4097], ids=ascii)
def test_state_that_no_field_may_hold_is_refused_and_not_repeated(authorize, state):
    response = authorize(state=state)

    assert_sent_back(response, "invalid_request")
    assert "state" not in told(response)
