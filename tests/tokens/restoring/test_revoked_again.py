"""`manage.py restored`: what was revoked in the lost time is revoked again."""

import json
from datetime import timedelta

import pytest
from allauth.mfa.models import Authenticator
from django.core.management import CommandError
from django.utils import timezone

from accounts.models import Administrator
from groups import standing
from groups.editing_agents import set_end_of_many
from groups.models import Agent, AgentSession, AgentStatus, Client, Entitlement, Group, Membership
from tests import factories
from tests.tokens.restoring.restored import HOW, NOW, manage
from tokens import changing_bus, credentials, keys, signing_keys
from tokens.cutting_off import How, cut_off_client, cut_off_group, resume
from tokens.management.operators import from_the_command_line
from tokens.models import (
    AddressRule,
    ApiCredential,
    BusAddress,
    PlatformKey,
    Purpose,
    RelyingPartySecret,
    SigningKey,
)

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
        lambda: resume(group, **how),
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
