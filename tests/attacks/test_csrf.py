"""Forms of another site: every address that takes a POST from a browser wants our own token with it."""

import pytest

from tests.attacks.wire import FORM, send
from tests.attacks.world import fingerprint
from tests.conftest import PORTAL

pytestmark = pytest.mark.django_db

# Pages whose POST changes nothing: it becomes the same GET, without a cookie's help.
BECOME_A_GET = {"pop", "launcher", "oauth_authorize", "oauth_logout"}
HEALTH = ("/healthz", "/readyz", "/metrics")
EVERYBODY = ("nobody", "agent", "person", "owner", "operator")
HIS_OWN = {"X-CSRFToken": "x" * 32, "Cookie": f"csrf={'x' * 32}"}


@pytest.mark.parametrize("who", EVERYBODY)
def test_post_without_a_token_is_refused_at_every_page(world, who):
    before, wrong = fingerprint(), []

    for name, address in world.pages():
        query = f"?group={world.group.pk}" if address.startswith("/sso/") else ""
        answer = send("POST", f"{address}{query}", body=b"a=b", kind=FORM, headers=world.cookie(who))
        # A page that shows its reference, or the sign-in form again; not a page of the framework.
        is_ours = answer["X-Request-Id"] in answer.text or name == "agent_sign_in"
        if name in BECOME_A_GET:
            wrong += [] if answer.status in (303, 405) else [(address, answer.status)]
        elif address not in HEALTH and not (answer.status in (403, 405) and is_ours):
            wrong.append((address, answer.status))

    assert wrong == []
    assert fingerprint() == before


@pytest.mark.parametrize(
    "headers",
    [{"Origin": "https://evil.example"}, {"Origin": "null"}, {"Origin": f"http://evil.{PORTAL}"}],
    ids=lambda headers: headers["Origin"],
)
def test_post_of_another_site_is_refused_though_it_has_a_token(world, headers):
    """A neighbour who planted the cookie, too, knows its token; what he cannot do is to come from here."""
    before = fingerprint()
    cookie = world.cookie("owner")["Cookie"]

    for address in (f"/groups/{world.group.pk}/agents/new/", "/profile/", "/accounts/logout/"):
        sent = HIS_OWN | headers | {"Cookie": f"{cookie}; {HIS_OWN['Cookie']}"}
        assert send("POST", address, body=b"full_name=x", kind=FORM, headers=sent).status == 403

    assert fingerprint() == before


def test_same_post_from_here_is_taken(world):
    """So that the test above is refused for its origin, and for nothing else."""
    cookie = world.cookie("owner")["Cookie"]
    sent = HIS_OWN | {"Origin": f"http://{PORTAL}", "Cookie": f"{cookie}; {HIS_OWN['Cookie']}"}

    assert send("POST", "/accounts/logout/", body=b"", kind=FORM, headers=sent).status in (302, 303)


@pytest.mark.parametrize(
    "method", ["PUT", "PATCH", "DELETE", "TRACE", "CONNECT", "OPTIONS", "PROPFIND", "get", ""]
)
def test_no_other_method_changes_anything(world, method):
    """As who may change most there. Of the operators' pages one model's: the framework's views are the same for all."""
    before, wrong = fingerprint(), []
    for _name, address in world.pages():
        is_operators = address.startswith("/backoffice/")
        if is_operators and address.count("/") > 3 and not address.startswith("/backoffice/groups/agent/"):
            continue
        headers = world.cookie("operator" if is_operators else "owner")
        headers |= {"X-HTTP-Method-Override": "POST", "X-Method-Override": "DELETE"}
        answer = send(method, f"{address}?_method=POST", kind=FORM, headers=headers)
        wrong += [(address, answer.status)] if answer.status >= 500 else []

    assert wrong == []
    assert fingerprint() == before
