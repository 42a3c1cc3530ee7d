"""Inviting administrators: what is sent, what is kept, and who may follow the link."""

import re
from datetime import timedelta

import pytest
from django.core import mail
from django.core.mail.backends.locmem import EmailBackend
from django.test import override_settings
from django.utils import timezone, translation

from accounts.models import Administrator, Event
from groups.inviting import in_mail, invitation_of, invite, join, join_as_new, resend, withdraw
from groups.models import Invitation, Membership, Role
from sso_portal.lib.refusals import Refused
from tests import factories

pytestmark = pytest.mark.django_db
NEWCOMER = "nora@northwind.example"
CHOSEN = "seven purple lanterns"


class BrokenMailServer(EmailBackend):
    def send_messages(self, messages):
        raise ConnectionRefusedError("no mail server")


@pytest.fixture
def membership(owner):
    return owner.memberships.select_related("group", "administrator").get()


@pytest.fixture
def send(membership, caller):
    """Invite somebody; the secret in the link of the mail."""

    def send(email: str = NEWCOMER, role: str = Role.MANAGER) -> str:
        invite(email, role, by=membership, caller=caller)
        return secret_in(mail.outbox[-1])

    return send


def secret_in(message) -> str:
    (secret,) = re.findall(r"^http://localhost:8000/invitations/([^/]+)/$", message.body, re.MULTILINE)
    return secret


def refusal_of(act, *args, **kwargs) -> str:
    with pytest.raises(Refused) as caught:
        act(*args, **kwargs)
    return caught.value.refusal.code


# --- Sending -----------------------------------------------------------------------------------------------------


def test_invitation_goes_to_the_address_and_says_who_invites_to_what(send, owner):
    send()

    (message,) = mail.outbox
    assert message.to == [NEWCOMER]
    assert "Northwind" in message.subject
    assert all(text in message.body for text in (owner.email, "Ada Admin", "“Northwind”", "as manager"))


def test_invitation_is_kept_as_a_digest_for_seven_days(send):
    secret = send()

    invitation = Invitation.objects.get()
    assert secret not in str(vars(invitation))
    assert timedelta(days=6, hours=23) < invitation.expires_at - timezone.now() <= timedelta(days=7)


def test_invitation_is_recorded_without_its_secret(send, membership):
    secret = send()

    event = Event.objects.get(action="administrator.invite")
    assert event.details == {"email": NEWCOMER, "role": "manager"}
    assert (event.actor, event.group_id) == (membership.actor, membership.group_id)
    assert secret not in str(vars(event))


def test_invitation_speaks_the_inviters_language(send):
    with translation.override("es"):
        send()
        subject = translation.gettext("Invitation to look after %(group)s") % {"group": "Northwind"}

    assert mail.outbox[0].subject == subject


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("Evil\r\nBcc: all@evil.example", "Evil Bcc: all@ evil. example"),
        ("http://evil.example/x", "http: // evil. example/x"),
        ("<b>Bold</b> & Co.", "<b>Bold</b> & Co."),
        ("x" * 5000, "x" * 100),
    ],
)
def test_hostile_name_is_one_line_without_a_link(name, shown):
    assert in_mail(name) == shown


def test_hostile_name_of_a_group_stays_in_its_place(send, membership):
    membership.group.name = "Win\nBcc: all@evil.example\n\nhttp://evil.example <i>"
    send()

    (message,) = mail.outbox
    assert "\n" not in message.subject
    assert message.recipients() == [NEWCOMER]
    assert re.findall(r"https?://[^/\s]*", message.body) == ["http://localhost:8000"] * 2
    assert "evil.example" not in message.message().as_string()


def test_without_a_mail_server_no_invitation_is_made(membership, caller, settings):
    with override_settings(EMAIL_BACKEND=f"{__name__}.BrokenMailServer"):
        assert refusal_of(invite, NEWCOMER, "auditor", by=membership, caller=caller) == "mail_failed"

    assert not Invitation.objects.exists()
    assert not Event.objects.exists()


def test_member_is_not_invited_again(membership, auditor, caller):
    assert refusal_of(invite, auditor.email, "owner", by=membership, caller=caller) == "already_member"
    assert not mail.outbox


def test_address_has_one_open_invitation(send, membership, caller):
    send()

    assert refusal_of(invite, NEWCOMER, "owner", by=membership, caller=caller) == "already_invited"


def test_expired_invitation_gives_way_to_a_new_one(send, group):
    factories.InvitationFactory(group=group, email=NEWCOMER, expires_at=timezone.now())

    send()

    assert Invitation.objects.get().expires_at > timezone.now()


def test_fifty_open_invitations_are_the_most(membership, caller):
    factories.InvitationFactory.create_batch(50, group=membership.group)

    assert refusal_of(invite, NEWCOMER, "owner", by=membership, caller=caller) == "too_many_invitations"


def test_twenty_mails_an_hour_are_the_most(send, membership, caller):
    for number in range(20):
        send(f"person{number}@northwind.example")

    assert refusal_of(invite, NEWCOMER, "owner", by=membership, caller=caller) == "too_many_mails"
    assert len(mail.outbox) == 20


def test_removed_owner_invites_nobody(membership, caller):
    Membership.objects.filter(pk=membership.pk).delete()

    assert refusal_of(invite, NEWCOMER, "owner", by=membership, caller=caller) == "role_missing"
    assert not Invitation.objects.exists()


# --- Sending again, withdrawing ----------------------------------------------------------------------------------


def test_sent_again_it_has_a_new_link_and_the_old_one_is_void(send, membership, caller):
    old = send()

    resend(Invitation.objects.get(), by=membership, caller=caller)

    assert invitation_of(old) is None
    assert invitation_of(secret_in(mail.outbox[-1])) is not None
    assert Event.objects.latest("pk").details["again"] is True


def test_sent_again_without_a_mail_server_the_old_link_still_works(send, membership, caller):
    old = send()

    with override_settings(EMAIL_BACKEND=f"{__name__}.BrokenMailServer"):
        refusal_of(resend, Invitation.objects.get(), by=membership, caller=caller)

    assert invitation_of(old) is not None


def test_withdrawn_it_is_void_and_recorded(send, membership, caller):
    secret = send()

    withdraw(Invitation.objects.get(), by=membership, caller=caller)

    assert invitation_of(secret) is None
    assert Event.objects.latest("pk").action == "administrator.withdraw_invitation"


def test_followed_meanwhile_it_cannot_be_withdrawn(send, membership, caller):
    invitation = Invitation.objects.get(digest=send() and Invitation.objects.get().digest)
    Invitation.objects.update(spent_at=timezone.now())

    assert refusal_of(withdraw, invitation, by=membership, caller=caller) == "invitation_gone"


# --- Following ---------------------------------------------------------------------------------------------------


def test_join_gives_the_role_and_is_recorded(send, group, caller):
    administrator = factories.AdministratorFactory(email=NEWCOMER)

    joined = join(send(), administrator, caller=caller)

    event = Event.objects.get(action="administrator.join")
    assert (joined.is_new, joined.membership.role) == (True, "manager")
    assert (event.actor, event.group_id) == (f"administrator:{NEWCOMER}", group.pk)


def test_link_serves_once(send, caller):
    secret, administrator = send(), factories.AdministratorFactory(email=NEWCOMER)
    join(secret, administrator, caller=caller)

    assert refusal_of(join, secret, administrator, caller=caller) == "invitation_gone"


def test_link_serves_nobody_else(send, caller):
    assert refusal_of(join, send(), factories.AdministratorFactory(), caller=caller) == "invitation_gone"


def test_expired_link_serves_nobody(send, caller):
    secret, administrator = send(), factories.AdministratorFactory(email=NEWCOMER)
    Invitation.objects.update(expires_at=timezone.now() - timedelta(seconds=1))

    assert refusal_of(join, secret, administrator, caller=caller) == "invitation_gone"


def test_member_who_follows_an_invitation_keeps_his_role(group, owner, auditor, caller):
    by = owner.memberships.get().actor
    factories.InvitationFactory(group=group, email=auditor.email, role="owner", invited_by=by, secret="iv_x")

    joined = join("iv_x", auditor, caller=caller)

    assert (joined.is_new, joined.membership.role) == (False, "auditor")


def test_newcomer_gets_an_account_with_his_password(send, caller):
    join_as_new(send(), email=NEWCOMER, full_name="Nora New", password=CHOSEN, caller=caller)

    administrator = Administrator.objects.get(email=NEWCOMER)
    assert administrator.check_password(CHOSEN)
    assert (administrator.full_name, administrator.is_staff) == ("Nora New", False)
    assert administrator.memberships.get().role == "manager"


def test_account_that_was_made_meanwhile_is_left_alone(send, caller):
    secret, administrator = send(), factories.AdministratorFactory(email=NEWCOMER)

    code = refusal_of(join_as_new, secret, email=NEWCOMER, full_name="X", password=CHOSEN, caller=caller)

    assert code == "account_exists"
    assert invitation_of(secret) is not None
    administrator.refresh_from_db()
    assert administrator.check_password(factories.PASSWORD)


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
def test_link_followed_many_times_at_once_serves_once(send, caller, at_once):
    secret = send()

    def follow() -> str:
        try:
            join_as_new(secret, email=NEWCOMER, full_name="Nora", password=CHOSEN, caller=caller)
        except Refused as refused:
            return refused.refusal.code
        return ""

    assert sorted(at_once(4, follow)) == ["", *["invitation_gone"] * 3]
    assert Membership.objects.filter(administrator__email=NEWCOMER).count() == 1


def test_invitation_ends_with_the_inviters_part_wherever_he_lost_it(group, owner, caller):
    secret = "iv_of-an-owner-who-went"
    factories.InvitationFactory(
        group=group, email=NEWCOMER, invited_by=owner.memberships.get().actor, secret=secret
    )
    owner.memberships.update(role="manager")

    with pytest.raises(Refused):
        join_as_new(secret, email=NEWCOMER, full_name="Nora New", password=CHOSEN, caller=caller)

    assert not Administrator.objects.filter(email=NEWCOMER).exists()
