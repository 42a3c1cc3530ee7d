"""Shapes of what agents type. What it means is decided by the acts."""

from typing import Any

from django import forms
from django.contrib.auth.hashers import check_password
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from groups import password_profiles
from groups.models import USERNAME_LENGTH, Agent
from sso_portal.lib.hashing import LONGEST_PASSWORD


class SignInForm(forms.Form):
    """Username and password; an activation code is typed as the password."""

    username = forms.CharField(
        label=gettext_lazy("Username"),
        max_length=USERNAME_LENGTH,
        widget=forms.TextInput(
            attrs={
                "autocomplete": "username",
                "autocapitalize": "none",
                "spellcheck": "false",
                "autofocus": True,
            }
        ),
    )
    password = forms.CharField(
        label=gettext_lazy("Password"),
        max_length=LONGEST_PASSWORD,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
    )

    def for_unlocking(self, username: str) -> "SignInForm":
        """The same form with the username given: only the password is asked."""
        self.initial["username"] = username
        self.fields["username"].widget = forms.HiddenInput()
        self.fields["password"].widget.attrs["autofocus"] = True
        return self


class ChoosePasswordForm(forms.Form):
    """A new password, twice."""

    new_password = forms.CharField(
        label=gettext_lazy("New password"),
        max_length=LONGEST_PASSWORD,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password", "autofocus": True}),
    )
    repeated = forms.CharField(
        label=gettext_lazy("New password again"),
        max_length=LONGEST_PASSWORD,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )

    def __init__(self, *args: Any, agent: Agent, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.agent = agent

    def clean_new_password(self) -> str:
        password: str = self.cleaned_data["new_password"]
        password_profiles.validate(password, self.agent)
        if self.agent.password and check_password(password, self.agent.password):
            raise forms.ValidationError(_("This is the password you have now. Please choose another."))
        return password

    def clean_repeated(self) -> str:
        repeated: str = self.cleaned_data["repeated"]
        if "new_password" in self.cleaned_data and repeated != self.cleaned_data["new_password"]:
            raise forms.ValidationError(_("The two passwords differ. Please type the new one again."))
        return repeated
