"""The acts on keys and address lists."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

import pytest
from django.db import connection
from django.utils import timezone

from accounts.models import Event, Outcome
from sso_portal.lib.addresses import network_of
from sso_portal.lib.refusals import Refused
from sso_portal.lib.secrets import digest_of, new_secret
from tests import factories
from tokens import keys
from tokens.models import AddressRule, PlatformKey, RelyingPartySecret, State

pytestmark = pytest.mark.django_db

WEEK = timedelta(days=7)
HOUR = timedelta(hours=1)


@pytest.fixture
def who(caller):
    """Who acts, in every act."""
    return {"by": "administrator:ada@portal.example", "caller": caller}


@pytest.fixture
def key(group) -> PlatformKey:
    return factories.PlatformKeyFactory(group=group, name="Dialer")


def another(group, **fields) -> PlatformKey:
    return factories.PlatformKeyFactory(group=group, secret=new_secret("pk_"), **fields)


def event_of(action: str) -> Event:
    return Event.objects.get(action=action)


# --- Making a key ----------------------------------------------------------------------------------------------------


def test_new_key_opens_the_door(group, who):
    new = keys.create_key(group, PlatformKey, name="Dialer", **who)

    assert PlatformKey.objects.shown(new.secret).get() == new.key
    assert (new.key.group, new.key.name, new.key.expires_at) == (group, "Dialer", None)


def test_new_key_is_kept_as_a_digest_only(group, who):
    new = keys.create_key(group, PlatformKey, name="Dialer", **who)

    row = PlatformKey.objects.values().get()
    assert new.secret not in str(row)
    assert row["digest"] == digest_of(new.secret)


def test_new_key_is_recorded_without_its_secret(group, who):
    new = keys.create_key(group, PlatformKey, name="Dialer", **who)

    event = event_of("key.create")
    assert (event.object, event.actor, event.group_id) == (new.key.named, who["by"], group.pk)
    assert new.secret not in str(vars(event))


def test_third_live_key_is_refused(group, key, who):
    another(group)

    with pytest.raises(Refused) as refused:
        keys.create_key(group, PlatformKey, name="Third", **who)

    assert refused.value.refusal.code == "two_live_keys"
    assert not Event.objects.exists()


@pytest.mark.parametrize("over", ["revoked_at", "expires_at"])
def test_key_that_is_over_leaves_room_for_another(group, key, who, over):
    another(group, **{over: timezone.now()})

    assert keys.create_key(group, PlatformKey, name="Second", **who).key.state == State.LIVE


def test_keys_of_another_group_do_not_count(group, other_group, who):
    another(other_group), another(other_group)

    assert keys.create_key(group, PlatformKey, name="Dialer", **who)


def test_name_of_a_live_key_is_taken(group, key, who):
    with pytest.raises(Refused) as refused:
        keys.create_key(group, PlatformKey, name="DIALER", **who)

    assert (refused.value.refusal.code, refused.value.refusal.field) == ("name_taken", "name")


# --- Rotating it -----------------------------------------------------------------------------------------------------


def test_rotation_makes_a_key_of_the_same_name_and_keeps_the_old_one_for_the_overlap(key, who):
    new = keys.rotate_key(key, overlap=WEEK, **who)

    key.refresh_from_db()
    assert new.key.name == "Dialer"
    assert abs(key.expires_at - timezone.now() - WEEK) < timedelta(seconds=5)
    assert set(PlatformKey.objects.live()) == {key, new.key}


def test_rotation_never_prolongs_the_old_key(key, who):
    soon = timezone.now() + HOUR
    PlatformKey.objects.update(expires_at=soon)

    keys.rotate_key(key, overlap=WEEK, **who)

    key.refresh_from_db()
    assert key.expires_at == soon


def test_rotation_brings_a_distant_end_near(key, who):
    PlatformKey.objects.update(expires_at=timezone.now() + timedelta(days=90))

    keys.rotate_key(key, overlap=HOUR, **who)

    key.refresh_from_db()
    assert key.expires_at < timezone.now() + HOUR + timedelta(seconds=5)


def test_rotation_is_recorded_about_both_keys(key, who):
    new = keys.rotate_key(key, overlap=WEEK, **who)

    event = event_of("key.rotate")
    assert (event.object, event.details["new"]) == (key.named, new.key.named)
    assert event.details["ends_at"] == key.expires_at.isoformat(timespec="seconds")
    assert event_of("key.create").object == new.key.named


def test_rotation_beside_another_live_key_is_refused(group, key, who):
    another(group)

    with pytest.raises(Refused) as refused:
        keys.rotate_key(key, overlap=WEEK, **who)

    key.refresh_from_db()
    assert (refused.value.refusal.code, key.expires_at) == ("two_live_keys", None)


def test_rotation_of_a_key_that_is_over_is_refused(key, who):
    PlatformKey.objects.update(revoked_at=timezone.now())

    with pytest.raises(Refused) as refused:
        keys.rotate_key(key, overlap=WEEK, **who)

    assert refused.value.refusal.code == "key_ended"
    assert PlatformKey.objects.count() == 1


@pytest.mark.parametrize("overlap", [WEEK + timedelta(seconds=1), timedelta(seconds=-1)])
def test_overlap_is_a_week_at_most(key, who, overlap):
    with pytest.raises(ValueError, match="ends"):
        keys.rotate_key(key, overlap=overlap, **who)

    assert PlatformKey.objects.count() == 1


# --- Ending and revoking it ------------------------------------------------------------------------------------------


def test_key_that_ends_now_is_refused_at_once(key, who):
    keys.end_key(key, after=timedelta(0), **who)

    assert not PlatformKey.objects.shown(factories.PLATFORM_KEY).exists()
    assert key.state == State.ENDED


def test_end_is_put_off_up_to_a_week_from_now(key, who):
    PlatformKey.objects.update(expires_at=timezone.now() + HOUR)

    keys.end_key(key, after=WEEK, **who)

    assert abs(key.expires_at - timezone.now() - WEEK) < timedelta(seconds=5)
    assert event_of("key.change_end").object == key.named


def test_key_that_is_over_has_no_end_to_change(key, who):
    PlatformKey.objects.update(expires_at=timezone.now())

    with pytest.raises(Refused) as refused:
        keys.end_key(key, after=WEEK, **who)

    assert refused.value.refusal.code == "key_ended"
    assert not PlatformKey.objects.live().exists()


def test_revoked_key_is_refused_at_once(key, who):
    assert keys.revoke_key(key, **who)

    assert not PlatformKey.objects.shown(factories.PLATFORM_KEY).exists()
    assert event_of("key.revoke").object == key.named


def test_key_is_revoked_and_recorded_once(key, who):
    assert [keys.revoke_key(key, **who), keys.revoke_key(key, **who)] == [True, False]
    assert Event.objects.count() == 1


# --- What a key is worth ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("expires_in", "state"),
    [
        (None, State.LIVE),
        (timedelta(days=8), State.LIVE),
        (timedelta(days=6), State.ENDING),
        (timedelta(seconds=-1), State.ENDED),
    ],
)
def test_state_tells_how_near_the_end_is(expires_in, state):
    expires_at = timezone.now() + expires_in if expires_in else None

    assert PlatformKey(expires_at=expires_at).state == state


def test_state_of_a_revoked_key_is_revoked_for_good():
    assert PlatformKey(revoked_at=timezone.now(), expires_at=timezone.now()).state == State.REVOKED


@pytest.mark.parametrize(("days", "is_old"), [(334, False), (336, True)])
def test_key_is_old_after_335_days(days, is_old):
    assert PlatformKey(created_at=timezone.now() - timedelta(days=days)).is_old is is_old


def test_last_use_tells_from_where(key, group, caller):
    PlatformKey.objects.update(last_used_at=timezone.now())
    token = factories.LoginTokenFactory(agent__group=group, platform_key=key)
    Event.objects.create(
        action="login.issue", object=f"token:{token.trace}", address="203.0.113.9", outcome="ok"
    )
    key.refresh_from_db()

    assert keys.last_use_of(key).address == "203.0.113.9"


def test_last_use_of_a_key_that_was_never_used_is_none(key):
    assert keys.last_use_of(key) is None


@pytest.mark.parametrize("model", [PlatformKey, RelyingPartySecret])
def test_use_is_noted_once_a_minute(model, django_assert_num_queries):
    factory = factories.PlatformKeyFactory if model is PlatformKey else factories.RelyingPartySecretFactory
    row = factory(last_used_at=timezone.now() - timedelta(seconds=61))
    model.objects.touch(row)
    row.refresh_from_db()

    assert timezone.now() - row.last_used_at < timedelta(seconds=5)
    with django_assert_num_queries(0):
        model.objects.touch(row)


# --- The address list ------------------------------------------------------------------------------------------------


def add(group, text, who, note="") -> AddressRule:
    network = network_of(text)
    assert network
    return keys.add_rule(group, network=network, note=note, **who)


def test_network_is_added_and_recorded(group, who):
    rule = add(group, "203.0.113.9/24", who, note="Leeds")

    assert (rule.network, rule.note) == ("203.0.113.0/24", "Leeds")
    event = event_of("address_rule.add")
    assert (event.object, event.details) == ("network:203.0.113.0/24", {"note": "Leeds"})


def test_network_that_is_listed_is_refused(group, who):
    add(group, "203.0.113.0/24", who)

    with pytest.raises(Refused) as refused:
        add(group, "203.0.113.9/24", who)

    assert (refused.value.refusal.code, refused.value.refusal.field) == ("listed_already", "network")
    assert Event.objects.count() == 1


def test_hundred_and_first_network_is_refused(group, who):
    AddressRule.objects.bulk_create(AddressRule(group=group, network=f"10.0.{n}.0/24") for n in range(100))

    with pytest.raises(Refused) as refused:
        add(group, "203.0.113.0/24", who)

    assert refused.value.refusal.code == "list_is_full"
    assert group.address_rules.count() == 100


def test_network_is_removed_and_recorded_once(group, who):
    rule = factories.AddressRuleFactory(group=group)

    assert [keys.remove_rule(rule, **who), keys.remove_rule(rule, **who)] == [True, False]
    assert event_of("address_rule.remove").object == "network:127.0.0.1/32"
    assert not group.address_rules.exists()


# --- Races -----------------------------------------------------------------------------------------------------------


def at_once(number: int, act) -> list[str]:
    """What came of it when so many threads acted at the same moment: "done", or the refusal's code."""
    barrier = Barrier(number)

    def run(i: int) -> str:
        try:
            barrier.wait(20)
            act(i)
        except Refused as refused:
            return refused.refusal.code
        finally:
            connection.close()
        return "done"

    with ThreadPoolExecutor(number) as threads:
        return sorted(threads.map(run, range(number)))


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
def test_of_twelve_keys_made_at_once_two_are_live(group, who):
    outcomes = at_once(12, lambda i: keys.create_key(group, PlatformKey, name=f"Dialer {i}", **who))

    assert outcomes == ["done"] * 2 + ["two_live_keys"] * 10
    assert PlatformKey.objects.live().count() == 2
    assert Event.objects.filter(action="key.create", outcome=Outcome.OK).count() == 2


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
def test_of_twelve_rotations_at_once_one_is_done(key, who):
    outcomes = at_once(12, lambda i: keys.rotate_key(PlatformKey.objects.get(pk=key.pk), overlap=WEEK, **who))

    assert outcomes == ["done"] + ["two_live_keys"] * 11
    assert PlatformKey.objects.live().count() == 2


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
def test_of_a_form_sent_twelve_times_at_once_one_key_is_made(group, who):
    outcomes = at_once(12, lambda i: keys.create_key(group, PlatformKey, name="Dialer", **who))

    assert outcomes == ["done"] + ["name_taken"] * 11


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
def test_of_twelve_networks_added_at_once_to_99_one_is_listed(group, who):
    AddressRule.objects.bulk_create(AddressRule(group=group, network=f"10.0.{n}.0/24") for n in range(99))

    outcomes = at_once(12, lambda i: add(group, f"203.0.113.{i}", who))

    assert outcomes == ["done"] + ["list_is_full"] * 11
    assert group.address_rules.count() == 100
