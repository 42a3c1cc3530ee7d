"""Following an invitation: a GET shows it (mail scanners open links too), a POST spends it."""

import re
from dataclasses import dataclass
from typing import Any

from allauth.account.internal.flows.login import record_authentication
from allauth.account.utils import perform_login
from django import forms
from django.contrib import messages
from django.contrib.auth.password_validation import password_validators_help_texts, validate_password
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from accounts import audit
from accounts.models import Administrator
from groups.console.access import administrator_of
from groups.inviting import NO_LONGER_VALID, Joined, invitation_of, join, join_as_new
from groups.members import WHAT_ROLES_MAY
from groups.models import NAME_LENGTH, Group, Invitation, Role, validate_text
from sso_portal.lib.hashing import LONGEST_PASSWORD
from sso_portal.lib.refusals import Refused
from sso_portal.lib.web import caller_of, see_other


@dataclass(frozen=True)
class Newcomer:
    """Somebody who is about to choose a password."""

    email: str
    full_name: str
    group: Group

    def own_words(self) -> list[str]:
        """What others would guess first."""
        names = f"{self.email} {self.full_name} {self.group.name} {self.group.code}"
        return [*self.email.split("@"), *re.split(r"[\W_]+", names)]


class NewAccountForm(forms.Form):
    """A name, and a password twice."""

    full_name = forms.CharField(
        label=gettext_lazy("Your name"),
        max_length=NAME_LENGTH,
        validators=[validate_text],
        widget=forms.TextInput(attrs={"autocomplete": "name", "autofocus": True}),
    )
    new_password = forms.CharField(
        label=gettext_lazy("Password"),
        max_length=LONGEST_PASSWORD,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )
    repeated = forms.CharField(
        label=gettext_lazy("Password again"),
        max_length=LONGEST_PASSWORD,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )

    def __init__(self, *args: Any, invitation: Invitation, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.invitation = invitation

    def clean_new_password(self) -> str:
        password: str = self.cleaned_data["new_password"]
        full_name = self.cleaned_data.get("full_name", "")
        newcomer = Newcomer(self.invitation.email, full_name, self.invitation.group)
        validate_password(password, newcomer)  # type: ignore[arg-type]  # asks for `own_words` only
        return password

    def clean_repeated(self) -> str:
        repeated: str = self.cleaned_data["repeated"]
        if "new_password" in self.cleaned_data and repeated != self.cleaned_data["new_password"]:
            raise forms.ValidationError(_("The two passwords differ. Please type the password again."))
        return repeated


@sensitive_post_parameters("new_password", "repeated")
@require_http_methods(["GET", "HEAD", "POST"])
def invitation(request: HttpRequest, secret: str) -> HttpResponseBase:
    """Show who invites to what; a POST follows the invitation."""
    found = invitation_of(secret)
    if found is None:
        return _no_longer_valid(request)
    try:
        return _answer(request, secret, found)
    except Refused as refused:
        audit.record_refusal(refused, caller=caller_of(request))
        if refused.refusal == NO_LONGER_VALID:
            return _no_longer_valid(request)
        messages.error(request, _(refused.refusal.message))
        return see_other(request.path)


def _answer(request: HttpRequest, secret: str, found: Invitation) -> HttpResponseBase:
    if request.user.is_authenticated:
        is_his = administrator_of(request).email == found.email
        if request.method != "POST" or not is_his:
            return _page(request, found, step="join" if is_his else "switch")
        return _go_in(request, join(secret, administrator_of(request), caller=caller_of(request)))
    if Administrator.objects.filter(email=found.email).exists():
        return _page(request, found, step="sign_in")
    form = NewAccountForm(request.POST if request.method == "POST" else None, invitation=found)
    if not form.is_valid():
        return _page(request, found, step="new", form=form)
    joined = join_as_new(
        secret,
        email=found.email,
        full_name=form.cleaned_data["full_name"],
        password=form.cleaned_data["new_password"],
        caller=caller_of(request),
    )
    return _sign_in(request, joined)


def _sign_in(request: HttpRequest, joined: Joined) -> HttpResponse:
    """Sign the new administrator in as the main door does: same checks, same signals, a new session.

    He has just chosen the password, and the link proved the address; the middleware then lets him see nothing but
    the pages where a second factor is set up.
    """
    administrator = joined.membership.administrator
    # "Again": he typed it a moment ago, so the set-up of his second factor need not ask for it.
    record_authentication(
        request, administrator, method="password", email=administrator.email, reauthenticated=True
    )
    _welcome(request, joined)
    there = reverse("group", args=[joined.membership.group.pk])
    response: HttpResponse = perform_login(request, administrator, redirect_url=there)
    return response


def _go_in(request: HttpRequest, joined: Joined) -> HttpResponse:
    _welcome(request, joined)
    return see_other(reverse("group", args=[joined.membership.group.pk]))


def _welcome(request: HttpRequest, joined: Joined) -> None:
    told = {"group": joined.membership.group.name, "role": joined.membership.get_role_display()}
    if joined.is_new:
        messages.success(request, _("Welcome to %(group)s. Your role: %(role)s.") % told)
    else:
        messages.info(request, _("You look after %(group)s already; your role is still %(role)s.") % told)


def _page(
    request: HttpRequest, found: Invitation, *, step: str, form: NewAccountForm | None = None
) -> HttpResponse:
    context = {
        "invitation": found,
        "role": found.get_role_display(),
        "role_text": WHAT_ROLES_MAY[Role(found.role)],
        "inviter": _inviter(found),
        "step": step,
        "form": form,
        "rules": password_validators_help_texts(),
    }
    return render(request, "groups/invitation.html", context)


def _inviter(found: Invitation) -> str:
    email = found.invited_by.removeprefix("administrator:")
    name = Administrator.objects.filter(email=email).values_list("full_name", flat=True).first()
    return f"{name} ({email})" if name else email


def _no_longer_valid(request: HttpRequest) -> HttpResponse:
    return render(request, "groups/invitation_gone.html", status=404)
