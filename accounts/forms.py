"""allauth's passkey forms, hardened: what a browser sends as a credential may be anything."""

from typing import Any

from allauth.mfa.webauthn import forms as webauthn
from django import forms
from django.forms.utils import ErrorDict
from django.utils.translation import gettext_lazy as _

# What allauth and fido2 raise on credentials that no browser makes.
UNREADABLE = (KeyError, TypeError, ValueError, AttributeError, RecursionError)


class ReadsAnything(forms.BaseForm):
    """Turns a credential that cannot be read into a refusal of the form."""

    def full_clean(self) -> None:
        try:
            super().full_clean()
        except UNREADABLE:
            self.cleaned_data: dict[str, Any] = {}
            self._errors = ErrorDict()
            self.add_error(None, _("This passkey could not be read. Please try again."))


class LoginForm(ReadsAnything, webauthn.LoginWebAuthnForm):
    pass


class AddForm(ReadsAnything, webauthn.AddWebAuthnForm):
    pass


class ReauthenticateForm(ReadsAnything, webauthn.ReauthenticateWebAuthnForm):
    pass
