"""`manage.py group`, `client` and `end_all_sessions`: cutting off at once, and letting in again."""

from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from accounts.models import AdministratorSession, Event
from groups.models import AgentSession, Client, ClientSession, Group, Invitation
from sso_portal.lib.refusals import Refused
from sso_portal.lib.secrets import digest_of
from tests import factories
from tokens.models import (
    ApiCredential,
    ApiKey,
    BusCode,
    Kind,
    LoginToken,
    PersonToken,
    PlatformKey,
    RelyingPartySecret,
    SigningPair,
    TokenFamily,
)
from tokens.redeeming import redeem

pytestmark = pytest.mark.django_db


def manage(*arguments: str) -> str:
    out = StringIO()
    call_command(*arguments, stdout=out)
    return " ".join(out.getvalue().split())


@pytest.fixture
def everything(agent, session, issued, relying_party, client_company):
    """One of each kind of what can be given out to Alice, or to her group's software."""
    factories.TokenFamilyFactory(agent=agent, relying_party=relying_party, session=session)
    BusCode.objects.create(
        digest=digest_of("code"),
        agent=agent,
        group=agent.group,
        session=session,
        expires_at=timezone.now() + timedelta(seconds=60),
    )
    factories.PlatformKeyFactory(group=agent.group)
    factories.ApiKeyFactory(group=agent.group)
    factories.InvitationFactory(group=agent.group)
    agent.activation_digest, agent.activation_expires_at = "d" * 64, timezone.now() + timedelta(hours=1)
    agent.save()
    return issued


@pytest.fixture
def neighbour(client_company):
    """The same in another group, which nothing here may touch."""
    other = factories.AgentFactory()
    session = factories.AgentSessionFactory(agent=other)
    factories.LoginTokenFactory(agent=other, client=client_company)
    factories.TokenFamilyFactory(agent=other, session=session)
    factories.PlatformKeyFactory(group=other.group, secret="pk_of-the-neighbour")
    factories.InvitationFactory(group=other.group)
    return other


def left(group: Group) -> dict[str, int]:
    """What of a group is still worth something."""
    now = timezone.now()
    return {
        "sessions": AgentSession.objects.live().filter(agent__group=group).count(),
        "logins": LoginToken.objects.filter(group=group, redeemed_at=None, expires_at__gt=now).count(),
        "families": TokenFamily.objects.live().filter(group=group).count(),
        "codes": BusCode.objects.filter(group=group, expires_at__gt=now).count(),
        "platform keys": PlatformKey.objects.live().filter(group=group).count(),
        "api keys": ApiKey.objects.live().filter(group=group).count(),
        "invitations": Invitation.objects.filter(group=group, spent_at=None).count(),
        "activation codes": group.agents.exclude(activation_digest="").count(),
    }


GIVEN_OUT = {"sessions": 0, "logins": 0, "families": 0, "codes": 0}
EVERYTHING = dict.fromkeys([*GIVEN_OUT, "platform keys", "api keys", "invitations", "activation codes"], 0)


def test_group_end_sessions_ends_what_was_given_out_and_leaves_the_keys(everything, neighbour, group):
    before, of_neighbour = left(group), left(neighbour.group)

    out = manage("group", str(group.pk), "end-sessions")

    assert set(before.values()) == {1}
    assert left(group) == before | GIVEN_OUT
    assert left(neighbour.group) == of_neighbour
    assert "1 agent sessions 1 logins not redeemed yet" in out


@pytest.mark.parametrize("command", ["group", "all"])
def test_session_whose_longest_is_over_ends_too_for_who_was_not_told_yet(everything, group, command):
    AgentSession.objects.update(
        started_at=timezone.now() - timedelta(hours=13), ends_at=timezone.now() - timedelta(hours=1)
    )

    manage(*(["group", str(group.pk), "end-sessions"] if command == "group" else ["end_all_sessions"]))

    assert AgentSession.objects.get().ended_at


def test_group_revoke_ends_its_keys_codes_and_invitations_too(everything, neighbour, group):
    of_neighbour = left(neighbour.group)

    out = manage("group", str(group.pk), "revoke")

    assert left(group) == EVERYTHING
    assert left(neighbour.group) == of_neighbour
    assert "2 keys" in out
    assert Event.objects.filter(action="key.revoke", group_id=group.pk).count() == 2
    assert Event.objects.get(action="group.revoke").details["keys"] == 2
    assert Group.objects.get(pk=group.pk).is_active


def test_group_stop_keeps_everybody_out_until_resume(everything, group, signed_in):
    manage("group", str(group.pk), "stop")

    assert left(group) == EVERYTHING
    assert not Group.objects.get(pk=group.pk).is_active
    assert signed_in.get(f"/sso/group/demoaws?group={group.pk}").status_code == 404
    assert "let in again" in manage("group", str(group.pk), "resume")
    assert Group.objects.get(pk=group.pk).is_active
    assert left(group) == EVERYTHING
    assert "was not stopped" in manage("group", str(group.pk), "resume")
    acts = Event.objects.filter(action__in=["group.stop", "group.resume"]).order_by("pk")
    assert [event.action for event in acts] == ["group.stop", "group.resume"]


def test_login_that_was_cut_off_cannot_be_redeemed(everything, group, relying_party, caller):
    manage("group", str(group.pk), "end-sessions")

    with pytest.raises(Refused):
        redeem(everything.secret, kind=Kind.HAND_OFF, relying_party=relying_party, caller=caller)
    assert LoginToken.objects.get().redeemed_at is None


def test_what_was_ended_before_is_not_counted_again(everything, group):
    manage("group", str(group.pk), "stop")

    manage("group", str(group.pk), "stop")

    details = Event.objects.filter(action="group.stop").latest("pk").details
    assert set(details.values()) == {0}


def test_client_stop_ends_what_was_given_out_there_and_its_softwares_secrets(
    everything, client_company, agent
):
    person = factories.ClientPersonFactory(client=client_company)
    factories.ClientSessionFactory(person=person)
    PersonToken.objects.create(
        digest=digest_of("person"),
        person=person,
        client=client_company,
        use="entrance",
        expires_at=timezone.now() + timedelta(seconds=60),
    )
    factories.SigningPairFactory(relying_party__client=client_company, relying_party__secret="")
    own = factories.ApiCredentialFactory(clients=[client_company])
    shared = factories.ApiCredentialFactory(
        identifier="shared", secret="wc_shared", clients=[client_company, factories.ClientFactory()]
    )

    manage("client", "demoaws", "stop")

    assert not Client.objects.get(pk=client_company.pk).is_active
    assert not ClientSession.objects.filter(ended_at=None).exists()
    assert not PersonToken.objects.filter(expires_at__gt=timezone.now()).exists()
    assert not LoginToken.objects.filter(expires_at__gt=timezone.now()).exists()
    assert not TokenFamily.objects.live().exists()
    assert not RelyingPartySecret.objects.live().exists()
    assert not SigningPair.objects.live().exists()
    assert list(ApiCredential.objects.live()) == [shared]
    assert client_company not in shared.clients.all()
    assert ApiCredential.objects.get(pk=own.pk).revoked_at
    assert AgentSession.objects.live().count() == 1  # Alice works on, for her other clients
    assert "entered again" in manage("client", "demoaws", "resume")
    assert Client.objects.get(pk=client_company.pk).is_active


def test_end_all_sessions_signs_everybody_out_and_leaves_the_keys(everything, neighbour, owner, visit_as):
    browser = visit_as(owner)
    assert browser.get("/groups/").status_code == 200

    manage("end_all_sessions")

    assert not AgentSession.objects.live().exists()
    assert not AdministratorSession.objects.exists()
    assert not TokenFamily.objects.live().exists()
    assert PlatformKey.objects.live().count() == 2
    assert browser.get("/groups/").status_code == 302


@pytest.mark.parametrize(("command", "name"), [("group", "999"), ("client", "nobody")])
def test_what_there_is_not_is_told(command, name):
    with pytest.raises(CommandError, match="There is no"):
        manage(command, name, "stop")
