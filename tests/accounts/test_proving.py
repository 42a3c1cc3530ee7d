"""Proving the audit log: whatever was changed behind the triggers' back is found, and told apart."""

from datetime import UTC, datetime, timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from accounts.models import Event, Seal
from accounts.sealing import COLUMNS, NOTHING, VERSION, anchor_of, last_link, seal
from tests import factories
from tests.accounts.sealed import days_ago, faults, without_check, without_triggers, written

pytestmark = pytest.mark.django_db

A_HUNDRED_THOUSAND = {
    "sqlite": "STRFTIME('%%Y-%%m-%%d %%H:%%M:%%f', %s, '+' || (n * 0.8) || ' seconds')",
    "postgresql": "%s::timestamptz + n * INTERVAL '0.8 seconds'",
}


def a_hundred_thousand(begin: datetime) -> None:
    """Write events of most of a day, in the database."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""WITH RECURSIVE number(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM number WHERE n < 99999)
                INSERT INTO accounts_event (id, at, reference, door, actor, action, outcome, reason,
                    client, agent, object, address, agent_header, details)
                SELECT n + 1, {A_HUNDRED_THOUSAND[connection.vendor]}, 'R', 'agents', 'agent:a',
                    'login.issue', 'ok', '', 'demoaws', 'a', 'token:0123456789ab', '203.0.113.9', 'Mozilla',
                    '{{"kind": "pop"}}'
                FROM number""",
            [begin.strftime("%Y-%m-%d %H:%M:%S")],
        )


def test_one_byte_one_row_less_one_row_more_are_found_in_a_hundred_thousand():
    begin = days_ago(2)
    a_hundred_thousand(begin)
    seal()

    with without_triggers():
        Event.objects.filter(pk=500).update(address="203.0.113.8")
        Event.objects.filter(pk=50_000).delete()
        factories.EventFactory(pk=200_000, at=begin + timedelta(hours=20))

    changed, missing, added = faults()
    assert f"{begin:%Y-%m-%d} 00:00:00" in changed
    assert changed.endswith("event 500 was changed.")
    assert f"{begin:%Y-%m-%d} 11:00:00" in missing
    assert missing.endswith("event 50000 is missing.")
    assert f"{begin:%Y-%m-%d} 20:00:00" in added
    assert added.endswith("event 200000 was added.")


@pytest.fixture
def event() -> Event:
    """One of three events, all of them sealed."""
    _, event, _ = written(
        *(days_ago(2, hours=hour) for hour in (1, 2, 3)), group_id=21, object="x", address="y"
    )
    seal()
    return event


@pytest.mark.parametrize("column", [name for name in COLUMNS[VERSION] if name not in ("id", "at")])
def test_change_of_any_column_is_found(event, column):
    other = {"details": {"a": 1}, "group_id": None, "outcome": "refused"}.get(column, "other")
    with without_triggers():
        Event.objects.filter(pk=event.pk).update(**{column: other})

    (fault,) = faults()
    assert fault.endswith(f"event {event.pk} was changed.")


def test_event_that_was_moved_is_found_where_it_was_and_where_it_is(event):
    with without_triggers():
        Event.objects.filter(pk=event.pk).update(at=days_ago(1, hours=2))

    missing, added = faults()
    assert missing.endswith(f"event {event.pk} is missing.")
    assert added.endswith(f"event {event.pk} was added.")


def test_event_moved_by_a_millisecond_is_found(event):
    with without_triggers():
        Event.objects.filter(pk=event.pk).update(at=event.at + timedelta(milliseconds=1))

    assert len(faults()) == 1


def test_event_written_for_a_quiet_hour_afterwards_is_found(event):
    late = factories.EventFactory(at=days_ago(1, hours=13))

    (fault,) = faults()
    assert fault.endswith(f"event {late.pk} was added.")


def test_event_from_before_the_first_seal_is_found(event):
    early = factories.EventFactory(at=days_ago(9))

    (fault,) = faults()
    assert f"the first of them event {early.pk}, from before the first seal" in fault


def test_event_of_the_future_is_found(event):
    ahead = factories.EventFactory(at=timezone.now() + timedelta(days=1))

    assert faults() == [f"Unsealed: 1, the first of them event {ahead.pk}, dated in the future."]


def test_old_event_that_nobody_sealed_is_found():
    (event,) = written(timezone.now() - timedelta(minutes=20))

    (fault,) = faults()
    assert f"the first of them event {event.pk}, older than 15 minutes and not sealed" in fault


def test_young_event_is_nothing_to_worry_about():
    written(timezone.now() - timedelta(minutes=10))

    assert faults() == []


def test_many_changes_of_one_window_are_counted():
    written(*(days_ago(2, seconds=second) for second in range(15)))
    seal()
    with without_triggers():
        Event.objects.update(door="other")

    found = faults()
    assert len(found) == 11
    assert found[-1].endswith("and 5 more.")


# --- Seals ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [{"events": 5}, {"digest": "0" * 64}, {"sealed_at": days_ago(0)}, {"previous": "0" * 64}, {"version": 9}],
)
def test_seal_that_was_changed_is_found(event, change):
    with without_triggers():
        Seal.objects.filter(number=3).update(**change)

    assert "Seal 3 itself was changed." in faults()


def test_notes_of_a_seal_that_were_changed_are_found(event):
    with without_triggers():
        Seal.objects.filter(number=3).update(rows=b"")

    (fault,) = faults()
    assert fault.endswith("the events are as they were, but not what the seal notes of them.")


def test_seal_that_was_removed_is_found(event):
    with without_triggers():
        Seal.objects.filter(number__in=(3, 4)).delete()

    assert faults() == ["Seals 3 to 4 are missing."]


def test_seal_that_was_made_anew_does_not_fit_the_next(event):
    with without_triggers():
        Event.objects.filter(pk=event.pk).delete()
        remade = Seal.objects.get(events=1, since__lte=event.at, until__gt=event.at)
        remade.events, remade.digest, remade.rows = 0, Seal.objects.filter(events=0)[0].digest, b""
        remade.anchor = anchor_of(remade)
        remade.save()

    assert faults() == [f"Seal {remade.number + 1} does not follow the one before: either was made anew."]


def test_log_that_was_sealed_anew_is_found_by_an_anchor_kept_elsewhere(event):
    kept = last_link().anchor
    with without_triggers():
        Event.objects.filter(pk=event.pk).delete()
        Seal.objects.all().delete()
    seal()

    assert faults() == []
    assert faults(anchors=[kept]) == [
        f"Anchor {kept} is not in the chain: its seal was removed, or all since were made anew."
    ]


@pytest.mark.parametrize("number", [0, 1_000_000])
def test_row_with_the_digits_of_an_anchor_does_not_put_it_in_the_chain(event, number):
    kept = last_link().anchor
    with without_triggers(), without_check("accounts_seal", "seal_is_numbered_from_one"):
        Event.objects.filter(pk=event.pk).delete()
        Seal.objects.all().delete()
        seal()
        years = {"since": datetime(1999, 1, 1, tzinfo=UTC), "until": datetime(1999, 1, 2, tzinfo=UTC)}
        said = {"version": 1, "events": 0, "digest": "0" * 64, "rows": b"", "previous": NOTHING}
        Seal.objects.create(number=number, sealed_at=timezone.now(), anchor=kept, **years, **said)

    found = faults(anchors=[kept])
    assert any(f"Seal {number} " in text or f"to {number - 1} are missing" in text for text in found)
    assert any(f"Anchor {kept} is not in the chain" in text for text in found)


def test_seal_is_numbered_from_one(event):
    with without_triggers(), pytest.raises(IntegrityError, match="seal_is_numbered"), transaction.atomic():
        Seal.objects.filter(number=1).update(number=0)


def test_seal_of_the_future_is_found(event):
    ahead = timezone.now() + timedelta(days=2)
    last = last_link().number
    with without_triggers():
        Seal.objects.filter(number=last).update(sealed_at=ahead)

    assert f"Seal {last} is dated in the future." in faults()


def test_last_seal_that_was_removed_is_found_by_an_anchor_kept_elsewhere(event):
    kept = last_link()
    with without_triggers():
        Seal.objects.filter(number=kept.number).delete()

    assert len(faults(anchors=[kept.anchor])) == 1


@pytest.mark.parametrize("digits", [16, 64])
def test_anchor_that_is_in_the_chain_proves_it(event, digits):
    assert faults(anchors=[last_link().anchor[:digits].upper()]) == []


@pytest.mark.parametrize("anchor", ["", "0", "%" * 64, "0" * 15])
def test_anchor_that_cannot_be_one_proves_nothing(event, anchor):
    assert len(faults(anchors=[anchor])) == 1


def test_later_days_can_be_looked_at_alone(event):
    with without_triggers():
        Event.objects.filter(pk=event.pk).delete()

    assert faults(since=days_ago(1).date()) == []
    assert len(faults(since=days_ago(2).date())) == 1


def test_anchor_before_the_days_that_are_looked_at_is_in_the_chain():
    written(*(days_ago(days, hours=1) for days in (3, 2)))
    seal()
    anchors = [Seal.objects.get(until=days_ago(days)).anchor for days in (2, 1)]

    assert faults(since=days_ago(2).date(), anchors=anchors) == []
    assert "not in the chain since" in faults(since=days_ago(1).date(), anchors=anchors)[0]


def test_seal_before_the_days_that_are_looked_at_is_not_believed(event):
    before = Seal.objects.get(until=days_ago(1))
    with without_triggers():
        Seal.objects.filter(number=before.number).update(digest="0" * 64)

    assert faults(since=days_ago(1).date()) == [f"Seal {before.number} itself was changed."]


# --- The command -----------------------------------------------------------------------------------------------------


def run(*arguments: str) -> str:
    out = StringIO()
    call_command("audit", *arguments, stdout=out)
    return out.getvalue()


def test_command_proves_what_it_sealed():
    written(days_ago(1))

    anchor = run("seal").split("\n")[1].split()[0]

    assert run("anchor").split()[0] == anchor
    assert "The audit log is as it was sealed." in run("verify", "--anchor", anchor)


def test_command_ends_with_an_error_where_something_differs(event, capsys):
    with without_triggers():
        Event.objects.filter(pk=event.pk).delete()

    with pytest.raises(CommandError, match="1 faults") as raised:
        run("verify", "--since", f"{days_ago(3):%Y-%m-%d}")
    assert raised.value.returncode == 1


def test_command_exports_the_days_that_were_asked_for(event):
    written(days_ago(1), reference="LATER")

    assert run("export", "--until", f"{days_ago(2):%Y-%m-%d}").count("\n") == 3
    assert '"reference": "LATER"' in run("export", "--since", f"{days_ago(1):%Y-%m-%d}")
