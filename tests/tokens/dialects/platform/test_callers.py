"""Which call-center platforms may call, and how often."""

from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.models import Event, Outcome, Tally
from tests import factories
from tests.tokens.dialects.platform.asking import GOOD, assert_refused, nobody_new
from tokens.models import AddressRule, LoginToken, PlatformKey

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("entitlement", "platform_key", "rule")]


# --- Who may call ----------------------------------------------------------------------------------------------------


def _revoke() -> None:
    PlatformKey.objects.update(revoked_at=timezone.now())


def _expire() -> None:
    PlatformKey.objects.update(expires_at=timezone.now())


def _empty_the_list() -> None:
    AddressRule.objects.all().delete()


def _list_another() -> None:
    AddressRule.objects.update(network="203.0.113.0/24")


UNAUTHORIZED = {
    "missing": (lambda: None, {"key": None}),
    "empty": (lambda: None, {"key": ""}),
    "wrong": (lambda: None, {"key": "pk_wrong"}),
    "prefix-only": (lambda: None, {"key": factories.PLATFORM_KEY[:11]}),
    "other-case": (lambda: None, {"key": factories.PLATFORM_KEY.upper()}),
    "latin-1": (lambda: None, {"key": "pk_\xe9\xff"}),
    "revoked": (_revoke, {}),
    "expired": (_expire, {}),
    "empty-list": (_empty_the_list, {}),
    "empty-list-wrong-key": (_empty_the_list, {"key": "pk_wrong"}),
    "foreign-address": (_list_another, {}),
    "foreign-address-wrong-key": (_list_another, {"key": "pk_wrong"}),
    "another-peer": (lambda: None, {"REMOTE_ADDR": "127.0.0.2"}),
    "mapped-other-peer": (lambda: None, {"REMOTE_ADDR": "::ffff:127.0.0.2"}),
    "no-peer": (lambda: None, {"REMOTE_ADDR": ""}),
}


@pytest.mark.parametrize("name", UNAUTHORIZED)
def test_login_by_somebody_who_may_not_call_is_refused(send, name):
    prepare, changed = UNAUTHORIZED[name]
    prepare()

    assert_refused(send(**changed), 401, "unauthorized")
    assert nobody_new()


def test_login_by_somebody_who_may_not_call_gets_one_answer(send):
    bodies = set()
    for prepare, changed in UNAUTHORIZED.values():
        prepare()
        bodies.add(send(**changed).content)

    assert len(bodies) == 1


@pytest.mark.parametrize("address", ["127.0.0.1", "::ffff:127.0.0.1"])
def test_login_from_an_address_on_the_list_works(send, agent, address):
    assert send(REMOTE_ADDR=address).json()["success"] == 1


def test_login_from_a_network_on_the_list_works(send, agent, rule):
    AddressRule.objects.update(network="2001:db8::/32")

    assert send(REMOTE_ADDR="2001:DB8:0:0::7").json()["success"] == 1


@pytest.mark.parametrize(
    "header", ["HTTP_X_FORWARDED_FOR", "HTTP_X_REAL_IP", "HTTP_FORWARDED", "HTTP_CLIENT_IP"]
)
def test_login_with_a_forged_address_is_refused(send, header):
    assert_refused(send(REMOTE_ADDR="203.0.113.9", **{header: "127.0.0.1"}), 401, "unauthorized")
    assert Event.objects.get().address == "203.0.113.9"


def test_login_with_a_forged_foreign_address_works_all_the_same(send, agent):
    assert send(HTTP_X_FORWARDED_FOR="203.0.113.9").json()["success"] == 1
    assert Event.objects.get().address == "127.0.0.1"


def test_login_with_the_key_of_another_groups_list_is_refused(send, other_group):
    factories.PlatformKeyFactory(group=other_group, secret="pk_of-southgate")

    assert_refused(send(key="pk_of-southgate"), 401, "unauthorized")


@pytest.mark.parametrize("where", ["query", "body", "basic"])
def test_login_with_the_key_anywhere_but_in_its_header_is_refused(send, where):
    changed = {
        "query": {"path": f"/api/sso?Platform-Key={factories.PLATFORM_KEY}"},
        "body": {"body": GOOD | {"Platform-Key": factories.PLATFORM_KEY}},
        "basic": {"HTTP_AUTHORIZATION": f"Bearer {factories.PLATFORM_KEY}"},
    }[where]

    assert_refused(send(key=None, **changed), 401, "unauthorized")


def test_login_refused_for_its_key_is_recorded_without_the_key(send):
    send(key="pk_wrong-but-secret")

    event = Event.objects.get()
    assert (event.action, event.outcome, event.reason) == ("login.issue", Outcome.REFUSED, "unauthorized")
    assert "pk_wrong-but-secret" not in str(vars(event))


@pytest.mark.parametrize("end", [_revoke, _expire])
def test_login_with_a_key_that_has_ended_is_recorded_for_its_group(send, platform_key, end):
    end()
    send()

    event = Event.objects.get()
    assert (event.group_id, event.object, event.actor) == (
        platform_key.group_id,
        platform_key.named,
        "anonymous",
    )
    assert event.details["detail"] == "key ended"


def test_login_with_a_key_that_never_was_is_recorded_for_nobody(send):
    send(key="pk_wrong")

    event = Event.objects.get()
    assert (event.group_id, event.object) == (None, "")


def test_login_after_sixty_refused_credentials_in_a_minute_is_asked_to_wait(send, agent):
    minute = timezone.now().replace(second=0, microsecond=0)
    for later in (0, 1):  # whichever minute it is when the request comes
        Tally.objects.create(
            limit="refused credentials", who="127.0.0.1", minute=minute + timedelta(minutes=later), times=60
        )

    response = send(key="pk_wrong")

    assert_refused(response, 429, "too_many_requests")
    assert 0 < int(response.headers["Retry-After"]) <= 60


def test_login_with_wrong_keys_is_counted_by_address(send):
    send(key="pk_wrong")
    send(key="pk_wrong", REMOTE_ADDR="127.0.0.2")
    send(key="pk_wrong")

    counted = dict(Tally.objects.filter(limit="refused credentials").values_list("who", "times"))
    assert counted.keys() == {"127.0.0.1", "127.0.0.2"}


# --- The limit of a key ----------------------------------------------------------------------------------------------


@pytest.fixture
def mint(agent, platform_key, client_company):
    """Logins by this key, issued a moment ago."""

    def mint_some(number: int) -> None:
        made = {"agent": agent, "client": client_company, "platform_key": platform_key}
        LoginToken.objects.bulk_create(factories.LoginTokenFactory.build_batch(number, **made))

    return mint_some


def test_login_601_in_a_minute_is_asked_to_wait(send, mint):
    mint(600)

    response = send()

    assert_refused(response, 429, "too_many_requests")
    assert 0 < int(response.headers["Retry-After"]) <= 60
    assert LoginToken.objects.count() == 600


def test_login_600_in_a_minute_works(send, mint):
    mint(599)

    assert send().json()["success"] == 1


def test_login_by_another_key_of_the_group_is_not_asked_to_wait(send, mint, group):
    mint(600)
    factories.PlatformKeyFactory(group=group, secret="pk_second")

    assert send(key="pk_second").json()["success"] == 1


def test_login_without_rate_limits_is_never_asked_to_wait(send, mint, settings):
    settings.RATE_LIMITS = False
    mint(600)

    assert send().json()["success"] == 1
