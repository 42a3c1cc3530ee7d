"""What an agent's browser sends as a second factor, and what it is asked for it."""

import json
from typing import Any

from django import forms
from django.http import QueryDict
from django.utils.safestring import mark_safe
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from groups import authenticator_app, passkeys
from groups.models import PASSKEY_NAME_LENGTH, Agent, validate_text
from groups.passkeys import Answer
from groups.second_factors import APP, PASSKEY, Factor, Shown

LONGEST_ANSWER = 20_000  # characters; a key's certificate may be in it
NOT_RIGHT = gettext_lazy("This code is not right. Please type the one that the app shows now.")
NOT_ACCEPTED = gettext_lazy("This passkey was not accepted. Please try again.")


class CodeForm(forms.Form):
    """The six digits of an authenticator app."""

    code = forms.CharField(
        label=gettext_lazy("Code"),
        max_length=12,
        widget=forms.TextInput(
            attrs={
                "autocomplete": "one-time-code",
                "inputmode": "numeric",
                "spellcheck": "false",
                "autofocus": True,
            }
        ),
    )

    def refuse(self) -> None:
        """Say that the code is wrong."""
        self.add_error("code", NOT_RIGHT)


class PasskeyForm(forms.Form):
    """The answer of a passkey, as the page's script wrote it down; a name for one that is set up."""

    name = forms.CharField(
        label=gettext_lazy("What to call it"),
        help_text=gettext_lazy("For example: blue key, or my telephone."),
        max_length=PASSKEY_NAME_LENGTH,
        required=False,
        validators=[validate_text],
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    passkey = forms.CharField(max_length=LONGEST_ANSWER, widget=forms.HiddenInput, required=False)

    def clean_name(self) -> str:
        return self.cleaned_data["name"] or _("Passkey")

    def clean_passkey(self) -> Answer:
        try:
            answer = json.loads(self.cleaned_data["passkey"])
        except (ValueError, RecursionError):
            answer = None
        if not isinstance(answer, dict):
            raise forms.ValidationError(NOT_ACCEPTED)
        return answer

    def refuse(self) -> None:
        """Say that the passkey was not accepted."""
        self.add_error("passkey", NOT_ACCEPTED)


class FactorForms:
    """Both ways to show or set up a second factor; one of them may have been sent."""

    def __init__(self, sent: QueryDict | None = None) -> None:
        is_passkey = sent is not None and "passkey" in sent
        self.code = CodeForm(None if is_passkey else sent)
        self.passkey = PasskeyForm(sent if is_passkey else None)
        self._sent = self.passkey if is_passkey else self.code

    def shown(self) -> Shown | None:
        """What was sent; None where nothing was, or it cannot be read."""
        return Shown(**self._sent.cleaned_data) if self._sent.is_valid() else None

    def refuse(self) -> None:
        """Say that what was sent is not accepted, whatever the reason."""
        self._sent.refuse()

    def asking(self, agent: Agent, factors: list[Factor], *, nonce: str) -> dict[str, Any]:
        """What a page needs to ask for one of these factors."""
        kinds = {factor.kind for factor in factors}
        options = passkeys.request_options(agent, nonce=nonce) if PASSKEY in kinds else None
        if options:
            del self.code.fields["code"].widget.attrs["autofocus"]  # the passkey's button comes first
        return {"forms": self, "has_app": APP in kinds, "passkey_options": options}

    def offering(self, agent: Agent, factors: list[Factor], *, nonce: str) -> dict[str, Any]:
        """What a page needs to set up one beside these factors, as far as there is room."""
        kinds = [factor.kind for factor in factors]
        offered: dict[str, Any] = {"forms": self}
        if kinds.count(PASSKEY) < passkeys.MOST:
            offered["passkey_options"] = passkeys.creation_options(agent, nonce=nonce)
            del self.code.fields["code"].widget.attrs["autofocus"]
        if APP not in kinds:
            secret = authenticator_app.proposed_secret(nonce)
            picture = authenticator_app.picture_of(authenticator_app.address_of(agent, secret))
            offered |= {"secret": secret, "picture": mark_safe(picture)}  # noqa: S308  (ours)
        return offered
