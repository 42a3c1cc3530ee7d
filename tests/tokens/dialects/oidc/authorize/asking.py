"""What the tests of the authorization endpoint share: how it is asked, and what is read of its answers."""

from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

from django.utils import timezone

from groups import models as groups
from groups.targets import unseal
from tests import factories
from tests.reading import words_of
from tests.tokens.dialects.oidc.parties import (
    CHALLENGE,
    REDIRECT_URI,
    SCOPE,
)
from tokens.issuing import CallContext
from tokens.models import Kind, LoginToken

HOSTILE = "<script>alert(1)</script>\"'&amp;"


ISSUER = "http://localhost:8000"


PATH = "/oauth/authorize"


def usual(party) -> dict[str, str]:
    """What a relying party that does it right asks for."""
    return {
        "client_id": party.identifier,
        "redirect_uri": REDIRECT_URI,
        "response_type": "code",
        "scope": SCOPE,
        "state": "a state",
        "nonce": "a nonce",
        "code_challenge": CHALLENGE,
        "code_challenge_method": "S256",
    }


def without(asked: dict[str, str], *names: str) -> dict[str, str]:
    return {name: value for name, value in asked.items() if name not in names}


def told(response, at: str = REDIRECT_URI, by: str = "query") -> dict[str, str]:
    """What the relying party is told, at its registered address and nowhere else."""
    parts = urlsplit(response.headers["Location"])
    assert response.status_code == 303, response.headers
    assert f"{parts.scheme}://{parts.netloc}{parts.path}" == at.partition("?")[0]
    assert (parts.fragment if by == "query" else parts.query) == ""
    pairs = parse_qs(getattr(parts, by), keep_blank_values=True, strict_parsing=True)
    assert all(len(values) == 1 for values in pairs.values())
    return {name: values[0] for name, values in pairs.items()}


def assert_sent_back(response, error: str, **how) -> str:
    """An error at the relying party, with its state and the issuer; its description."""
    answer = told(response, **how)
    assert answer["error"] == error, answer
    assert answer["iss"] == ISSUER
    assert answer.keys() <= {"error", "error_description", "state", "iss"}
    allowed = set(map(chr, [0x20, 0x21, *range(0x23, 0x5C), *range(0x5D, 0x7F)]))
    assert answer["error_description"]
    assert set(answer["error_description"]) <= allowed
    assert not LoginToken.objects.filter(kind=Kind.CODE).exists()
    return answer["error_description"]


def assert_page(response, status: int = 400) -> str:
    """A page of our own, which sends nobody anywhere; what it says."""
    assert (response.status_code, "Location" in response.headers) == (status, False)
    assert response.headers["Content-Type"].startswith("text/html")
    return words_of(response)


def target_of(response):
    """Where the sign-in page would send the agent on to."""
    assert response.status_code == 303
    assert response.headers["Location"].startswith("/sso/sign-in?")
    return unseal(parse_qs(urlsplit(response.headers["Location"]).query)["to"][0])


def sign_in(browser, response, username="alice"):
    """Sign in at the page that this answer leads to, and follow on, as a browser would."""
    page = response.headers["Location"]
    signed_in = browser.post(page, {"username": username, "password": factories.PASSWORD})
    assert signed_in.status_code == 303, words_of(signed_in)
    return browser.get(signed_in.headers["Location"])


def make_older(session, by: timedelta) -> None:
    groups.AgentSession.objects.filter(pk=session.pk).update(started_at=timezone.now() - by)


CALL = CallContext("+15550100", "+15550199", "c-7", "2", "crm:home")
