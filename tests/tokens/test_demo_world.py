"""The demo world that the management command `demo` builds, and restores."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from django.contrib.auth.hashers import check_password
from django.db import transaction
from django.test import Client as Browser
from django.utils import timezone

from accounts import lockout
from accounts.models import Administrator, Attempt, Event
from groups import models as groups
from sso_portal.lib.encryption import decrypt
from sso_portal.lib.secrets import digest_of
from tests.conftest import PORTAL
from tests.tokens.commands import environment, run
from tokens import models as tokens

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


@pytest.fixture(scope="module")
def _world(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """The demo world, built once: each test finds it as it was built."""
    with django_db_blocker.unblock(), transaction.atomic():
        run("demo")
        yield
        transaction.set_rollback(True)


@pytest.fixture
def demo(_world: None, db: None) -> dict[str, str]:
    """The demo world's names."""
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


@pytest.mark.usefixtures("demo")
def test_demo_env_prints_nothing_but_names_and_values():
    lines = run("demo", "--env").splitlines()

    assert lines
    assert [line for line in lines if not re.fullmatch(r"[A-Z][A-Z0-9_]*=[^\s\"']+", line)] == []


def test_demo_env_knows_every_name(demo):
    assert [name for name in NAMES if not demo.get(name)] == []


def test_count_tokens_does_not_count_the_made_up_history_of_the_demo(demo):
    issued, events = run("count_tokens").split()

    assert issued == events


# --- Client companies' own people ------------------------------------------------------------------------------------


@pytest.fixture
def ask(demo):
    """Ask as the demo's billing system; what is answered."""

    def ask_once(*, address="127.0.0.1", **fields):
        who = {"identifier": demo["WHMCS_IDENTIFIER"], "secret": demo["WHMCS_SECRET"]}
        sent = who | {"action": "CreateSsoToken"} | fields
        response = Browser(HTTP_HOST=PORTAL).post("/includes/api.php", sent, REMOTE_ADDR=address)
        return response.json()

    return ask_once


def test_demo_lets_its_billing_system_ask(demo, ask):
    answer = ask(client_id=demo["CLIENT_ID"], user_id=demo["USER_ID"])

    assert answer["result"] == "success"


def test_demo_has_an_owner_and_places(demo, ask):
    answer = ask(
        client_id=demo["CLIENT_ID"], destination="clientarea:product_details", service_id=demo["SERVICE_ID"]
    )
    arrived = Browser(HTTP_HOST=PORTAL).get(answer["redirect_url"])

    assert arrived.headers["Location"].endswith(f"/client/demoaws/services/{demo['SERVICE_ID']}")


def test_demo_knows_whom_to_refuse(demo, ask):
    blocked = demo["BLOCKED_CLIENT_ID"]

    assert ask(client_id=blocked)["message"] == f"SSO authentication blocked for client {blocked}"
    assert (
        ask(client_id=demo["CLIENT_ID"], user_id=demo["OTHER_USER_ID"])["message"]
        == "Invalid user_id for client"
    )
    assert ask(client_id=demo["CLIENT_ID"], address="127.0.0.2")["message"] == "Invalid IP 127.0.0.2"


def test_demo_again_restores_people_and_their_credential(demo, ask):
    groups.ClientPerson.objects.update(is_active=False, is_owner=False, full_name="x")
    tokens.CredentialAddress.objects.update(network="127.0.0.2/32")
    groups.Destination.objects.update(path="elsewhere")
    tokens.ApiCredential.objects.update(revoked_at=timezone.now())
    tokens.ApiCredential.objects.get().clients.clear()

    run("demo")

    answer = ask(client_id=demo["CLIENT_ID"], destination="clientarea:invoices")
    assert answer["result"] == "success", answer
    token = tokens.PersonToken.objects.get()
    assert (token.path, token.person.full_name) == ("billing/invoices", "Rosa Delgado")
    assert list(tokens.CredentialAddress.objects.values_list("network", flat=True)) == ["127.0.0.1/32"]


def test_demo_twice_adds_nobody(demo):
    models = (groups.ClientPerson, groups.Destination, tokens.ApiCredential, tokens.CredentialAddress)
    before = [model.objects.count() for model in models]

    run("demo")

    assert [model.objects.count() for model in models] == before
