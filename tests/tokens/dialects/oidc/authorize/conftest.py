"""Relying parties that ask, and their askings."""

import pytest
from django.test import Client

from tests import factories
from tests.conftest import PORTAL
from tests.tokens.dialects.oidc.authorize.asking import CALL, PATH, usual, without
from tests.tokens.dialects.oidc.parties import (
    REDIRECT_URI,
)
from tokens.models import Kind


@pytest.fixture
def party(client_company):
    """An application of demoaws that runs in browsers."""
    party = factories.RelyingPartyFactory(client=client_company, is_public=True, secret="")
    factories.RegisteredAddressFactory(relying_party=party, address=REDIRECT_URI)
    return party


@pytest.fixture
def old_party(client_company):
    """Software of demoaws that knows no PKCE, and takes its tokens from the address."""
    party = factories.RelyingPartyFactory(client=client_company, needs_pkce=False, allows_token_grant=True)
    factories.RegisteredAddressFactory(relying_party=party, address=REDIRECT_URI)
    return party


@pytest.fixture
def authorize(signed_in, party):
    """Send Alice's browser there; whatever the test does not say is usual. A value of None leaves a parameter out."""

    def send(browser=signed_in, headers=None, **changed):
        asked = {name: value for name, value in (usual(party) | changed).items() if value is not None}
        return browser.get(PATH, asked, headers=headers)

    return send


@pytest.fixture
def by_token(signed_in, old_party):
    """Ask for tokens in the address."""

    def send(**changed):
        asked = without(usual(old_party), "code_challenge", "code_challenge_method")
        asked |= {"response_type": "id_token token"}
        given = {name: value for name, value in (asked | changed).items() if value is not None}
        return signed_in.get(PATH, given)

    return send


@pytest.fixture
def somebody():
    """A browser in which nobody is signed in."""
    return Client(HTTP_HOST=PORTAL)


@pytest.fixture
def launch(issue_to_alice):
    """What a pop left for the sign-in that it asked the CRM to begin."""
    return issue_to_alice(kind=Kind.LAUNCH, call=CALL, departments=[1], campaigns=[2])
