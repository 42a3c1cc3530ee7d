"""Every secret of a tour through all doors, looked for where none may stand: database, answers, errors, logs, audit.

tests/secrets_seen.py looks for those of every other test, too.
"""

import json
import logging
import re
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from django.conf import settings
from django.core import mail
from django.test import Client

from groups.standing import give_activation_code
from sso_portal.lib.secrets import new_secret
from tests import factories
from tests.accounts.conftest import code_of
from tests.attacks.wire import FORM, JSON, Answer, send
from tests.attacks.world import HOST, World, form_of_code
from tests.conftest import PORTAL
from tests.secrets_seen import rows, seen
from tests.tokens.dialects.oidc.parties import basic
from tokens.models import Kind

pytestmark = pytest.mark.django_db
CHOSEN = "seven purple lanterns on a hill"
WRONG = "not the password of anybody here"


class Tour:
    """Everything that people and software do with secrets, once; then the same again, which is refused."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.refusals: list[Answer] = []

    def ask(self, address: str, body: dict[str, Any] | bytes, *, twice: bool = True, **headers: str) -> Any:
        """A call of software that works; and that is refused the second time, if so."""
        sent = self.world.credentials(address) | headers
        kind = FORM if isinstance(body, bytes) else JSON
        told = body if isinstance(body, bytes) else json.dumps(body).encode()
        first = send("POST", address, body=told, kind=kind, headers=sent)
        assert first.status in (200, 201), (address, first.text)
        if twice:
            self.refuse(address, told, kind=kind, headers=sent)
        return json.loads(first.text or "{}")

    def refuse(self, address: str, body: bytes = b"", *, kind: str = FORM, headers: Any = None) -> None:
        """A request that is refused; its answer is kept."""
        self.refusals.append(send("POST" if body else "GET", address, body=body, kind=kind, headers=headers))
        assert self.refusals[-1].status >= 400, (address, self.refusals[-1].text[:200])

    def follow(self, address: str, cookie: str = "") -> str:
        """The token or code that this page hands on."""
        answer = send("GET", address, headers={"Cookie": cookie} if cookie else {})
        query = parse_qs(urlsplit(answer["Location"]).query)
        assert query.keys() & {"token", "code"}, (address, answer.status, answer["Location"])
        return (query.get("token") or query["code"])[0]

    # --- Doors ---------------------------------------------------------------------------------------------------

    def agents_door(self, caller: Any) -> None:
        group = self.world.group
        door = f"/sso/sign-in?group={group.pk}"
        newcomer = factories.AgentFactory(group=group, username="nora", password="")
        browser = Client(HTTP_HOST=PORTAL)
        code = give_activation_code(newcomer, by="test", caller=caller)
        chosen = browser.post(door, {"username": "nora", "password": code})["Location"]
        browser.post(chosen, {"new_password": CHOSEN, "repeated": CHOSEN})
        assert settings.AGENT_COOKIE_NAME in browser.cookies
        for password in (WRONG, code):
            assert browser.post(door, {"username": "nora", "password": password}).status_code == 200
        assert browser.post(door, {"username": "nora", "password": CHOSEN}).status_code == 303
        self.pop(f"{settings.AGENT_COOKIE_NAME}={browser.cookies[settings.AGENT_COOKIE_NAME].value}")
        browser.post("/sso/sign-out")

    def pop(self, cookie: str) -> None:
        address = f"/sso/group/demoaws?group={self.world.group.pk}&did=%2B18005550101"
        token = self.follow(address, cookie)
        self.refuse("/api/v1/tokens/redeem", json.dumps({"token": token}).encode(), kind=JSON,
                    headers=basic(self.world.party.identifier, new_secret("rs_")))  # fmt: skip
        self.ask("/api/v1/tokens/redeem", {"token": token})
        self.refuse(f"/sso/enter?token={token}")

    def openid_connect(self) -> None:
        tokens = self.ask("/oauth/token", form_of_code(self.world.code()))
        code = self.world.code()
        self.refuse("/oauth/token", form_of_code(code, code_verifier="w" * 43), headers=basic("rp_nobody"))
        tokens = self.ask("/oauth/token", form_of_code(code), twice=False)
        bearer = {"Authorization": f"Bearer {tokens['access_token']}"}
        assert send("GET", "/oauth/userinfo", headers=bearer).status == 200
        renew = urlencode({"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]})
        self.ask("/oauth/token", renew.encode())
        for address in ("/oauth/introspect", "/oauth/revoke"):
            self.ask(address, urlencode({"token": tokens["access_token"]}).encode(), twice=False)
        self.refuse("/oauth/userinfo", headers=bearer)
        hint = urlencode(
            {"id_token_hint": tokens["id_token"], "post_logout_redirect_uri": "https://x.example"}
        )
        self.refuse(f"/oauth/logout?{hint}")

    def entrances(self) -> None:
        entrance = self.world.issue(Kind.ENTRANCE)
        assert send("GET", f"/sso/enter?token={entrance}").status in (302, 303)
        self.refuse(f"/sso/enter?token={entrance}")
        key = {"username": "alice", "fullname": "Alice Ames", "department_id": 1}
        self.ask("/api/sso/demoaws", key, twice=False)
        self.refuse("/api/sso/demoaws", b"{}", kind=JSON, headers={"Platform-Key": new_secret("pk_")})
        login = {"username": "alice", "full_name": "Alice Ames", "client": "demoaws", "departments": [1]}
        self.ask("/api/v1/logins", login, twice=False)
        self.refuse(
            "/api/v1/logins", b"{}", kind=JSON, headers={"Authorization": f"Bearer {new_secret('ak_')}"}
        )

    def bus(self) -> None:
        code = {"code": self.world.bus_code(), "redirectUrl": HOST}
        given = self.ask("/bus/api/code", code)["credentials"]
        self.refuse("/bus/me", headers={"Authorization": f"Bearer {given['idToken']}"})
        typed = {"email": "alice", "password": factories.PASSWORD}
        given = self.ask("/bus/api/sign-in", typed, twice=False)["credentials"]
        self.ask("/bus/api/refresh", {"refreshToken": given["refreshToken"]})
        self.ask("/bus/api/sign-out", {"token": given["refreshToken"]}, twice=False)
        wrong = json.dumps(typed | {"password": WRONG}).encode()
        self.refuse("/bus/api/sign-in", wrong, kind=JSON, headers=self.world.credentials("/bus/api/sign-in"))

    def billing_system(self) -> None:
        who = {"identifier": "billing-under-test", "secret": factories.CREDENTIAL_SECRET}
        form = who | {"action": "CreateSsoToken", "user_id": str(self.world.person.pk)}
        token = self.ask("/includes/api.php", urlencode(form).encode(), twice=False)["access_token"]
        self.refuse("/includes/api.php", urlencode(form | {"secret": new_secret("wc_")}).encode())
        opened = send("GET", f"/oauth/singlesignon.php?access_token={token}")
        cookie = opened.cookies[settings.CLIENT_COOKIE_NAME].value
        hand_off = self.follow("/client/demoaws/billing/invoices", f"{settings.CLIENT_COOKIE_NAME}={cookie}")
        self.refuse(f"/oauth/singlesignon.php?access_token={token}")
        self.ask("/api/v1/tokens/redeem", {"token": hand_off})

    def signed_url(self) -> None:
        asked = urlencode({"product": "demoaws", "customer_account_code": self.world.group.code})
        address = f"/api/v4/sso_url?{asked}"
        answer = send("GET", address, headers=self.world.signed())
        assert answer.status == 200, answer.text
        self.refuse(address, headers=self.world.signed() | {"Date": "Thu, 01 Jan 1970 00:00:00 GMT"})

    def main_door(self) -> None:
        owner = factories.SecondFactorFactory(user__email="olga@northwind.example").user
        factories.RecoveryCodesFactory(user=owner)
        recovery = owner.authenticator_set.get(type="recovery_codes").wrap().get_unused_codes()[0]
        for code in (recovery, code_of()):
            browser = Client(HTTP_HOST=PORTAL)
            for password in (WRONG, factories.PASSWORD):
                browser.post("/accounts/login/", {"login": owner.email, "password": password})
            assert browser.post("/accounts/2fa/authenticate/", {"code": "000000"}).status_code == 200
            assert browser.post("/accounts/2fa/authenticate/", {"code": code}).status_code == 302
        browser.post("/accounts/logout/")
        self.reset_password(owner)

    def reset_password(self, owner: Any) -> None:
        browser = Client(HTTP_HOST=PORTAL)
        browser.post("/accounts/password/reset/", {"email": owner.email})
        link = re.search(r"http://\S+/password/reset/key/\S+", mail.outbox[-1].body)
        assert link
        path = urlsplit(link[0]).path
        self.refuse(path, b"a=b")  # a form that is stale: what is logged of it may not be the link
        form = browser.get(path, follow=True).redirect_chain[-1][0]
        assert browser.post(form, {"password1": CHOSEN, "password2": CHOSEN}).status_code == 302
        send("GET", path)

    def console(self, browser: Client) -> None:
        of_group = f"/groups/{self.world.group.pk}"
        browser.post(f"{of_group}/administrators/invite/", {"email": "nora@new.example", "role": "manager"})
        link = re.search(r"http://\S+/invitations/\S+", mail.outbox[-1].body)
        assert link
        path = urlsplit(link[0]).path
        self.refuse(path, b"a=b")  # likewise
        joined = {"full_name": "Nora New", "new_password": CHOSEN, "repeated": CHOSEN}
        assert Client(HTTP_HOST=PORTAL).post(path, joined).status_code in (302, 303)
        self.refuse(path)
        shown = browser.post(f"{of_group}/keys/new/", {"name": "Made on the tour"}).content.decode()
        assert seen.found_in(shown), "The page shows the new key once."
        code = browser.post(f"{of_group}/agents/{self.world.agent.subject}/activation-code/").content.decode()
        assert code

    def go(self, caller: Any, browser: Client) -> None:
        """All of it."""
        self.console(browser)
        self.openid_connect()
        self.entrances()
        self.bus()
        self.billing_system()
        self.signed_url()
        self.main_door()
        self.agents_door(caller)


@pytest.fixture
def tour(own_world: World, caller: Any) -> Tour:
    tour = Tour(own_world)
    tour.go(caller, own_world.browser("owner"))
    return tour


def test_no_secret_of_a_tour_through_all_doors_stands_anywhere_in_clear(tour):
    """One tour, four places: it is dear."""
    assert len(seen.plain[43]) > 30
    assert [answer.status for answer in tour.refusals if seen.found_in(answer.whole)] == []
    assert len(seen.answers) >= len(tour.refusals) > 20
    assert seen.found(rows=rows()) == []


# --- The search itself can fail --------------------------------------------------------------------------------------


@pytest.fixture
def planted() -> str:
    return new_secret("as_").removeprefix("as_")


@pytest.mark.plants_secrets
def test_search_finds_a_secret_in_a_column(planted, group):
    type(group).objects.filter(pk=group.pk).update(name=f"Northwind {planted}")

    assert [secret for secret, place in seen.found(rows=rows()) if "groups_group" in place] == [planted]


@pytest.mark.plants_secrets
@pytest.mark.parametrize("line", ["signed in with as_%s", "GET /x?token=%s&a=b", '{"token": "%s"}'])
def test_search_finds_a_secret_in_the_log(planted, line):
    logging.getLogger("tests.planted").error(line, planted)

    assert [secret for secret, _ in seen.found()] == [planted]


@pytest.mark.plants_secrets
def test_search_finds_a_secret_in_the_trace_of_a_bug(planted):
    try:
        raise ValueError(planted)
    except ValueError:
        logging.getLogger("tests.planted").exception("a bug")

    assert [secret for secret, _ in seen.found()] == [planted]


@pytest.mark.plants_secrets
def test_search_finds_a_secret_on_a_page_that_refuses(planted, client):
    client.get(f"/groups/{planted}/", headers={"Accept-Language": planted})
    seen.answers.append(f"404 {planted}")

    assert [secret for secret, _ in seen.found()] == [planted]


def test_search_knows_passwords_and_encrypted_secrets_once_they_were_used(agent, group, client):
    client.post(f"/sso/sign-in?group={group.pk}", {"username": "alice", "password": WRONG})
    factories.SecondFactorFactory(data={"secret": factories.encrypt("a very secret seed of an app")})

    assert seen.found_in(f"x{WRONG}y") == {WRONG}
    assert seen.found_in("a very secret seed of an app")
