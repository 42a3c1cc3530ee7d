"""Who looks after a group: changing roles, taking somebody out. The last owner stays."""

from django.db import transaction
from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _
from django.utils.translation import gettext_noop

from accounts import audit
from groups.models import Group, Invitation, Membership, Permission, Role
from sso_portal.lib.refusals import NOT_FOUND, Refusal, Refused
from sso_portal.lib.web import Caller

LAST_OWNER = Refusal(
    "last_owner", gettext_noop("A group needs an owner. Make somebody else an owner first."), 409
)
NO_LONGER_ALLOWED = Refusal(
    "role_missing", gettext_noop("Your role in this group was changed a moment ago. Nothing was done."), 403
)
WHAT_ROLES_MAY = {
    Role.OWNER: _("Does everything: keys, settings, and who else looks after this group."),
    Role.MANAGER: _("Manages agents and clients, and sees every other page."),
    Role.AUDITOR: _("Sees every page and changes nothing."),
}


def lock_group(by: Membership, permission: str) -> Group:
    """One change at a time: the group, locked until the transaction ends, as it is now.

    Raises Refused when `by` lost his role since his request began.
    """
    # no_key: agents go on signing in, for their rows may still point at this one.
    group = Group.objects.select_for_update(no_key=True).get(pk=by.group_id)
    acting = Membership.objects.filter(pk=by.pk).first()
    if acting is None or not acting.may(permission):
        raise Refused(NO_LONGER_ALLOWED, {"action": "console.change", "actor": by.actor, "group": group})
    return group


def change_role(member: Membership, role: str, *, by: Membership, caller: Caller) -> None:
    """Give a member of the group another role. Raises Refused for the last owner."""
    with transaction.atomic():
        lock_group(by, Permission.MANAGE_ADMINISTRATORS)
        now = _still_there(member)
        if role == now.role:
            return
        if role != Role.OWNER:
            _refuse_without_owner(now, by=by, action="administrator.change_role")
        Membership.objects.filter(pk=now.pk).update(role=role)
        details: dict[str, object] = {"role": [now.role, role]}
        if not Membership(role=role).may(Permission.MANAGE_ADMINISTRATORS):
            details["invitations_withdrawn"] = invitations_by(now).delete()[0]
        _record("administrator.change_role", now, by, caller, details)


def remove(member: Membership, *, by: Membership, caller: Caller) -> None:
    """Take an administrator out of the group, and with him the open invitations he made.

    Raises Refused for the last owner.
    """
    with transaction.atomic():
        lock_group(by, Permission.MANAGE_ADMINISTRATORS)
        now = _still_there(member)
        _refuse_without_owner(now, by=by, action="administrator.remove")
        withdrawn = invitations_by(now).delete()[0]
        Membership.objects.filter(pk=now.pk).delete()
        _record(
            "administrator.remove", now, by, caller, {"role": now.role, "invitations_withdrawn": withdrawn}
        )


def is_last_owner(member: Membership) -> bool:
    """Whether the group would be left without an owner who can sign in."""
    owners = Membership.objects.filter(group=member.group_id, role=Role.OWNER, administrator__is_active=True)
    return member.role == Role.OWNER and not owners.exclude(pk=member.pk).exists()


def invitations_by(member: Membership) -> QuerySet[Invitation]:
    """The open invitations that a member made: they go with him, or he could let himself in again."""
    return Invitation.objects.filter(group=member.group_id, invited_by=member.actor, spent_at=None)


def _still_there(member: Membership) -> Membership:
    now = Membership.objects.select_related("administrator", "group").filter(pk=member.pk).first()
    if now is None:
        raise Refused(NOT_FOUND)
    return now


def _refuse_without_owner(member: Membership, *, by: Membership, action: str) -> None:
    if is_last_owner(member):
        raise Refused(LAST_OWNER, {"action": action, "actor": by.actor, "group": member.group})


def _record(
    action: str, member: Membership, by: Membership, caller: Caller, details: dict[str, object]
) -> None:
    email = member.administrator.email
    audit.record(
        action,
        caller=caller,
        actor=by.actor,
        group=member.group,
        about=f"administrator:{email}",
        details={"email": email} | details,
    )
