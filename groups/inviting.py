"""Inviting administrators: a link goes out by mail, and is spent once, by whoever confirms it."""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from django.conf import settings
from django.contrib.auth.hashers import make_password
from django.core.mail import EmailMessage
from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.db.models.functions import Now
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from accounts import audit, lockout
from accounts.models import Administrator
from groups.members import WHAT_ROLES_MAY, lock_group
from groups.models import Group, Invitation, Membership, Permission, Role
from sso_portal.lib.refusals import Refusal, Refused
from sso_portal.lib.secrets import digest_of, new_secret
from sso_portal.lib.web import Caller

LIFETIME = timedelta(days=7)
MOST_OPEN = 50  # invitations of a group
LONGEST_NAME_IN_MAIL = 100
ALREADY_MEMBER = Refusal(
    "already_member", gettext_noop("This person looks after the group already."), 409, field="email"
)
ALREADY_INVITED = Refusal(
    "already_invited",
    gettext_noop("There is an open invitation for this address. You can send it again from the list."),
    409,
    field="email",
)
TOO_MANY_OPEN = Refusal(
    "too_many_invitations",
    gettext_noop("Fifty invitations are open, which is the most. Withdraw one that nobody will answer."),
    409,
)
TOO_MANY_MAILS = Refusal(
    "too_many_mails",
    gettext_noop("Twenty invitations were sent within this hour. Please wait a little."),
    429,
)
MAIL_FAILED = Refusal(
    "mail_failed",
    gettext_noop("The mail could not be sent, so the invitation was not made. Please try again later."),
    503,
)
NO_LONGER_VALID = Refusal("invitation_gone", gettext_noop("This invitation is no longer valid."), 404)
ACCOUNT_EXISTS = Refusal(
    "account_exists", gettext_noop("There is an account with this e-mail address now. Please sign in."), 409
)


@dataclass(frozen=True)
class Joined:
    """Somebody followed an invitation; `is_new` says whether he looked after the group before."""

    membership: Membership
    is_new: bool


def invite(email: str, role: str, *, by: Membership, caller: Caller) -> Invitation:
    """Send an invitation to this (canonical) e-mail address.

    Raises Refused: `already_member`, `already_invited`, `too_many_invitations`, `too_many_mails`, `mail_failed`.
    """
    about = {"action": "administrator.invite", "actor": by.actor, "group": by.group}
    if refusal := _why_not_invite(by.group, email):
        raise Refused(refusal, about)
    invitation = Invitation(group=by.group, email=email, role=role, invited_by=by.actor)
    # The mail goes first: were it to fail later, the log would tell of an invitation that never was.
    secret = _send(invitation, by=by, about=about)
    with transaction.atomic():
        lock_group(by, Permission.MANAGE_ADMINISTRATORS)
        if refusal := _why_not_invite(by.group, email):
            raise Refused(refusal, about)
        Invitation.objects.filter(group=by.group, email=email, spent_at=None).delete()  # an expired one
        _keep(invitation, secret)
        _record("administrator.invite", invitation, by.actor, caller)
    return invitation


def resend(invitation: Invitation, *, by: Membership, caller: Caller) -> None:
    """Send an open invitation again, with a new link; the old one is void. Raises Refused as `invite` does."""
    about = {"action": "administrator.invite", "actor": by.actor, "group": by.group}
    secret = _send(invitation, by=by, about=about)
    with transaction.atomic():
        lock_group(by, Permission.MANAGE_ADMINISTRATORS)
        now = Invitation.objects.select_for_update().filter(pk=invitation.pk, spent_at=None).first()
        if now is None:
            raise Refused(NO_LONGER_VALID, about)
        now.invited_by = by.actor
        _keep(now, secret)
        _record("administrator.invite", now, by.actor, caller, again=True)


def withdraw(invitation: Invitation, *, by: Membership, caller: Caller) -> None:
    """Make an open invitation void. Raises Refused when it is not open any more."""
    with transaction.atomic():
        lock_group(by, Permission.MANAGE_ADMINISTRATORS)
        deleted, _by_model = Invitation.objects.filter(pk=invitation.pk, spent_at=None).delete()
        if not deleted:
            about = {"action": "administrator.withdraw_invitation", "actor": by.actor, "group": by.group}
            raise Refused(NO_LONGER_VALID, about)
        _record("administrator.withdraw_invitation", invitation, by.actor, caller)


def open_invitations(group: Group) -> QuerySet[Invitation]:
    """The group's invitations that nobody followed yet, expired ones too."""
    return Invitation.objects.filter(group=group, spent_at=None)


def invitation_of(secret: str) -> Invitation | None:
    """The invitation behind a link; None for one that is spent, withdrawn, expired or was never sent."""
    return _valid(secret).select_related("group").first()


def join(secret: str, administrator: Administrator, *, caller: Caller) -> Joined:
    """Follow an invitation as the administrator it was sent to; a role he has already stays as it is.

    Raises Refused when the invitation is not valid, or not his.
    """
    with transaction.atomic():
        invitation = _claim(secret, email=administrator.email)
        return _let_in(invitation, administrator, caller, is_new_account=False)


def join_as_new(secret: str, *, email: str, full_name: str, password: str, caller: Caller) -> Joined:
    """Follow an invitation with a new account. Raises Refused when it is not valid, or the account exists by now."""
    encoded = make_password(password)  # before the transaction: it takes its time
    try:
        with transaction.atomic():
            invitation = _claim(secret, email=email)
            administrator = Administrator(email=email, full_name=full_name, password=encoded)
            administrator.save(force_insert=True)
            return _let_in(invitation, administrator, caller, is_new_account=True)
    except IntegrityError as taken:
        raise Refused(ACCOUNT_EXISTS, {"action": "administrator.join"}) from taken


def in_mail(name: str) -> str:
    """A name as mails show it: one line, not too long, and nothing that a mail program would turn into a link."""
    one_line = " ".join(name.split())[:LONGEST_NAME_IN_MAIL]
    return re.sub(r"([.:@。．｡]|//)(?=\S)", r"\1 ", one_line)


def _valid(secret: str) -> QuerySet[Invitation]:
    return Invitation.objects.filter(digest=digest_of(secret), spent_at=None, expires_at__gt=Now())


def _claim(secret: str, *, email: str) -> Invitation:
    """Spend the invitation; at most one caller ever gets it back. In a transaction."""
    if not _valid(secret).filter(email=email).update(spent_at=Now()):
        raise Refused(NO_LONGER_VALID, {"action": "administrator.join", "actor": f"administrator:{email}"})
    return Invitation.objects.select_related("group").get(digest=digest_of(secret))


def _let_in(
    invitation: Invitation, administrator: Administrator, caller: Caller, *, is_new_account: bool
) -> Joined:
    inviter = invitation.invited_by.removeprefix("administrator:")
    owners = invitation.group.memberships.filter(role=Role.OWNER, administrator__is_active=True)
    if not owners.filter(administrator__email=inviter).exists():  # he lost that part meanwhile, wherever
        raise Refused(
            NO_LONGER_VALID, {"action": "administrator.join", "actor": f"administrator:{administrator}"}
        )
    membership, is_new = Membership.objects.select_related("group").get_or_create(
        administrator=administrator, group=invitation.group, defaults={"role": invitation.role}
    )
    audit.record(
        "administrator.join",
        caller=caller,
        actor=membership.actor,
        group=invitation.group,
        about=membership.actor,
        details={
            "role": membership.role,
            "invited_as": invitation.role,
            "invited_by": invitation.invited_by,
            "new_account": is_new_account,
            "new_member": is_new,
        },
    )
    return Joined(membership, is_new)


def _why_not_invite(group: Group, email: str) -> Refusal | None:
    if Membership.objects.filter(group=group, administrator__email=email).exists():
        return ALREADY_MEMBER
    there = open_invitations(group).exclude(email=email, expires_at__lte=timezone.now())
    if there.filter(email=email).exists():
        return ALREADY_INVITED
    return TOO_MANY_OPEN if there.count() >= MOST_OPEN else None


def _send(invitation: Invitation, *, by: Membership, about: dict[str, object]) -> str:
    """Mail a new link to whom the invitation is for; the secret in it."""
    if not lockout.may_go_on_this_hour(limit="invitations", who=str(invitation.group_id)):
        raise Refused(TOO_MANY_MAILS, about, retry_after=600)
    secret, expires_at = new_secret("iv_"), timezone.now() + LIFETIME
    try:
        _mail(invitation, by.administrator, secret, expires_at).send()
    except (OSError, ValueError) as failed:  # no mail server, or none that takes this address
        structlog.get_logger(__name__).error("invitation not sent", exc_info=failed)
        raise Refused(MAIL_FAILED, about) from failed
    return secret


def _mail(invitation: Invitation, inviter: Administrator, secret: str, expires_at: datetime) -> EmailMessage:
    role, group = Role(invitation.role), in_mail(invitation.group.name)
    context = {
        "inviter": in_mail(inviter.full_name) or inviter.email,
        "inviter_email": inviter.email,
        "group": group,
        "role": role.label,
        "role_text": WHAT_ROLES_MAY[role],
        "link": settings.PORTAL_URL + reverse("invitation", args=[secret]),
        "expires_at": expires_at,
        "portal": settings.PORTAL_URL,
    }
    subject = _("Invitation to look after %(group)s") % {"group": group}
    return EmailMessage(subject, render_to_string("mail/invitation.txt", context), to=[invitation.email])


def _keep(invitation: Invitation, secret: str) -> None:
    invitation.digest, invitation.expires_at = digest_of(secret), timezone.now() + LIFETIME
    invitation.save()


def _record(action: str, invitation: Invitation, by: str, caller: Caller, **details: object) -> None:
    audit.record(
        action,
        caller=caller,
        actor=by,
        group=invitation.group,
        about=f"administrator:{invitation.email}",
        details={"email": invitation.email, "role": invitation.role} | details,
    )
