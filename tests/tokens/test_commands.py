"""The management commands `demo`, `cleanup` and `count_tokens`."""

import re
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from io import StringIO

import pytest
import time_machine
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import validate_totp_code
from django.contrib.auth.hashers import check_password
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone

from accounts import lockout
from accounts.models import Administrator, AdministratorSession, Attempt, Event, Tally
from groups import models as groups
from sso_portal.lib.encryption import decrypt
from sso_portal.lib.secrets import digest_of
from tests import factories
from tests.tokens.circumstances import age
from tokens import models as tokens
from tokens.management.commands import cleanup
from tokens.models import LoginToken

pytestmark = pytest.mark.django_db

# The names of docs/architecture.md that have their feature already; each new feature adds its own.
NAMES = [
    "PORTAL_URL",
    "GROUP_ID",
    "OTHER_GROUP_ID",
    "CLIENT_SUBDOMAIN",
    "CLIENT_SUBDOMAIN_2",
    "CLIENT_UNLINKED",
    "AGENT_USERNAME",
    "AGENT_PASSWORD",
    "AGENT_EMAIL",
    "AGENT2_USERNAME",
    "AGENT2_PASSWORD",
    "LOCK_AGENT_USERNAME",
    "LOCK_AGENT_PASSWORD",
    "DISABLED_AGENT_USERNAME",
    "DISABLED_AGENT_PASSWORD",
    "OTHER_GROUP_AGENT_USERNAME",
    "OTHER_GROUP_AGENT_PASSWORD",
    "ADMIN_EMAIL",
    "ADMIN_PASSWORD",
    "ADMIN_TOTP_SECRET",
    "MANAGER_EMAIL",
    "MANAGER_PASSWORD",
    "MANAGER_TOTP_SECRET",
    "AUDITOR_EMAIL",
    "AUDITOR_PASSWORD",
    "AUDITOR_TOTP_SECRET",
    "OPERATOR_EMAIL",
    "OPERATOR_PASSWORD",
    "OPERATOR_TOTP_SECRET",
    "STICKY_SSO_URL",
    "STICKY_HOST",
    "PLATFORM_KEY",
    "PLATFORM_KEY_OTHER",
    "DEPARTMENT_ID",
    "DEPARTMENT_ID_OTHER",
    "CAMPAIGN_IDS",
    "REDEEM_URL",
    "REDEEM_ID",
    "REDEEM_SECRET",
    "REDEEM2_ID",
    "REDEEM2_SECRET",
    "REDEEM_BASE",
    "CRM_HOST_TEMPLATE",
    "SESSION_COOKIE",
    "CUSTOMER_ACCOUNT_CODE",
    "OTHER_CUSTOMER_ACCOUNT_CODE",
    "WHMCS_IDENTIFIER",
    "WHMCS_SECRET",
    "CLIENT_ID",
    "USER_ID",
    "OTHER_USER_ID",
    "BLOCKED_CLIENT_ID",
    "SERVICE_ID",
    "API_BEARER_KEY",
    "OPENAPI_URL",
]


def run(name: str, *arguments: str) -> str:
    """What the command prints."""
    out = StringIO()
    call_command(name, *arguments, stdout=out)
    return out.getvalue()


def environment() -> dict[str, str]:
    """The names and values of `demo --env`."""
    return dict(line.split("=", 1) for line in run("demo", "--env").splitlines())


# --- demo ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def demo() -> dict[str, str]:
    """The demo world, and its names."""
    run("demo")
    return environment()


def counts() -> dict[str, int]:
    """How many rows there are of everything that the demo makes."""
    made = [
        *(
            getattr(groups, name)
            for name in ("Group", "Client", "Campaign", "Department", "Entitlement", "Membership")
        ),
        *(groups.Agent, groups.AgentSession, tokens.PlatformKey, tokens.RelyingParty, tokens.AddressRule),
        *(Administrator, Authenticator, Attempt, Event),
    ]
    return {model.__name__: model._default_manager.count() for model in made}


def test_demo_builds_the_demo_world(demo):
    northwind = groups.Group.objects.get(pk=21)

    assert northwind.name == "Northwind Collections"
    assert groups.Group.objects.filter(pk=22).exists()
    assert 240 <= northwind.agents.count() <= 260
    assert set(northwind.entitlements.values_list("client__subdomain", flat=True)) >= {
        "demoaws",
        "sandboxdemo",
    }


def test_demo_lets_group_22_enter_acme_only(demo):
    clients = groups.Entitlement.objects.filter(group_id=22).values_list("client__subdomain", flat=True)

    assert list(clients) == ["acme"]


def test_demo_gives_demoaws_its_campaigns_and_department(demo):
    client = groups.Client.objects.get(subdomain="demoaws")

    assert list(client.campaigns.order_by("number").values_list("number", flat=True)) == [1, 2, 3]
    assert list(client.departments.values_list("number", flat=True)) == [1]


def test_demo_twice_adds_nothing(demo):
    before = counts()

    run("demo")

    assert counts() == before


CHANGES = {
    "agent disabled": lambda: groups.Agent.objects.filter(username="amara.chen").update(status="disabled"),
    "agent renamed": lambda: groups.Agent.objects.filter(username="amara.chen").update(full_name="X"),
    "agent's e-mail": lambda: groups.Agent.objects.filter(username="jonas.weber").update(
        email="x@evil.example"
    ),
    "agent's password": lambda: groups.Agent.objects.filter(username="amara.chen").update(password=""),
    "agent's clients": lambda: groups.Agent.objects.filter(username="amara.chen").update(all_clients=False),
    "group stopped": lambda: groups.Group.objects.filter(pk=21).update(is_active=False),
    "group's hours": lambda: groups.Group.objects.filter(pk=21).update(longest_session_hours=1),
    "client paused": lambda: groups.Client.objects.filter(subdomain="demoaws").update(is_paused=True),
    "client's address": lambda: groups.Client.objects.filter(subdomain="demoaws").update(
        login_url="https://evil/"
    ),
    "client's origins": lambda: groups.Client.objects.filter(subdomain="demoaws").update(
        further_origins="https://e"
    ),
    "campaign over": lambda: groups.Campaign.objects.filter(number=1).update(is_active=False),
    "entitlement gone": lambda: groups.Entitlement.objects.filter(client__subdomain="demoaws").delete(),
    "rule gone": lambda: tokens.AddressRule.objects.all().delete(),
    "rule added": lambda: tokens.AddressRule.objects.create(group_id=21, network="127.0.0.2/32"),
    "key revoked": lambda: tokens.PlatformKey.objects.update(revoked_at=timezone.now()),
    "party revoked": lambda: tokens.RelyingPartySecret.objects.update(revoked_at=timezone.now()),
    "administrator inactive": lambda: Administrator.objects.update(is_active=False),
    "factor gone": lambda: Authenticator.objects.all().delete(),
    "lock-out": lambda: [lockout.may_try(door="group:21", name="lena.osei") for _ in range(6)],
}


def state() -> str:
    """What the demo promises of its rows, without what differs from run to run (hashes, keys, times)."""
    agents = groups.Agent.objects.filter(username__in=["amara.chen", "jonas.weber", "dora.nagy"]).order_by(
        "username"
    )
    rows = [
        list(agents.values("username", "full_name", "email", "status", "all_clients", "ends_at")),
        [bool(agent.password) for agent in agents],
        list(groups.Group.objects.order_by("pk").values("name", "is_active", "longest_session_hours")),
        list(
            groups.Client.objects.order_by("pk").values("name", "is_paused", "login_url", "further_origins")
        ),
        list(groups.Campaign.objects.order_by("pk").values("number", "is_active")),
        sorted(groups.Entitlement.objects.values_list("group_id", "client__subdomain")),
        sorted(tokens.AddressRule.objects.values_list("group_id", "network")),
        sorted(tokens.PlatformKey.objects.values_list("digest", "revoked_at")),
        sorted(tokens.RelyingPartySecret.objects.values_list("digest", "revoked_at")),
        sorted(Administrator.objects.values_list("email", "is_active", "is_staff")),
        sorted(Authenticator.objects.values_list("user__email", "type")),
        sorted(Attempt.objects.locked().values_list("name", flat=True)),
    ]
    return "\n".join(map(str, rows))


@pytest.mark.parametrize("change", CHANGES)
def test_demo_again_restores_what_was_changed(demo, change):
    before = state()
    CHANGES[change]()
    assert state() != before

    run("demo")

    assert state() == before


def test_demo_keeps_digests_of_its_secrets_only(demo):
    assert tokens.PlatformKey.objects.filter(digest=digest_of(demo["PLATFORM_KEY"]), group_id=21).exists()
    assert tokens.PlatformKey.objects.filter(
        digest=digest_of(demo["PLATFORM_KEY_OTHER"]), group_id=22
    ).exists()


@pytest.mark.parametrize(("prefix", "subdomain"), [("REDEEM", "demoaws"), ("REDEEM2", "sandboxdemo")])
def test_demo_prints_relying_parties_that_are_there(demo, prefix, subdomain):
    party = tokens.RelyingPartySecret.objects.shown(demo[f"{prefix}_SECRET"]).get().relying_party

    assert (party.identifier, party.client.subdomain) == (demo[f"{prefix}_ID"], subdomain)


@pytest.mark.parametrize("who", ["AGENT", "AGENT2", "LOCK_AGENT", "DISABLED_AGENT", "OTHER_GROUP_AGENT"])
def test_demo_prints_passwords_that_agents_have(demo, who):
    agent = groups.Agent.objects.get(username=demo[f"{who}_USERNAME"])

    assert check_password(demo[f"{who}_PASSWORD"], agent.password)


@pytest.mark.parametrize("who", ["ADMIN", "MANAGER", "AUDITOR", "OPERATOR"])
def test_demo_prints_secrets_that_administrators_have(demo, who):
    administrator = Administrator.objects.get(email=demo[f"{who}_EMAIL"])
    factor = Authenticator.objects.get(user=administrator, type=Authenticator.Type.TOTP)

    assert administrator.check_password(demo[f"{who}_PASSWORD"])
    assert decrypt(factor.data["secret"]) == demo[f"{who}_TOTP_SECRET"]


def test_demo_outside_demo_mode_is_refused(settings):
    settings.DEMO = False

    with pytest.raises(CommandError, match="DEMO"):
        run("demo")

    assert not groups.Group.objects.exists()


@pytest.mark.parametrize("option", ["--env", "--code"])
def test_demo_tells_nothing_outside_demo_mode(settings, option):
    settings.DEMO = False

    with pytest.raises(CommandError):
        run("demo", option)


def test_demo_beside_real_data_is_refused(group):
    with pytest.raises(CommandError, match="not the demo's"):
        run("demo")

    assert groups.Group.objects.get() == group
    assert not groups.Client.objects.exists()


@pytest.mark.usefixtures("demo")
def test_demo_env_prints_nothing_but_names_and_values():
    lines = run("demo", "--env").splitlines()

    assert lines
    assert [line for line in lines if not re.fullmatch(r"[A-Z][A-Z0-9_]*=[^\s\"']+", line)] == []


def test_demo_env_prints_every_name_once():
    names = [line.partition("=")[0] for line in run("demo", "--env").splitlines()]

    assert len(names) == len(set(names))


def test_demo_env_knows_every_name(demo):
    assert [name for name in NAMES if not demo.get(name)] == []


def test_demo_env_is_the_same_each_time():
    assert environment() == environment()


def test_demo_env_follows_the_port(settings):
    settings.PORT, settings.PORTAL_URL = 9100, "http://localhost:9100"

    told = environment()

    assert told["REDEEM_URL"] == "http://localhost:9100/api/v1/tokens/redeem"
    assert told["REDEEM_BASE"] == "http://localhost:9101"
    assert told["STICKY_HOST"] == "demoaws.localhost:9100"


def test_demo_env_follows_the_secret_key(settings):
    before = environment()
    settings.SECRET_KEY = "another" * 10

    after = environment()

    secret = [
        name for name in before if name.endswith(("_PASSWORD", "_SECRET")) or name.startswith("PLATFORM_KEY")
    ]
    assert [name for name in secret if before[name] == after[name]] == []


def test_demo_env_changes_nothing():
    environment()

    assert not groups.Group.objects.exists()


@pytest.mark.parametrize("who", ["ADMIN", "MANAGER", "AUDITOR", "OPERATOR"])
def test_demo_code_prints_a_code_that_is_accepted(who):
    told = environment()

    with time_machine.travel(timezone.now(), tick=False):
        codes = dict(line.split() for line in run("demo", "--code").splitlines())
        accepted = validate_totp_code(told[f"{who}_TOTP_SECRET"], codes[told[f"{who}_EMAIL"]])

    assert accepted


# --- cleanup ---------------------------------------------------------------------------------------------------------

LONG_AGO = timedelta(days=31)


@pytest.fixture
def old_token(issued) -> LoginToken:
    age(issued.token, LONG_AGO)
    return issued.token


def test_cleanup_deletes_tokens_after_thirty_days(old_token, issue_to_alice):
    young = issue_to_alice().token

    run("cleanup")

    assert list(LoginToken.objects.all()) == [young]


def test_cleanup_keeps_tokens_of_twenty_nine_days(issued):
    age(issued.token, timedelta(days=29))

    run("cleanup")

    assert LoginToken.objects.exists()


def test_cleanup_deletes_every_batch(issue_to_alice, monkeypatch):
    monkeypatch.setattr(cleanup, "BATCH", 2)
    for _ in range(5):
        age(issue_to_alice().token, LONG_AGO)

    out = run("cleanup")

    assert not LoginToken.objects.exists()
    assert "5 login tokens deleted" in out


def test_cleanup_deletes_sessions_that_ended_thirty_days_ago(session, agent):
    old = factories.AgentSessionFactory(agent=agent)
    long_ago = timezone.now() - LONG_AGO
    groups.AgentSession.objects.filter(pk=old.pk).update(
        started_at=long_ago - timedelta(hours=9), ends_at=long_ago
    )

    run("cleanup")

    assert list(groups.AgentSession.objects.all()) == [session]


def test_cleanup_deletes_counters_that_no_longer_count():
    now = timezone.now()
    for name, hours in (("old", -25), ("new", 1)):
        Attempt.objects.create(door="main", name=name, window_ends_at=now + timedelta(hours=hours))
        Tally.objects.create(limit="x", who=name, minute=now + timedelta(hours=hours - 1))

    run("cleanup")

    assert [attempt.name for attempt in Attempt.objects.all()] == ["new"]
    assert [tally.who for tally in Tally.objects.all()] == ["new"]


def test_cleanup_keeps_a_name_locked_for_longer_than_its_window():
    now = timezone.now()
    Attempt.objects.create(
        door="main",
        name="x",
        failures=5,
        window_ends_at=now - timedelta(days=2),
        locked_until=now + timedelta(hours=1),
    )

    run("cleanup")

    assert Attempt.objects.locked().exists()


def test_cleanup_deletes_administrators_sessions_that_are_over():
    now = timezone.now()
    for digest, started, seen in (("over", 9, 0), ("idle", 1, 1), ("live", 1, 0)):
        AdministratorSession.objects.create(
            digest=digest,
            started_at=now - timedelta(hours=started),
            ends_at=now + timedelta(hours=8 - started),
            last_seen_at=now - timedelta(hours=seen),
        )

    run("cleanup")

    assert [session.digest for session in AdministratorSession.objects.all()] == ["live"]


@pytest.fixture
def imported(group):
    """An import of agents that was uploaded some days ago."""

    def imported(*, days: float, **fields) -> groups.AgentImport:
        content = {"group": group, "kind": "agents", "content": b"username", "uploaded_by": "x"}
        uploaded = groups.AgentImport.objects.create(**content | fields)
        groups.AgentImport.objects.filter(pk=uploaded.pk).update(
            created_at=timezone.now() - timedelta(days=days)
        )
        return uploaded

    return imported


def test_cleanup_deletes_imports_after_thirty_days(imported):
    imported(days=31)
    young = imported(days=29)

    run("cleanup")

    assert list(groups.AgentImport.objects.all()) == [young]


def test_cleanup_drops_files_that_nobody_applied_within_a_day(imported):
    imported(days=0.9)
    imported(days=1.1, state="checked")

    run("cleanup")

    files = groups.AgentImport.objects.order_by("pk").values_list("content", flat=True)
    assert [bytes(file) for file in files] == [b"username", b""]


def test_cleanup_deletes_no_event(old_token):
    before = set(Event.objects.values_list("pk", flat=True))

    run("cleanup")

    assert before <= set(Event.objects.values_list("pk", flat=True))


# --- count_tokens ----------------------------------------------------------------------------------------------------


def test_count_tokens_without_any_is_two_zeros():
    assert run("count_tokens").split() == ["0", "0"]


def test_count_tokens_prints_two_equal_numbers(issue_to_alice):
    for _ in range(3):
        issue_to_alice()

    assert run("count_tokens").split() == ["3", "3"]


def test_count_tokens_is_the_same_after_a_cleanup(old_token, issue_to_alice, monkeypatch):
    monkeypatch.setattr(cleanup, "BATCH", 2)
    for _ in range(4):
        age(issue_to_alice().token, LONG_AGO)
    issue_to_alice()

    run("cleanup")

    assert LoginToken.objects.count() == 1
    assert run("count_tokens").split() == ["6", "6"]


def test_count_tokens_counts_a_redeemed_token_once(issued):
    LoginToken.objects.update(redeemed_at=timezone.now())

    assert run("count_tokens").split() == ["1", "1"]


@pytest.mark.usefixtures("entitlement")
def test_count_tokens_counts_no_refused_login(signed_in, group):
    signed_in.get("/sso/group/nosuch", {"group": group.pk})
    signed_in.get("/sso/group/demoaws", {"group": group.pk})

    assert run("count_tokens").split() == ["1", "1"]


def test_count_tokens_does_not_count_the_made_up_history_of_the_demo(demo):
    issued, events = run("count_tokens").split()

    assert issued == events


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
def test_count_tokens_is_the_same_after_two_cleanups_at_once(issue_to_alice, monkeypatch):
    monkeypatch.setattr(cleanup, "BATCH", 50)
    for _ in range(200):
        age(issue_to_alice().token, LONG_AGO)
    together = threading.Barrier(2)

    def clean_up() -> None:
        try:
            together.wait(10)
            run("cleanup")
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as threads:
        for done in [threads.submit(clean_up) for _ in range(2)]:
            done.result()

    assert run("count_tokens").split() == ["200", "200"]
