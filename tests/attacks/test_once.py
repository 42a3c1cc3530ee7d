"""Whatever may be used once is used twice: the second use is worth nothing."""

import json
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest
from django.conf import settings
from django.core import mail
from django.test import Client

from groups.standing import give_activation_code
from tests import factories
from tests.accounts.conftest import code_of, is_in
from tests.attacks.wire import FORM, JSON, Answer, send
from tests.attacks.world import HOST, World, form_of_code
from tests.conftest import PORTAL
from tokens.models import Kind

pytestmark = pytest.mark.django_db
CHOSEN = "seven purple lanterns on a hill"
Use = Callable[[], bool]  # whether it was worth something


def software(world: World, address: str, body: dict[str, Any] | bytes) -> Use:
    """This call, as often as one likes."""
    told = body if isinstance(body, bytes) else json.dumps(body).encode()
    kind = FORM if isinstance(body, bytes) else JSON
    return lambda: (
        send("POST", address, body=told, kind=kind, headers=world.credentials(address)).status == 200
    )


def opens(address: str, hands_on: Callable[[Answer], bool]) -> Use:
    return lambda: hands_on(send("GET", address))


def login_token(world: World, caller: Any) -> Use:
    return software(world, "/api/v1/tokens/redeem", {"token": world.issue(Kind.HAND_OFF)})


def entrance(world: World, caller: Any) -> Use:
    return opens(
        f"/sso/enter?token={world.issue(Kind.ENTRANCE)}", lambda answer: "token=" in answer["Location"]
    )


def authorization_code(world: World, caller: Any) -> Use:
    return software(world, "/oauth/token", form_of_code(world.code()))


def refresh_token(world: World, caller: Any) -> Use:
    answer = send("POST", "/oauth/token", body=form_of_code(world.code()), kind=FORM,
                  headers=world.credentials("/oauth/token"))  # fmt: skip
    form = {"grant_type": "refresh_token", "refresh_token": json.loads(answer.text)["refresh_token"]}
    return software(world, "/oauth/token", urlencode(form).encode())


def persons_entrance(world: World, caller: Any) -> Use:
    address = f"/oauth/singlesignon.php?access_token={world.entrance_of_person()}"
    return opens(address, lambda answer: settings.CLIENT_COOKIE_NAME in answer.cookies)


def persons_hand_off(world: World, caller: Any) -> Use:
    onward = send("GET", "/client/demoaws/billing/invoices", headers=world.cookie("person"))["Location"]
    token = re.search(r"token=([^&]+)", onward)
    assert token
    return software(world, "/api/v1/tokens/redeem", {"token": token[1]})


def bus_code(world: World, caller: Any) -> Use:
    return software(world, "/bus/api/code", {"code": world.bus_code(), "redirectUrl": HOST})


def bus_refresh_token(world: World, caller: Any) -> Use:
    call = {"email": "alice", "password": factories.PASSWORD}
    answer = send("POST", "/bus/api/sign-in", body=json.dumps(call).encode(), kind=JSON,
                  headers=world.credentials("/bus/api/sign-in"))  # fmt: skip
    return software(
        world, "/bus/api/refresh", {"refreshToken": json.loads(answer.text)["credentials"]["refreshToken"]}
    )


def activation_code(world: World, caller: Any) -> Use:
    agent = factories.AgentFactory(group=world.group, username="nora", password="")
    code, door = give_activation_code(agent, by="test", caller=caller), f"/sso/sign-in?group={world.group.pk}"

    def use() -> bool:
        browser = Client(HTTP_HOST=PORTAL)
        answer = browser.post(door, {"username": "nora", "password": code})
        if answer.status_code != 303:
            return False
        browser.post(answer["Location"], {"new_password": CHOSEN, "repeated": CHOSEN})
        return settings.AGENT_COOKIE_NAME in browser.cookies

    return use


def proof_of_a_password(world: World, caller: Any) -> Use:
    """What stands in the cookie between the password and the page that comes before one is in."""
    agent = factories.AgentFactory(group=world.group, username="nora", password="")
    code, door = give_activation_code(agent, by="test", caller=caller), f"/sso/sign-in?group={world.group.pk}"
    answer = Client(HTTP_HOST=PORTAL).post(door, {"username": "nora", "password": code})
    proof = answer.cookies[settings.PENDING_COOKIE_NAME].value

    def use() -> bool:
        browser = Client(HTTP_HOST=PORTAL)
        browser.cookies[settings.PENDING_COOKIE_NAME] = proof
        browser.post(answer["Location"], {"new_password": CHOSEN, "repeated": CHOSEN})
        return bool(settings.AGENT_COOKIE_NAME in browser.cookies)

    return use


def invitation(world: World, caller: Any) -> Use:
    joined = {"full_name": "Nora New", "new_password": CHOSEN, "repeated": CHOSEN}
    return lambda: (
        Client(HTTP_HOST=PORTAL).post("/invitations/iv_of-the-world/", joined).status_code in (302, 303)
    )


def code_of_an_app(world: World, caller: Any) -> Use:
    return second_factor(world.owner, code_of())


def recovery_code(world: World, caller: Any) -> Use:
    factories.RecoveryCodesFactory(user=world.owner)
    codes = world.owner.authenticator_set.get(type="recovery_codes").wrap().get_unused_codes()
    return second_factor(world.owner, codes[0])


def second_factor(administrator: Any, code: str) -> Use:
    def use() -> bool:
        browser = Client(HTTP_HOST=PORTAL)
        browser.post("/accounts/login/", {"login": administrator.email, "password": factories.PASSWORD})
        browser.post("/accounts/2fa/authenticate/", {"code": code})
        return is_in(browser)

    return use


def link_to_a_new_password(world: World, caller: Any) -> Use:
    Client(HTTP_HOST=PORTAL).post("/accounts/password/reset/", {"email": world.owner.email})
    link = re.search(r"http://\S+/password/reset/key/\S+", mail.outbox[-1].body)
    assert link

    def use() -> bool:
        browser = Client(HTTP_HOST=PORTAL)
        form = browser.get(urlsplit(link[0]).path, follow=True)
        if not form.redirect_chain:
            return False
        answer = browser.post(form.redirect_chain[-1][0], {"password1": CHOSEN, "password2": CHOSEN})
        return bool(answer.status_code == 302)

    return use


ONCE = [
    *(login_token, entrance, authorization_code, refresh_token, persons_entrance, persons_hand_off, bus_code),
    *(bus_refresh_token, activation_code, proof_of_a_password, invitation, code_of_an_app, recovery_code),
    link_to_a_new_password,
]


@pytest.mark.parametrize("thing", ONCE, ids=lambda thing: thing.__name__)
def test_second_use_is_worth_nothing(world, caller, still_clock, thing):
    use = thing(world, caller)

    assert [use(), use()] == [True, False]
