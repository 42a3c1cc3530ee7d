"""demoaws' signing pair, and calls signed with it."""

import time
from email.utils import formatdate

import pytest
from django.test import Client

from tests import factories
from tests.conftest import PORTAL
from tests.tokens.dialects.sso_url.signed import FIRST, GOOD, PATH, SECOND, SPELLINGS
from tokens.dialects.sso_url import signature_for
from tokens.models import SigningPair


@pytest.fixture
def pair(client_company) -> SigningPair:
    """demoaws' pair; two addresses are registered with its relying party."""
    party = factories.RelyingPartyFactory(client=client_company, needs_pkce=False)
    for address in (FIRST, SECOND):
        factories.RegisteredAddressFactory(relying_party=party, address=address)
    return factories.SigningPairFactory(relying_party=party)


@pytest.fixture
def ask():
    """Send one signed call, good where the test says nothing else. A header that is None is left out."""

    def ask_one(
        asked=GOOD,
        *,
        path=PATH,
        method="GET",
        date=None,
        spelling=SPELLINGS["node"],
        shared_key=factories.SHARED_KEY,
        headers=None,
        extra=None,
        **changed,
    ):
        date = date or formatdate(time.time(), usegmt=True)
        parts = {
            "algorithm": "hmac-sha256",
            "headers": "date",
            "signature": signature_for(date, shared_key=shared_key),
            "key": factories.SIGNING_API_KEY,
        }
        sent = {"Date": date, "Authorization": spelling.format(**parts | changed)} | (headers or {})
        sent = {name: value for name, value in sent.items() if value is not None}
        return Client(HTTP_HOST=PORTAL).generic(
            method, path, query_params=asked, headers=sent, content_type="application/json", **extra or {}
        )

    return ask_one
