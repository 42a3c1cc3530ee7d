"""Asking who is there once more: one page for every second factor, a code typed in or a passkey."""

from typing import Any

from allauth.mfa.base.views import ReauthenticateView
from allauth.mfa.models import Authenticator
from allauth.mfa.webauthn.internal import auth as webauthn
from django import forms

from accounts.forms import ConfirmForm, ReauthenticateForm
from accounts.fresh_factor import is_form_kept


class ConfirmView(ReauthenticateView):
    """allauth's page for codes; it takes passkeys as well."""

    def get_form_class(self) -> type[forms.Form]:
        return ReauthenticateForm if "credential" in self.request.POST else ConfirmForm

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        told: dict[str, Any] = super().get_context_data(**context)
        form, user = told["form"], {"user": self.request.user}
        told["code_form"] = form if isinstance(form, ConfirmForm) else ConfirmForm(**user)
        told["is_form_kept"] = is_form_kept(self.request, told["redirect_field_value"] or "")
        if Authenticator.objects.filter(**user, type=Authenticator.Type.WEBAUTHN).exists():
            told["passkey_form"] = (
                form if isinstance(form, ReauthenticateForm) else ReauthenticateForm(**user)
            )
            told["js_data"] = {"request_options": webauthn.begin_authentication(self.request.user)}
        return told


confirm = ConfirmView.as_view()
