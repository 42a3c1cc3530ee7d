"""What tests of relying parties share: codes, and what comes of them."""

from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

import pytest
from django.test import Client

from tests import factories
from tests.conftest import PORTAL
from tests.tokens.dialects.oidc.parties import CHALLENGE, FORM, REDIRECT_URI, SCOPE, VERIFIER, basic
from tokens.issuing import CallContext
from tokens.models import Kind


@pytest.fixture
def make_code(issue_to_alice, relying_party, session) -> Callable[..., str]:
    """A code as /oauth/authorize issues it; what is bound to it may be changed."""

    def make(*, issued_to=relying_party, call=None, **terms) -> str:
        bound = {"redirect_uri": REDIRECT_URI, "scope": SCOPE, "nonce": "n-1", "challenge": CHALLENGE}
        issued = issue_to_alice(
            kind=Kind.CODE,
            session=session,
            issued_to=issued_to,
            terms=bound | terms,
            call=call or CallContext(did="+15550100"),
        )
        return issued.secret

    return make


@pytest.fixture
def code(make_code) -> str:
    return make_code()


@pytest.fixture
def post(relying_party) -> Callable[..., Any]:
    """One request as demoaws' relying party, by client_secret_basic where the test says nothing else."""

    def send(form, *, path="/oauth/token", headers=None, **extra):
        headers = basic(relying_party.identifier) if headers is None else headers
        body = form if isinstance(form, bytes) else urlencode(form).encode()
        return Client(HTTP_HOST=PORTAL).post(path, body, FORM, headers=headers, **extra)

    return send


@pytest.fixture
def exchange(post) -> Callable[..., Any]:
    """Exchange a code; `None` leaves a parameter out."""

    def exchange_one(code, *, headers=None, path="/oauth/token", extra=None, **changed):
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": REDIRECT_URI,
            "code_verifier": VERIFIER,
        }
        sent = {name: value for name, value in (form | changed).items() if value is not None}
        return post(sent, headers=headers, path=path, **(extra or {}))

    return exchange_one


@pytest.fixture
def refresh(post) -> Callable[..., Any]:
    def refresh_one(secret, *, headers=None, **more):
        return post({"grant_type": "refresh_token", "refresh_token": secret, **more}, headers=headers)

    return refresh_one


@pytest.fixture
def given(exchange, code) -> dict[str, str]:
    """What a code was exchanged for."""
    return exchange(code).json()


@pytest.fixture
def public_party(client_company):
    """A party of demoaws that runs where no secret can be kept."""
    return factories.RelyingPartyFactory(client=client_company, is_public=True, secret="")


@pytest.fixture
def other_party(client_company):
    """Another party of demoaws; its secret is rs_other."""
    return factories.RelyingPartyFactory(client=client_company, secret="rs_other")
