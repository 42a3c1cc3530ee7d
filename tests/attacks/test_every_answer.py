"""Every address, opened by everybody: nothing breaks, runs what somebody typed, or leads out of the portal.

What every answer carries, `send` looks at itself: here, and in every other attack.
"""

from collections.abc import Iterator
from urllib.parse import quote

import pytest

from tests.attacks.answers import POLICY, policy_of, what_is_wrong
from tests.attacks.test_hostile_text import COMPUTED, what_runs
from tests.attacks.test_redirects import ELSEWHERE, is_ours
from tests.attacks.wire import FORM, send
from tests.attacks.world import World
from tests.conftest import PORTAL

pytestmark = pytest.mark.django_db

PARAMETERS = (
    *("next", "to", "redirect_uri", "post_logout_redirect_uri", "target_link_uri", "sso_redirect_path"),
    *(
        "destination",
        "redirectUrl",
        "redirect_to",
        "return_to",
        "url",
        "goto",
        "continue",
        "success_url",
        "u",
    ),
)
READ_THEM = ("index", "login", "logout", "view_on_site")  # of the operators' pages


def queries(world: World, name: str, address: str) -> Iterator[str]:
    """Every such parameter, each saying something else; three requests cover all that is said."""
    yield f"group={world.group.pk}&q=%3Cx-hostile%3E"
    if address.startswith("/backoffice/") and name not in READ_THEM:
        return
    for shift in range(0, len(ELSEWHERE), len(PARAMETERS)):
        said = [ELSEWHERE[(shift + n) % len(ELSEWHERE)] for n in range(len(PARAMETERS))]
        query = "&".join(f"{name}={quote(there)}" for name, there in zip(PARAMETERS, said, strict=True))
        yield f"group={world.group.pk}&{query}"


@pytest.mark.parametrize(
    ("who", "shown"), [("nobody", 1), ("agent", 2), ("person", 1), ("owner", 20), ("operator", 10)]
)
def test_no_page_runs_what_was_typed_or_sends_elsewhere(world, who, shown):
    """`shown` pages at least show what somebody typed: it is there to be run."""
    wrong, pages = [], 0
    for name, address in world.addresses():
        for query in queries(world, name, address):
            answer = send("GET", f"{address}?{query}", headers=world.cookie(who) | world.credentials(address))
            wrong += [(address, "broken")] if answer.status >= 500 else []
            wrong += [(address, answer["Location"])] if not is_ours(answer["Location"]) else []
            if answer["Content-Type"].startswith("text/html"):
                pages += "x-hostile" in answer.text
                wrong += [(address, run) for run in what_runs(answer.text)]
                wrong += [(address, "computed")] if COMPUTED in answer.text else []

    assert wrong == []
    assert pages >= shown


USUAL = ("/", "/nowhere", "/sso/sign-in", "/sso/sign-in?group=x", "/accounts/login/", "/groups/", "/api/nowhere",
         "/api/v1/tokens/redeem", "/healthz")  # fmt: skip


@pytest.mark.parametrize("host", ["evil.example", "demoaws.localhost:8000", PORTAL])
@pytest.mark.parametrize("method", ["GET", "POST", "PUT"])
def test_usual_answer_has_the_strict_policy_under_any_host_name(method, host):
    """No exception of any page's."""
    for address in USUAL:
        answer = send(method, address, kind=FORM, host=host)
        assert answer.status < 500, address
        assert policy_of(answer) == POLICY, address
        assert answer["Referrer-Policy"] == "same-origin", address


def test_answer_that_lacks_a_header_would_be_noticed():
    """What `send` asks of every answer can be wanting."""
    answer = send("GET", "/sso/sign-in")
    names = {name for name, _ in answer.headers} - {
        "Content-Type",
        "Content-Length",
        "Vary",
        "Content-Language",
    }

    for name in names - {"Set-Cookie", "Expires", "Server-Timing"}:
        without = [header for header in answer.headers if header[0] != name]
        assert what_is_wrong("/sso/sign-in", type(answer)(200, without, b"")), name
    assert len(names) > 6
    assert len(POLICY) == 10
