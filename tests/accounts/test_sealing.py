"""Sealing the audit log: every event once, in windows of time, by one sealer at a time."""

import threading
from datetime import UTC, datetime, timedelta

import pytest
from django.db import DatabaseError, connection, transaction
from django.db.models import Sum
from django.utils import timezone
from structlog.testing import capture_logs

from accounts import audit, sealing
from accounts.models import Event, Seal
from accounts.proving import prove
from accounts.sealing import COLUMNS, NOTHING, VERSION, anchor_of, canonical, last_link, rows_between, seal
from tests import factories
from tests.accounts.sealed import days_ago, faults, without_triggers, written

pytestmark = pytest.mark.django_db


def test_every_old_event_is_sealed_once():
    written(days_ago(3, hours=1), days_ago(2, hours=5), days_ago(2, hours=5, milliseconds=3), days_ago(1))

    seal()

    assert Seal.objects.aggregate(n=Sum("events"))["n"] == 4
    assert last_link().until > timezone.now() - timedelta(hours=1, minutes=6)
    assert faults() == []


def test_event_younger_than_five_minutes_waits(caller):
    audit.record("test.act", caller=caller, actor="test")
    written(timezone.now() - timedelta(minutes=6), timezone.now() - timedelta(minutes=4))

    seal()

    assert Seal.objects.aggregate(n=Sum("events"))["n"] == 1


def test_nothing_to_seal_makes_no_seal():
    assert seal() == 0
    assert last_link().anchor == NOTHING


def test_sealing_again_adds_nothing():
    written(days_ago(1))
    seal()
    before = last_link()

    assert (seal(), last_link()) == (0, before)


def test_chain_goes_on_where_it_was_broken_off():
    written(*(days_ago(2, hours=hour) for hour in range(20)))
    looks = iter(range(100))
    seal(is_stopping=lambda: next(looks) == 5)
    assert Seal.objects.count() == 5

    seal()

    assert faults() == []
    assert prove().events == 20


def test_no_window_is_of_two_days_or_of_two_busy_hours():
    written(*(days_ago(2, minutes=30 * half) for half in range(48)))

    seal()

    assert all(one.since.date() == (one.until - timedelta(seconds=1)).date() for one in Seal.objects.all())
    assert set(Seal.objects.filter(events__gt=0).values_list("events", flat=True)) == {2}


def test_events_of_one_moment_are_read_batch_by_batch(monkeypatch):
    monkeypatch.setattr(sealing, "AT_ONCE", 3)
    events = written(*[days_ago(1, hours=1)] * 8, days_ago(1, hours=1, milliseconds=5))

    rows = list(rows_between(days_ago(1), days_ago(0)))

    assert [row[0] for row in rows] == [event.pk for event in events]


def test_format_covers_every_column():
    assert set(COLUMNS[VERSION]) == {field.attname for field in Event._meta.concrete_fields}


def test_bytes_of_an_event_are_the_same_on_every_database():
    at = datetime(2026, 3, 10, 20, 30, 1, 5000, tzinfo=UTC)
    details = {"z": {"b": [1, None, True], "a": 'ñ"\\'}, "a": 1.5}
    factories.EventFactory(pk=7, at=at, reference="R", actor="a\u2028", details=details)

    (row,) = rows_between(at, at + timedelta(seconds=1))

    assert canonical(row) == (
        b'[7,"2026-03-10T20:30:01.005000+00:00","R","agents","a\\u2028","login.issue","ok","",null,"demoaws",'
        b'"00000000000000000000000000000000","","","",{"a":1.5,"z":{"a":"\\u00f1\\"\\\\","b":[1,null,true]}}]'
    )


def test_anchor_is_the_same_on_every_database(monkeypatch):
    at = datetime(2026, 3, 10, tzinfo=UTC)
    monkeypatch.setattr(sealing, "now_and_cut", lambda: (at + timedelta(days=1), at + timedelta(hours=1)))
    factories.EventFactory(pk=7, at=at, reference="R")

    with without_triggers():  # which know the time
        seal()

    only = Seal.objects.get()
    assert anchor_of(only) == only.anchor
    assert only.anchor == "beef0a6d8028bbad6a4d3a5fa151fc15b81176f8404cb814d4aa52ce15f167f8"


IN_2099 = datetime(2099, 1, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    "change",
    [
        {"number": 0},
        {"number": 1},
        {"number": 5},
        {"previous": NOTHING},
        {"since": timedelta(seconds=1)},
        {"until": timedelta(days=1, seconds=1)},
        {"until": IN_2099, "sealed_at": IN_2099},
        {"sealed_at": IN_2099},
        {"sealed_at": timedelta(hours=2)},
    ],
)
def test_seal_out_of_turn_is_refused(change):
    """Whoever may add rows could seal what he dates back, or end sealing for good."""
    written(days_ago(2, hours=1))
    looks = iter(range(3))
    seal(is_stopping=lambda: next(looks) == 2)
    last, begin = last_link(), days_ago(1)
    assert last.until == begin
    in_turn = {
        "number": last.number + 1,
        "previous": last.anchor,
        "since": begin,
        "until": begin + timedelta(hours=1),
        "sealed_at": timezone.now(),
    }
    changed = {name: begin + to if isinstance(to, timedelta) else to for name, to in change.items()}

    with pytest.raises(DatabaseError, match="follows the last one"), transaction.atomic():
        Seal.objects.create(version=1, events=0, digest="", rows=b"", anchor="a", **(in_turn | changed))
    Seal.objects.create(version=1, events=0, digest="", rows=b"", anchor="a", **in_turn)


def test_seal_that_the_database_refuses_ends_sealing_aloud(monkeypatch):
    written(days_ago(2))
    ahead = timezone.now() + timedelta(days=1)
    monkeypatch.setattr(sealing, "now_and_cut", lambda: (ahead, ahead.replace(microsecond=0)))

    with pytest.raises(DatabaseError, match="follows the last one"), transaction.atomic():
        seal()


def test_anchor_of_a_sealed_day_is_logged():
    written(days_ago(2))

    with capture_logs() as logged:
        seal()

    anchors = {line["day"]: line["anchor"] for line in logged if line["event"] == "audit.day_sealed"}
    assert anchors[f"{days_ago(2):%Y-%m-%d}"] == Seal.objects.get(until=days_ago(1)).anchor


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
def test_event_that_is_not_committed_holds_sealing_back(monkeypatch):
    monkeypatch.setattr(sealing, "SEALED_AFTER", timedelta(0))
    begun, end = threading.Event(), threading.Event()

    def write_slowly() -> None:
        with transaction.atomic():
            Event.objects.create(reference="SLOW", action="test.act", outcome="ok")
            begun.set()
            end.wait(20)
        connection.close()

    slow = threading.Thread(target=write_slowly)
    slow.start()
    assert begun.wait(20)

    _, cut = sealing.now_and_cut()
    end.set()
    slow.join()
    now, later = sealing.now_and_cut()

    assert cut <= Event.objects.get().at < now
    assert later == now.replace(microsecond=0)


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
def test_two_sealers_make_one_chain():
    written(*(days_ago(3, hours=hour) for hour in range(20)))
    ready = threading.Barrier(2)

    def seal_all() -> None:
        ready.wait(20)
        seal()
        connection.close()

    sealers = [threading.Thread(target=seal_all) for _ in range(2)]
    for sealer in sealers:
        sealer.start()
    for sealer in sealers:
        sealer.join()

    proof = prove()
    assert (proof.faults, proof.events) == ([], 20)
