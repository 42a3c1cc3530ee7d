"""Who looks after the group: its administrators, and those who were invited."""

from typing import Any

from allauth.mfa.models import Authenticator
from django import forms
from django.contrib import messages
from django.db.models import Exists, F, OuterRef
from django.http import Http404, HttpRequest, HttpResponseBase
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_GET, require_http_methods

from accounts import audit
from accounts.fresh_factor import kept_form
from groups.console.access import group_page, show
from groups.inviting import invite, open_invitations, resend, withdraw
from groups.members import (
    LAST_OWNER,
    WHAT_ROLES_MAY,
    change_role,
    invitations_by,
    is_last_owner,
    remove,
)
from groups.models import Invitation, Membership, Permission, Role
from sso_portal.lib.paging import page_of
from sso_portal.lib.refusals import Refused
from sso_portal.lib.text import canonical_name
from sso_portal.lib.web import caller_of, see_other

SECOND_FACTORS = (Authenticator.Type.TOTP, Authenticator.Type.WEBAUTHN)


class RoleForm(forms.Form):
    """One of the three roles, each with what it may do."""

    role = forms.ChoiceField(
        label=gettext_lazy("Role"),
        choices=Role,
        error_messages={"required": gettext_lazy("Please choose a role.")},
        widget=forms.RadioSelect(attrs={"class": "choices"}),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["role"].widget.choices = [
            (role, format_html("<strong>{}</strong> <span>{}</span>", role.label, WHAT_ROLES_MAY[role]))
            for role in Role
        ]


class InviteForm(RoleForm):
    """An e-mail address and a role."""

    email = forms.EmailField(
        label=gettext_lazy("E-mail address"),
        max_length=254,
        help_text=gettext_lazy("The invitation goes there, and can be followed by its owner alone."),
        widget=forms.EmailInput(attrs={"autocomplete": "off", "autofocus": True}),
    )
    field_order = ("email", "role")

    def clean_email(self) -> str:
        return str(forms.EmailField(max_length=254).clean(canonical_name(self.cleaned_data["email"])))


@group_page()
@require_GET
def administrators(request: HttpRequest, membership: Membership) -> HttpResponseBase:
    """The group's administrators, and the invitations that are open."""
    has_factor = Authenticator.objects.filter(user=OuterRef("administrator"), type__in=SECOND_FACTORS)
    rows = (
        Membership.objects.filter(group=membership.group)
        .select_related("administrator")
        .annotate(email=F("administrator__email"), has_second_factor=Exists(has_factor))
    )
    context = {
        "tab": "administrators",
        "page": page_of(rows, request.GET, order=["email", "pk"]),
        "roles": [(role.label, WHAT_ROLES_MAY[role]) for role in Role],
        "invitations": [
            {
                "pk": invitation.pk,
                "email": invitation.email,
                "role": invitation.get_role_display(),
                "by": invitation.invited_by.removeprefix("administrator:"),
                "expires_at": invitation.expires_at,
                "is_expired": invitation.expires_at <= timezone.now(),
            }
            for invitation in open_invitations(membership.group).order_by("email")
        ],
    }
    return show(request, membership, "groups/administrators.html", context)


@group_page(Permission.MANAGE_ADMINISTRATORS, fresh=True)
@require_http_methods(["GET", "POST"])
def invite_page(request: HttpRequest, membership: Membership) -> HttpResponseBase:
    """Ask whom to invite, in which role, and send the invitation."""
    if request.method == "GET":
        return _invite_form(request, membership, InviteForm(initial=_kept_initial(request)))
    form = InviteForm(request.POST)
    if not form.is_valid():
        return _invite_form(request, membership, form)
    email, role = form.cleaned_data["email"], form.cleaned_data["role"]
    try:
        invite(email, role, by=membership, caller=caller_of(request))
    except Refused as refused:
        audit.record_refusal(refused, caller=caller_of(request))
        form.add_error(refused.refusal.field or None, _(refused.refusal.message))
        return _invite_form(request, membership, form)
    messages.success(request, _("The invitation to %(email)s is on its way.") % {"email": email})
    return _to_list(membership)


@group_page(Permission.MANAGE_ADMINISTRATORS, fresh=True)
@require_http_methods(["GET", "POST"])
def role_page(request: HttpRequest, membership: Membership, member_id: str) -> HttpResponseBase:
    """Ask which role a member is to have, and give it to him."""
    member = _member(membership, member_id)
    initial = {"role": member.role} | _kept_initial(request)
    form = RoleForm(request.POST if request.method == "POST" else None, initial=initial)
    if form.is_valid():
        try:
            change_role(member, form.cleaned_data["role"], by=membership, caller=caller_of(request))
        except Refused as refused:
            audit.record_refusal(refused, caller=caller_of(request))
            form.add_error("role", _(refused.refusal.message))
        else:
            role = Role(form.cleaned_data["role"]).label
            told = {"name": _name(member), "role": role}
            messages.success(request, _("%(name)s: the role is %(role)s now.") % told)
            return _to_list(membership)
    context = {"tab": "administrators", "form": form, "member": member, "is_self": member.pk == membership.pk}
    return show(request, membership, "groups/administrators_role.html", context)


@group_page(Permission.MANAGE_ADMINISTRATORS, fresh=True)
@require_http_methods(["GET", "POST"])
def remove_page(request: HttpRequest, membership: Membership, member_id: str) -> HttpResponseBase:
    """Ask once more, and take a member out of the group; who takes himself out leaves it."""
    member = _member(membership, member_id)
    is_self = member.pk == membership.pk
    if request.method == "POST":
        return _remove(request, membership, member, is_self=is_self)
    if is_last_owner(member):
        messages.error(request, _(LAST_OWNER.message))
        return _to_list(membership)
    group, name = membership.group.name, _name(member)
    text = _("%(name)s will not find this group any more, from the next click on. The account itself stays.")
    context = {
        "title": _("Leave %(group)s?") % {"group": group}
        if is_self
        else _("Remove %(name)s?") % {"name": name},
        "text": _("You will not find this group any more. Another owner can invite you again.")
        if is_self
        else text % {"name": name},
        "button": _("Leave the group") if is_self else _("Remove"),
        "items": [
            _("The open invitation to %(email)s is withdrawn.") % {"email": invitation.email}
            for invitation in invitations_by(member)
        ],
    }
    return _confirm(request, membership, context)


@group_page(Permission.MANAGE_ADMINISTRATORS, fresh=True)
@require_http_methods(["GET", "POST"])
def resend_page(request: HttpRequest, membership: Membership, invitation_id: str) -> HttpResponseBase:
    """Ask, and send an open invitation again."""
    invitation = _invitation(membership, invitation_id)
    if request.method == "GET":
        context = {
            "title": _("Send the invitation again?"),
            "text": _(
                "%(email)s gets a new link, good for seven days. The link of the last mail stops working."
            )
            % {"email": invitation.email},
            "button": _("Send again"),
            "kind": "",
        }
        return _confirm(request, membership, context)
    try:
        resend(invitation, by=membership, caller=caller_of(request))
    except Refused as refused:
        return _refused(request, membership, refused)
    messages.success(request, _("The invitation to %(email)s is on its way.") % {"email": invitation.email})
    return _to_list(membership)


@group_page(Permission.MANAGE_ADMINISTRATORS, fresh=True)
@require_http_methods(["GET", "POST"])
def withdraw_page(request: HttpRequest, membership: Membership, invitation_id: str) -> HttpResponseBase:
    """Ask once more, and withdraw an open invitation."""
    invitation = _invitation(membership, invitation_id)
    if request.method == "GET":
        text = _("The link that was sent to %(email)s stops working.") % {"email": invitation.email}
        context = {"title": _("Withdraw the invitation?"), "text": text, "button": _("Withdraw")}
        return _confirm(request, membership, context)
    try:
        withdraw(invitation, by=membership, caller=caller_of(request))
    except Refused as refused:
        return _refused(request, membership, refused)
    messages.success(request, _("The invitation to %(email)s is withdrawn.") % {"email": invitation.email})
    return _to_list(membership)


def _remove(
    request: HttpRequest, membership: Membership, member: Membership, *, is_self: bool
) -> HttpResponseBase:
    try:
        remove(member, by=membership, caller=caller_of(request))
    except Refused as refused:
        return _refused(request, membership, refused)
    if is_self:
        messages.success(request, _("You left %(group)s.") % {"group": membership.group.name})
        return see_other(reverse("groups"))
    messages.success(request, _("%(name)s was removed.") % {"name": _name(member)})
    return _to_list(membership)


def _refused(request: HttpRequest, membership: Membership, refused: Refused) -> HttpResponseBase:
    """Back to the list, which says why it did not work."""
    audit.record_refusal(refused, caller=caller_of(request))
    messages.error(request, _(refused.refusal.message))
    return _to_list(membership)


def _invite_form(request: HttpRequest, membership: Membership, form: InviteForm) -> HttpResponseBase:
    context = {"tab": "administrators", "form": form}
    return show(request, membership, "groups/administrators_invite.html", context)


def _kept_initial(request: HttpRequest) -> dict[str, str]:
    kept = kept_form(request)
    return {"email": kept.get("email", ""), "role": kept.get("role", "")} if kept else {}


def _confirm(request: HttpRequest, membership: Membership, context: dict[str, Any]) -> HttpResponseBase:
    always = {
        "tab": "administrators",
        "kind": "danger",
        "action": request.path,
        "cancel_url": reverse("administrators", args=[membership.group.pk]),
    }
    return show(request, membership, "groups/confirm.html", always | context)


def _member(membership: Membership, member_id: str) -> Membership:
    rows = Membership.objects.select_related("administrator", "group").filter(group=membership.group)
    member = rows.filter(pk=member_id).first()
    if member is None:
        raise Http404
    return member


def _invitation(membership: Membership, invitation_id: str) -> Invitation:
    rows = open_invitations(membership.group).select_related("group")
    invitation = rows.filter(pk=invitation_id).first()
    if invitation is None:
        raise Http404
    return invitation


def _name(member: Membership) -> str:
    return member.administrator.full_name or member.administrator.email


def _to_list(membership: Membership) -> HttpResponseBase:
    return see_other(reverse("administrators", args=[membership.group.pk]))
