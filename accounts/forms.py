"""allauth's forms of second factors, hardened: codes are counted before they are checked, credentials are anything."""

from typing import Any

from allauth.core import context
from allauth.mfa.adapter import get_adapter
from allauth.mfa.base import forms as codes
from allauth.mfa.models import Authenticator
from allauth.mfa.webauthn import forms as webauthn
from django import forms
from django.forms.utils import ErrorDict
from django.utils.translation import gettext_lazy as _

from accounts import audit, lockout, used_codes
from accounts.models import Administrator
from sso_portal.lib.web import caller_of
from sso_portal.lib.webauthn import UNREADABLE, refuse_lengths


class CountsTries(forms.Form):
    """Counts each code in the database before it is looked at; a locked administrator's looks like a wrong one."""

    user: Administrator
    code = forms.CharField(
        label=_("Code"),
        help_text=_("From your authenticator app, or one of your recovery codes."),
        max_length=64,
        widget=forms.TextInput(
            attrs={"autocomplete": "one-time-code", "inputmode": "numeric", "autofocus": True}
        ),
    )

    def clean_code(self) -> str:
        door = {"door": lockout.SECOND_FACTOR, "name": self.user.email}
        if not lockout.may_try(**door):
            audit.record(
                "administrator.second_factor",
                caller=caller_of(context.request),
                actor=f"administrator:{self.user.email}",
                refused_for="locked",
            )
            raise get_adapter().validation_error("incorrect_code")
        code: str = super().clean_code()  # type: ignore[misc]  # of the form that this is mixed into
        shown: Authenticator = self.authenticator  # type: ignore[attr-defined]  # likewise
        if shown.type == Authenticator.Type.TOTP and not used_codes.take(shown, code):
            raise get_adapter().validation_error("incorrect_code")
        lockout.forget(**door)
        return code


class CodeForm(CountsTries, codes.AuthenticateForm):
    """At sign-in."""


class ConfirmForm(CountsTries, codes.ReauthenticateForm):
    """Before a page that asks again."""


class ReadsAnything(forms.BaseForm):
    """Turns a credential that cannot be read into a refusal of the form."""

    def __init__(self, *args: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        self.fields["credential"].validators.append(refuse_lengths)

    def full_clean(self) -> None:
        try:
            super().full_clean()
        except UNREADABLE:
            self.data = {}  # nor could it be shown again
            self.cleaned_data: dict[str, Any] = {}
            self._errors = ErrorDict()
            self.add_error(None, _("This passkey could not be read. Please try again."))


class AuthenticateForm(ReadsAnything, webauthn.AuthenticateWebAuthnForm):
    pass


class LoginForm(ReadsAnything, webauthn.LoginWebAuthnForm):
    pass


class AddForm(ReadsAnything, webauthn.AddWebAuthnForm):
    pass


class ReauthenticateForm(ReadsAnything, webauthn.ReauthenticateWebAuthnForm):
    pass
