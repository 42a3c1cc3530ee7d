"""Open redirects: whichever parameter names an address, nobody is sent out of the portal by what the request says."""

from urllib.parse import quote, urlsplit

import pytest
from django.test import Client

from tests import factories
from tests.accounts.conftest import code_of
from tests.attacks.wire import FORM, send
from tests.conftest import PORTAL
from tests.tokens.dialects.oidc.parties import CHALLENGE, REDIRECT_URI, SCOPE

pytestmark = pytest.mark.django_db

ELSEWHERE = (
    *("https://evil.example/", "//evil.example", "///evil.example", "////evil.example", "/\\evil.example"),
    *("\\\\evil.example", "\\/evil.example", "/\t/evil.example", "/\n/evil.example", "\thttps://evil.example"),
    *("https:evil.example", "https:/evil.example", "http:///evil.example", "HTTPS://EVIL.EXAMPLE", "ftp://evil.example"),
    *("javascript:alert(1)", "data:text/html,x", f"http://{PORTAL}@evil.example/", f"http://{PORTAL}.evil.example/"),
    *("http://localhost:8000\\@evil.example", "//evil\u3002example", "/\uff0fevil.example", "https://evil.example%2f@x"),
    *("//[::ffff:6.6.6.6]", "//[", "http://localhost:9999/", f"https://evil.example#{PORTAL}", "/%09/evil.example"),
    *(f"{REDIRECT_URI}/../evil", f"{REDIRECT_URI}?x=evil", f"{REDIRECT_URI}#evil", f"{REDIRECT_URI}%00.evil.example"),
)  # fmt: skip
REGISTERED = (REDIRECT_URI, "https://demoaws.crm.example/login", "https://demoaws.crm.example/bye")


def is_ours(where: str) -> bool:
    """Whether a browser that is sent there stays at the portal, or goes where an operator registered it."""
    parts = urlsplit(where.replace("\\", "/").strip())
    if not parts.scheme and not parts.netloc:
        return not any(ord(c) <= 0x20 for c in where) and not where.startswith("//")
    return f"{parts.scheme}://{parts.netloc}" == f"http://{PORTAL}" or any(
        where == known or where.startswith((f"{known}?", f"{known}#", f"{known}&")) for known in REGISTERED
    )


def test_sign_in_leads_nowhere_else(world):
    wrong = []
    for there in ELSEWHERE:
        typed = {"username": "alice", "password": factories.PASSWORD, "next": there, "to": there}
        where = f"/sso/sign-in?group={world.group.pk}&to={quote(there)}&next={quote(there)}"
        answer = Client(HTTP_HOST=PORTAL).post(where, typed)
        wrong += [there] if answer["Location"] != f"/sso/group?group={world.group.pk}" else []

    assert wrong == []


def test_authorization_goes_to_registered_addresses_alone(world):
    wrong = []
    for there in ELSEWHERE:
        query = {"response_type": "code", "client_id": world.party.identifier, "scope": SCOPE, "state": there}
        query |= {"redirect_uri": there, "code_challenge": CHALLENGE, "code_challenge_method": "S256"}
        answer = send("GET", f"/oauth/authorize?{as_query(query)}", headers=world.cookie("agent"))
        is_refused = (answer.status, answer["Location"]) == (400, "") and "evil" not in answer.text
        wrong += [] if is_refused else [there]

    assert wrong == []


def test_logging_out_goes_to_registered_addresses_alone(world):
    wrong = []
    for there in ELSEWHERE:
        query = as_query({"client_id": world.party.identifier, "post_logout_redirect_uri": there})
        answer = send("GET", f"/oauth/logout?{query}", headers=world.cookie("agent"))
        wrong += [] if (answer.status, answer["Location"]) == (400, "") else [there]

    assert wrong == []


def test_billing_systems_path_stays_in_its_client(world):
    """`sso_redirect_path` is a path below the client's own address, whatever is written into it."""
    wrong = []
    for there in ELSEWHERE:
        form = {"identifier": "billing-under-test", "secret": factories.CREDENTIAL_SECRET}
        form |= {"action": "CreateSsoToken", "user_id": str(world.person.pk)}
        form |= {"destination": "sso:custom_redirect", "sso_redirect_path": there}
        answer = send("POST", "/includes/api.php", body=as_query(form).encode(), kind=FORM)
        if '"redirect_url"' in answer.text:
            opened = answer.text.partition('"redirect_url":"')[2].partition('"')[0]
            onward = send("GET", opened.partition(PORTAL)[2])
            cookie = {"Cookie": onward["Set-Cookie"].partition(";")[0]}
            last = send("GET", onward["Location"].partition(PORTAL)[2], headers=cookie)
            is_inside = urlsplit(last["Location"]).netloc in ("", "demoaws.crm.example")
            wrong += [] if is_ours(onward["Location"]) and is_inside else [there]

    assert wrong == []


def as_query(values: dict[str, str]) -> str:
    """The values as an address carries them."""
    return "&".join(f"{name}={quote(value)}" for name, value in values.items())


def test_second_factor_leads_nowhere_else(world):
    browser = Client(HTTP_HOST=PORTAL)
    browser.post(
        "/accounts/login/?next=//evil.example", {"login": world.owner.email, "password": factories.PASSWORD}
    )

    answer = browser.post(
        "/accounts/2fa/authenticate/?next=//evil.example", {"code": code_of(), "next": "//evil.example"}
    )

    assert answer["Location"] == "/"
