"""Every fact that the database itself keeps, broken by the bare ORM."""

import pytest
from django.db import DatabaseError, IntegrityError, transaction
from django.utils import timezone

from accounts import audit
from accounts.models import Administrator, Attempt, Event, Tally
from tests import factories

pytestmark = pytest.mark.django_db


def breaks(name: str):
    """What the database says when the constraint of this name is broken. (SQLite names the columns of a unique one.)"""
    return pytest.raises(IntegrityError, match=rf"{name}|UNIQUE constraint failed")


@pytest.mark.parametrize(
    ("name", "change"),
    [("email_is_lower_case", {"email": "Ada@Portal.example"}), ("administrator_has_email", {"email": ""})],
)
def test_administrator_with_an_email_that_cannot_be_meant_is_refused(name, change):
    administrator = factories.AdministratorFactory()

    with breaks(name):
        Administrator.objects.filter(pk=administrator.pk).update(**change)


def test_email_that_is_taken_is_refused():
    one, other = factories.AdministratorFactory.create_batch(2)

    with breaks("email"):
        Administrator.objects.filter(pk=other.pk).update(email=one.email)


@pytest.mark.parametrize(
    ("name", "change"),
    [("event_outcome_known", {"outcome": "perhaps"}), ("event_has_action", {"action": ""})],
)
def test_event_that_cannot_be_meant_is_refused(name, change):
    fields = {"reference": "R", "door": "test", "actor": "test", "action": "test.act", "outcome": "ok"}

    with breaks(name):
        Event.objects.create(**fields | change)


def test_second_attempt_row_of_a_name_at_a_door_is_refused():
    Attempt.objects.create(door="main", name="ada", window_ends_at=timezone.now())

    with breaks("one_attempt_row_a_name"):
        Attempt.objects.create(door="main", name="ada", window_ends_at=timezone.now())


def test_second_tally_of_a_minute_is_refused():
    minute = timezone.now().replace(second=0, microsecond=0)
    Tally.objects.create(limit="pop", who="x", minute=minute)

    with breaks("one_tally_a_minute"):
        Tally.objects.create(limit="pop", who="x", minute=minute)


@pytest.fixture
def event(caller) -> Event:
    return audit.record("test.act", caller=caller, actor="test")


def test_event_cannot_be_changed(event):
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
        Event.objects.filter(pk=event.pk).update(actor="somebody else")

    assert Event.objects.get(pk=event.pk).actor == "test"


def test_event_cannot_be_deleted(event):
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
        event.delete()

    assert Event.objects.filter(pk=event.pk).exists()


def test_events_cannot_be_deleted_in_bulk(event):
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
        Event.objects.all()._raw_delete("default")

    assert Event.objects.filter(pk=event.pk).exists()


def test_event_outlives_what_it_tells_of(agent, caller):
    audit.record("agent.sign_in", caller=caller, actor="test", group=agent.group, agent=agent)
    agent.delete()

    assert Event.objects.filter(agent=agent.subject).exists()
