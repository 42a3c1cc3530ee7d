"""`manage.py restored`: what ends in any case, and what it says aloud."""

import json

import pytest
from django.utils import timezone

from accounts import audit, journal
from accounts.models import AdministratorSession, Event
from groups import standing
from groups.models import Agent, AgentSession, AgentStatus, Client, Group, Invitation
from tests import factories
from tests.tokens.restoring.restored import NOW, disable, manage
from tokens.management.operators import from_the_command_line
from tokens.models import LoginToken, PlatformKey, RelyingPartySecret, TokenFamily
from tokens.revoking_again import RULES


@pytest.mark.django_db
def test_everything_that_was_given_out_ends(agent, session, issued, owner, visit_as, relying_party):
    factories.TokenFamilyFactory(agent=agent, relying_party=relying_party, session=session)
    factories.InvitationFactory(group=agent.group)
    standing.give_activation_code(agent, by="test", caller=from_the_command_line())
    visit_as(owner).get("/groups/")

    manage()

    assert not AgentSession.objects.live().exists()
    assert not AdministratorSession.objects.exists()
    assert not LoginToken.objects.filter(expires_at__gt=timezone.now()).exists()
    assert not TokenFamily.objects.live().exists()
    assert not Invitation.objects.filter(spent_at=None).exists()
    assert not Agent.objects.exclude(activation_digest="").exists()


@pytest.mark.django_db
def test_there_is_one_event_and_it_may_run_again(agent, session):
    manage()
    manage()

    events = Event.objects.filter(action="portal.restore").order_by("pk")
    assert [event.details["agent sessions"] for event in events] == [1, 0]


@pytest.mark.django_db
def test_numbers_that_others_may_know_are_not_given_again(client_company, group):
    person = factories.ClientPersonFactory(client=client_company)
    manage()
    manage()

    assert factories.GroupFactory().pk == group.pk + 1001
    assert factories.ClientPersonFactory(client=client_company).pk == person.pk + 100_001
    assert Client.objects.get().pk == client_company.pk
    assert Event.objects.latest("pk").pk > 1_000_000_000


@pytest.mark.django_db
def test_without_a_log_it_says_what_nobody_knows(agent):
    assert "Nobody told what was revoked since then." in manage()


@pytest.mark.django_db
def test_second_run_with_the_log_as_the_first_advises_revokes(agent, lose, caller):
    audit.record(
        "group.change_logo", caller=caller, actor="test", group=agent.group
    )  # the backup's newest event
    log = lose(disable(agent))

    advised = next(line for line in manage().splitlines() if "restored --since" in line)
    without_since = manage("--events", log)

    assert "agent.disable" in without_since
    assert Agent.objects.get().status == AgentStatus.DISABLED
    assert advised.split()[1:] == ["--since", without_since.split()[7].rstrip("."), "--events", "FILE"]


@pytest.mark.django_db
def test_moment_that_is_later_than_all_that_was_lost_is_said_aloud(agent, lose):
    log = lose(disable(agent))

    out = manage("--events", log, "--since", "2030-01-02T00:00:00+02:00")

    assert "1 changes were read, and NONE that this database lacks is later than 2030-01-01T22:00:00Z" in out
    assert "restored --since 2030-01-01T00:00:00Z --events FILE" in out
    assert "Nobody told" in out


@pytest.mark.django_db
def test_log_that_tells_of_no_change_is_said_aloud(agent, tmp_path):
    (tmp_path / "log").write_text("INFO agent.disable alice\n")

    assert "no change could be read" in manage("--events", str(tmp_path / "log"))


@pytest.mark.django_db
def test_change_shortly_before_the_backup_is_made_again_where_the_backup_lacks_it(agent, lose):
    log = lose(disable(agent))

    manage("--events", log, "--since", "2030-01-01T00:09:00Z")

    assert Agent.objects.get().status == AgentStatus.DISABLED


@pytest.mark.django_db
def test_change_that_the_backup_holds_is_not_made_again(agent, tmp_path):
    disable(agent)()
    event = Event.objects.get(action="agent.disable")
    Agent.objects.update(status=AgentStatus.ACTIVE)  # as somebody did whose event cannot be told
    (tmp_path / "log").write_text(json.dumps({"timestamp": NOW} | journal.line_of(event)))

    out = manage("--events", str(tmp_path / "log"), "--since", "2030-01-01T00:09:00Z")

    assert Agent.objects.get().status == AgentStatus.ACTIVE
    assert "NONE" in out


def test_whatever_is_made_again_is_in_the_journal():
    assert not {action for action in RULES if journal.is_busy(action)}


@pytest.mark.django_db
def test_careful_revokes_keys_of_groups_that_were_inactive_in_the_backup(group):
    factories.PlatformKeyFactory(group=group)
    Group.objects.update(is_active=False)

    manage("--careful")

    assert not PlatformKey.objects.live().exists()


@pytest.mark.django_db
def test_careful_revokes_keys_and_stops_groups(group, client_company, relying_party):
    factories.PlatformKeyFactory(group=group)

    out = manage("--careful")

    assert not Group.objects.get().is_active
    assert not PlatformKey.objects.live().exists()
    assert not RelyingPartySecret.objects.live().exists()
    assert Client.objects.get().is_active
    assert f"group {group.pk}: stopped" in out
