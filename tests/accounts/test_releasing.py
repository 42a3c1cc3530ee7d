"""Retention: whole sealed days go when their time is over, their anchors stay, and nothing else can be deleted."""

from datetime import datetime, timedelta

import pytest
from django.db import DatabaseError, connection, transaction
from django.utils import timezone

from accounts import audit, releasing
from accounts.models import Event, Release, Seal
from accounts.releasing import NotProven, Removed, may_release, release_old_days
from accounts.sealing import last_link, seal, told_by
from accounts.triggers import KEPT_AT_LEAST
from sso_portal.lib.web import Caller
from tests import factories
from tests.accounts.sealed import days_ago, faults, seal_until, without_triggers, written

pytestmark = pytest.mark.django_db

REFUSED = pytest.raises(DatabaseError, match="append-only")
TOO_EARLY = pytest.raises(DatabaseError, match="sealed to its end and long over")


@pytest.fixture
def _sealed() -> None:
    """Two days that are older than is kept, with three events, and one that is not, with one."""
    written(days_ago(403, hours=1), days_ago(403, hours=9), days_ago(402, hours=1))
    written(days_ago(400, hours=1), reference="KEPT")
    seal_until(days_ago(399))


@pytest.fixture
def release(caller):
    """Remove what is old."""

    def release(**given) -> Removed:
        return release_old_days(by="test", caller=caller, **given)

    return release


def release_of(day: datetime) -> Release:
    """The row that would release this day."""
    last = Seal.objects.filter(until__lte=day + timedelta(days=1)).order_by("-number").defer("rows").first()
    if last is None:
        return Release(day=day.date(), number=1, anchor="0" * 64, held={})
    return Release(day=day.date(), number=last.number, anchor=last.anchor, seal=told_by(last), held={})


@pytest.mark.usefixtures("_sealed")
def test_days_whose_time_is_over_are_removed_and_the_rest_is_still_proven(release):
    kept = last_link().anchor
    anchors = [Seal.objects.get(until=days_ago(days)).anchor for days in (402, 401, 400)]

    assert release() == Removed(days=3, events=3)

    assert list(Event.objects.exclude(action="events.release").values_list("reference", flat=True)) == [
        "KEPT"
    ]
    assert not Seal.objects.filter(until__lte=days_ago(400)).exists()
    assert list(Release.objects.order_by("day").values_list("anchor", flat=True)) == anchors
    assert faults(anchors=[kept, *anchors]) == []


@pytest.mark.usefixtures("_sealed")
def test_release_is_an_event_and_counts_what_is_gone(release):
    factories.EventFactory(reason="paused", at=days_ago(401, hours=3))  # too late to be sealed there
    with without_triggers():
        Event.objects.filter(reason="paused").delete()
    release()

    first = Release.objects.earliest("day")
    said = Event.objects.get(action="events.release", object=f"day:{first.day}")
    assert (said.actor, said.details) == ("test", {"anchor": first.anchor, "events": 2})
    assert first.held == {"login.issue": {"ok": 2}}


@pytest.mark.usefixtures("_sealed")
def test_removing_again_finds_nothing(release):
    release()

    assert release() == Removed(0, 0)


@pytest.mark.usefixtures("_sealed")
def test_settings_say_how_long_events_are_kept(release, settings):
    settings.EVENTS_KEPT = timedelta(days=500)

    assert release() == Removed(0, 0)


@pytest.mark.usefixtures("_sealed")
def test_what_was_broken_off_is_ended_by_the_next(release, monkeypatch):
    monkeypatch.setattr(releasing, "BATCH", 1)
    looks = iter(range(100))
    broken_off = release(is_stopping=lambda: next(looks) == 5)
    assert broken_off == Removed(3, 1)
    assert faults() == []

    assert release() == Removed(0, 2)


@pytest.mark.usefixtures("_sealed")
def test_day_that_is_not_as_it_was_sealed_stays(release):
    with without_triggers():
        Event.objects.filter(at__lt=days_ago(402)).update(door="other")

    with pytest.raises(NotProven, match="was changed"):
        release()
    assert not Release.objects.exists()
    assert Event.objects.count() == 4


def test_day_that_is_not_sealed_stays(release):
    written(days_ago(500))

    assert release() == Removed(0, 0)


# --- What the database refuses ---------------------------------------------------------------------------------------


@pytest.mark.usefixtures("_sealed")
@pytest.mark.parametrize("model", [Event, Seal])
def test_old_sealed_row_that_was_not_released_cannot_be_deleted(model):
    with REFUSED, transaction.atomic():
        model.objects.all()._raw_delete("default")


@pytest.mark.usefixtures("_sealed")
def test_only_released_days_can_be_deleted():
    release_of(days_ago(403)).save(force_insert=True)

    Event.objects.filter(at__lt=days_ago(402)).delete()
    Seal.objects.filter(until__lte=days_ago(402)).delete()
    with REFUSED, transaction.atomic():
        Event.objects.filter(at__lt=days_ago(401)).delete()
    with REFUSED, transaction.atomic():
        Seal.objects.filter(until__lte=days_ago(401)).delete()


@pytest.mark.usefixtures("_sealed")
def test_released_event_still_cannot_be_changed():
    release_of(days_ago(403)).save(force_insert=True)

    with REFUSED, transaction.atomic():
        Event.objects.filter(at__lt=days_ago(402)).update(door="other")


@pytest.mark.usefixtures("_sealed")
def test_seals_and_releases_cannot_be_changed(release):
    release()

    for rows in (Seal.objects.all(), Release.objects.all()):
        with REFUSED, transaction.atomic():
            rows.update(number=0)
    with REFUSED, transaction.atomic():
        Release.objects.all()._raw_delete("default")


def test_day_cannot_be_released_before_its_time():
    written(days_ago(KEPT_AT_LEAST.days, hours=1), days_ago(KEPT_AT_LEAST.days + 1, hours=1))
    seal()

    with TOO_EARLY, transaction.atomic():
        release_of(days_ago(KEPT_AT_LEAST.days)).save(force_insert=True)
    release_of(days_ago(KEPT_AT_LEAST.days + 1)).save(force_insert=True)


def test_day_that_is_not_sealed_cannot_be_released():
    written(days_ago(403))

    with TOO_EARLY, transaction.atomic():
        release_of(days_ago(403)).save(force_insert=True)


@pytest.mark.usefixtures("_sealed")
def test_day_cannot_be_released_under_another_anchor():
    release = release_of(days_ago(403))
    release.anchor = "0" * 64

    with TOO_EARLY, transaction.atomic():
        release.save(force_insert=True)


# --- What is found afterwards ----------------------------------------------------------------------------------------


@pytest.mark.usefixtures("_sealed")
def test_row_slipped_into_a_removed_day_is_found(release, monkeypatch):
    release()
    slipped = factories.EventFactory(at=days_ago(402, hours=5))
    monkeypatch.setattr("accounts.proving.REMOVED_WITHIN", timedelta(seconds=-60))

    (fault,) = faults()
    assert f"event {slipped.pk}, from days that were released" in fault


def test_young_day_that_was_removed_by_force_is_found():
    written(days_ago(3, hours=1), days_ago(2, hours=1))
    seal()
    with without_triggers():
        release_of(days_ago(3)).save(force_insert=True)
        Event.objects.filter(at__lt=days_ago(2)).delete()

    found = faults()
    assert any("long before its time was over" in text for text in found)
    assert any("no event says so" in text for text in found)


def removed_by_force(day: datetime, *, at: datetime, caller: Caller) -> None:
    """Somebody who may do everything releases this day, with the event that belongs to it, and removes it."""
    row = release_of(day)
    row.at = at
    with without_triggers():
        row.save(force_insert=True)
        audit.record(
            "events.release",
            caller=caller,
            actor="test",
            about=f"day:{row.day}",
            details={"anchor": row.anchor},
        )
        Event.objects.filter(at__lt=day + timedelta(days=1)).delete()
        Seal.objects.filter(number__lte=row.number).delete()


@pytest.mark.parametrize("at", [timezone.now() + timedelta(days=98), days_ago(1)])
def test_young_day_is_not_older_for_what_its_release_says(caller, at):
    written(days_ago(3, hours=1), days_ago(1, hours=1))
    seal()
    removed_by_force(days_ago(3), at=at, caller=caller)

    assert any("long before its time was over" in text for text in faults())


@pytest.mark.usefixtures("_sealed")
def test_release_of_the_future_is_found_and_hides_nothing(caller):
    removed_by_force(days_ago(403), at=timezone.now() + timedelta(days=98), caller=caller)
    with without_triggers():
        Event.objects.filter(action="events.release").delete()
    slipped = factories.EventFactory(at=days_ago(403, hours=5))

    found = faults()
    assert any("dated in the future" in text for text in found)
    assert any(f"event {slipped.pk}, from days that were released" in text for text in found)


@pytest.mark.usefixtures("_sealed")
@pytest.mark.parametrize(
    "change", [{"seal": []}, {"seal": [1] * 8}, {"number": 9}, {"day": days_ago(390).date()}]
)
def test_release_that_was_changed_is_found_and_proves_no_anchor(release, change):
    release()
    last = Release.objects.latest("day")
    with without_triggers():
        Release.objects.filter(day=last.day).update(**change)

    found = faults(anchors=[last.anchor])
    assert any("its last seal says something else" in text for text in found)
    assert any("is not in the chain" in text for text in found)


@pytest.mark.usefixtures("_sealed")
def test_sealing_goes_on_after_the_last_release(release):
    with without_triggers():
        Seal.objects.filter(until__gt=days_ago(400)).delete()
    release()
    assert not Seal.objects.exists()

    seal()

    assert faults() == []


@pytest.mark.usefixtures("_sealed")
def test_release_that_was_removed_is_found(release):
    release()
    with without_triggers():
        Release.objects.latest("day").delete()

    assert any("missing" in text for text in faults())


def test_who_owns_the_tables_may_remove_events():
    assert may_release()


@pytest.mark.postgresql
def test_role_without_the_right_may_not_remove_events():
    with connection.cursor() as cursor:
        cursor.execute("CREATE ROLE portal_without_rights")
        cursor.execute("SET LOCAL ROLE portal_without_rights")
        assert not may_release()
