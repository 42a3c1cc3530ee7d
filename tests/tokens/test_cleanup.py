"""The management command `cleanup`: what grew from logins goes when its time has come, and not before."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from io import StringIO

import pytest
import time_machine
from django.core.cache import cache
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import Event
from groups.models import AgentSession, ClientPerson, ClientSession, EndReason
from sso_portal.lib.secrets import digest_of, new_secret
from tests import factories
from tests.tokens.circumstances import age
from tokens import families, signing_keys
from tokens.management.commands import cleanup
from tokens.models import (
    AccessToken,
    BusCode,
    FamilyEnd,
    Kind,
    LoginToken,
    PersonToken,
    RefreshToken,
    SigningKey,
    TokenFamily,
)
from tokens.redeeming import redeem

pytestmark = pytest.mark.django_db
DAY, LONG_AGO = timedelta(days=1), timedelta(days=31)


def clean_up() -> str:
    out = StringIO()
    call_command("cleanup", stdout=out)
    return out.getvalue()


@pytest.fixture
def family(issue_to_alice, relying_party, session, caller) -> TokenFamily:
    """A family of Alice, with its first tokens."""
    issued = issue_to_alice(kind=Kind.CODE, session=session, issued_to=relying_party)
    redemption = redeem(issued.secret, kind=Kind.CODE, relying_party=relying_party, caller=caller)
    begun = families.start(redemption, relying_party=relying_party, scope="openid", nonce="")
    families.give(begun, refresh=True)
    return begun


def end(family: TokenFamily, *, ago: timedelta) -> None:
    """Let a family have ended so long ago."""
    past = timezone.now() - ago
    TokenFamily.objects.filter(pk=family.pk).update(ends_at=past)
    for tokens in (AccessToken, RefreshToken):
        tokens.objects.filter(family=family).update(expires_at=past)


def test_what_is_live_stays(family):
    clean_up()

    assert (TokenFamily.objects.count(), AccessToken.objects.count()) == (1, 1)
    assert RefreshToken.objects.count() == 1


def test_access_tokens_go_soon_after_they_expired(family):
    AccessToken.objects.update(expires_at=timezone.now() - timedelta(hours=2))

    clean_up()

    assert not AccessToken.objects.exists()
    assert TokenFamily.objects.exists()


def test_spent_refresh_tokens_stay_as_long_as_their_family_goes_on(family):
    RefreshToken.objects.update(redeemed_at=timezone.now() - timedelta(days=20))

    clean_up()

    assert RefreshToken.objects.exists()  # or their second use would pass for an unknown token's


def test_families_go_a_month_after_their_end_and_their_tokens_before(family):
    end(family, ago=2 * DAY)
    clean_up()
    assert (TokenFamily.objects.count(), RefreshToken.objects.count()) == (1, 0)

    end(family, ago=LONG_AGO)
    clean_up()

    assert not TokenFamily.objects.exists()


def test_family_that_was_revoked_stays_until_it_would_have_ended(family):
    TokenFamily.objects.filter(pk=family.pk).revoke(FamilyEnd.REVOKED)

    clean_up()

    assert TokenFamily.objects.exists()


def test_everything_goes_in_batches(family, monkeypatch):
    monkeypatch.setattr(cleanup, "BATCH", 2)
    for _ in range(5):
        families.give(family, refresh=True)
    end(family, ago=LONG_AGO)

    out = clean_up()

    assert "6 access tokens deleted" in out
    assert "6 refresh tokens deleted" in out


def test_code_that_is_cleaned_up_leaves_its_family(family):
    age(LoginToken.objects.get(), LONG_AGO)

    clean_up()

    assert not LoginToken.objects.exists()
    assert TokenFamily.objects.get().login_token is None


def test_session_that_ended_is_kept_until_no_family_can_go_on_without_it(family, session):
    long_ago = timezone.now() - LONG_AGO
    AgentSession.objects.update(started_at=long_ago - DAY, ends_at=long_ago)
    AgentSession.objects.all().end(EndReason.SIGNED_OUT)
    given = families.give(family, refresh=True)
    TokenFamily.objects.update(ends_at=timezone.now() + 50 * DAY)

    clean_up()

    assert AgentSession.objects.exists()
    assert families.standing_of_access(given.access) is None
    end(family, ago=DAY)
    clean_up()
    assert not AgentSession.objects.exists()


def test_codes_of_the_bus_and_logins_of_client_people_go_after_a_month(agent, session, client_company):
    person = ClientPerson.objects.create(client=client_company, email="a@b.example", full_name="A")
    for days in (31, 29):
        common = {
            "issued_at": timezone.now() - timedelta(days=days),
            "expires_at": timezone.now() - timedelta(days=days) + timedelta(seconds=60),
        }
        BusCode.objects.create(
            digest=digest_of(new_secret()), agent=agent, group=agent.group, session=session, **common
        )
        PersonToken.objects.create(
            digest=digest_of(new_secret()), person=person, client=client_company, use="entrance", **common
        )

    clean_up()

    assert (BusCode.objects.count(), PersonToken.objects.count()) == (1, 1)


def test_sessions_of_client_people_go_after_a_month(client_company):
    person = ClientPerson.objects.create(client=client_company, email="a@b.example", full_name="A")
    for days in (31, 29):
        ends_at = timezone.now() - timedelta(days=days)
        ClientSession.objects.create(
            digest=digest_of(new_secret()),
            person=person,
            started_at=ends_at - timedelta(hours=1),
            idle_at=ends_at,
            ends_at=ends_at,
        )

    clean_up()

    assert ClientSession.objects.count() == 1


def test_signing_keys_go_when_no_event_speaks_of_them_and_never_the_present_one(caller, settings):
    settings.EVENTS_KEPT = timedelta(days=500)
    for _ in range(2):
        signing_keys.rotate("tokens", "RS256", ahead=timedelta(0), by="test", caller=caller)
    past = timezone.now()
    SigningKey.objects.filter(number=1).update(published_until=past - timedelta(days=501))
    SigningKey.objects.filter(number=2).update(published_until=past - timedelta(days=499))

    clean_up()

    assert sorted(SigningKey.objects.values_list("number", flat=True)) == [2, 3]


def test_count_tokens_counts_codes_before_and_after(family):
    def counted() -> str:
        out = StringIO()
        call_command("count_tokens", stdout=out)
        return out.getvalue().strip()

    age(LoginToken.objects.get(), LONG_AGO)
    before = counted()
    clean_up()

    assert (before, counted()) == ("1 1", "1 1")


def test_expired_rows_of_the_cache_go():
    cache.set("old", 1, timeout=3600)
    cache.set("new", 1, timeout=None)
    with time_machine.travel(timezone.now() + timedelta(hours=2)):
        out = clean_up()

    assert "1 rows of the cache deleted." in out
    assert cache.get("new") == 1


@pytest.mark.postgresql
def test_every_search_for_old_rows_has_its_index():
    """With sequential scans forbidden, one in a plan means that there is nothing else."""
    # A handful of rows each.
    small = ("tokens_signingkey", "tokens_reminder", "groups_numberimport", "groups_agentimport")
    with CaptureQueriesContext(connection) as seen, connection.cursor() as cursor:
        clean_up()
        cursor.execute("SET LOCAL enable_seqscan = off")
        searches = [one["sql"] for one in seen if "SKIP LOCKED" in one["sql"]]
        plans = {}
        for search in searches:
            cursor.execute(f"EXPLAIN {search}")
            plans[search] = "\n".join(row[0] for row in cursor.fetchall())

    assert len(searches) == 17
    missing = [
        plan for search, plan in plans.items() if "Seq Scan" in plan and not any(t in search for t in small)
    ]
    assert missing == []


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
def test_two_at_once_share_the_work(agent, client_company, monkeypatch):
    monkeypatch.setattr(cleanup, "BATCH", 5)
    past = timezone.now() - LONG_AGO
    LoginToken.objects.bulk_create(
        factories.LoginTokenFactory.build(
            agent=agent, group=agent.group, client=client_company, issued_at=past, expires_at=past + DAY
        )
        for _ in range(100)
    )

    def work(_number: int) -> str:
        try:
            return clean_up()
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(work, range(2)))
    clean_up()  # what the one held that ended last

    told = Event.objects.filter(action="login_tokens.delete").values_list("details__rows", flat=True)
    assert not LoginToken.objects.exists()
    assert sum(told) == 100
