"""The forms of the settings page, one for each of its sections."""

import re
from copy import copy
from typing import Any

from django import forms
from django.conf import settings
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from groups.branding import LARGEST_FILE, OWN_PANEL, UnusableLogo, look_of, nearest_readable, read_logo
from groups.changing_settings import PCI_IDLE, stamp_of, values_of
from groups.models import Group, PasswordProfile
from groups.password_statement import SUMMARIES
from sso_portal.lib.addresses import network_of
from sso_portal.lib.times import time_zone_choices

MOST_NETWORKS = 100


class SectionForm(forms.ModelForm):  # type: ignore[type-arg]  # generic for type checkers only
    """Some fields of the group, and the stamp of what they said when the page was shown."""

    shown = forms.CharField(widget=forms.HiddenInput, required=False)

    class Meta:
        model = Group
        fields: tuple[str, ...] = ()

    def __init__(self, *args: Any, group: Group, **kwargs: Any) -> None:
        # A copy: the page around the form goes on saying what is so, not what was typed.
        super().__init__(*args, **kwargs, instance=copy(group))  # type: ignore[misc]  # never twice
        self.initial["shown"] = stamp_of(self.values_shown())

    def values_shown(self) -> dict[str, Any]:
        """What the section says now."""
        return values_of(self.instance, self._meta.fields or ())

    def changes(self) -> dict[str, Any]:
        """The fields with what was asked for."""
        return {field: self.cleaned_data[field] for field in self._meta.fields or ()}

    def _post_clean(self) -> None:
        """The model's rules for each field, and no more: the act sees to it that the row's facts agree."""
        exclude = self._get_validation_exclusions()  # type: ignore[attr-defined]  # as ModelForm's own does
        forms.models.construct_instance(self, self.instance, self._meta.fields, exclude)
        try:
            self.instance.clean_fields(exclude=exclude)
        except forms.ValidationError as wrong:
            self._update_errors(wrong)  # type: ignore[attr-defined]  # as above


class GroupForm(SectionForm):
    """What the group is called, and where it is."""

    time_zone = forms.ChoiceField(
        label=gettext_lazy("Time zone"),
        help_text=gettext_lazy("Times on these pages, for administrators who chose none of their own."),
    )

    class Meta:
        model = Group
        fields = ("name", "time_zone")
        labels = {"name": gettext_lazy("Name")}
        help_texts = {"name": gettext_lazy("Agents see it where they sign in.")}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["time_zone"].choices = time_zone_choices()  # type: ignore[attr-defined]  # a ChoiceField


class AccessForm(SectionForm):
    """How agents sign in, and for how long."""

    password_profile = forms.ChoiceField(
        label=gettext_lazy("Password profile"), widget=forms.RadioSelect(attrs={"class": "choices"})
    )

    class Meta:
        model = Group
        fields = (
            "password_profile",
            "needs_second_factor",
            "idle_minutes",
            "longest_session_hours",
            "sessions_per_agent",
        )
        labels = {
            "needs_second_factor": gettext_lazy("Second factor for agents"),
            "idle_minutes": gettext_lazy("Minutes without a call until the password is asked again"),
            "longest_session_hours": gettext_lazy("Hours until a new sign-in"),
            "sessions_per_agent": gettext_lazy("Sign-ins of one agent at the same time"),
        }
        help_texts = {
            "needs_second_factor": gettext_lazy(
                "Agents also show a passkey, or type a code of an authenticator app. "
                "When it is switched on, agents without a second factor are signed out."
            ),
            "idle_minutes": gettext_lazy("5 to 60. Reaches agents who are signed in with their next call."),
            "longest_session_hours": gettext_lazy("1 to 24. Holds for sign-ins from now on."),
            "sessions_per_agent": gettext_lazy(
                "1 to 10. One more ends the one that was used least recently."
            ),
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        offered = [
            profile for profile in PasswordProfile if settings.DEMO or profile != PasswordProfile.RELAXED
        ]
        field: Any = self.fields["password_profile"]
        field.choices = [(profile, profile.label) for profile in offered]
        field.widget.choices = [
            (profile, format_html("<strong>{}</strong> <span>{}</span>", profile.label, SUMMARIES[profile]))
            for profile in offered
        ]
        for name, least, most in (
            ("idle_minutes", 5, 60),
            ("longest_session_hours", 1, 24),
            ("sessions_per_agent", 1, 10),
        ):
            self.fields[name].widget.attrs |= {"min": least, "max": most, "inputmode": "numeric"}
            self.fields[name].min_value, self.fields[name].max_value = least, most  # type: ignore[attr-defined]  # numbers

    def clean(self) -> dict[str, Any]:
        """What the card industry's profile needs is set with it, but never switched back behind somebody's back."""
        cleaned: dict[str, Any] = super().clean() or {}
        pci = PasswordProfile.PCI
        if not (cleaned.get("password_profile") == self.instance.password_profile == pci):
            return cleaned
        if not cleaned.get("needs_second_factor"):
            why = _(
                "The card industry profile needs the second factor. To switch it off, choose another profile."
            )
            self.add_error("needs_second_factor", why)
        if cleaned.get("idle_minutes", 0) > PCI_IDLE:
            why = _("The card industry profile allows 15 minutes at most. For more, choose another profile.")
            self.add_error("idle_minutes", why)
        return cleaned


class NetworksForm(SectionForm):
    """From where agents may sign in."""

    agent_networks = forms.CharField(
        label=gettext_lazy("Networks"),
        required=False,
        max_length=10_000,
        widget=forms.Textarea(attrs={"rows": 5, "spellcheck": "false", "autocomplete": "off"}),
        help_text=gettext_lazy(
            "One address or network a line, such as 203.0.113.7 or 198.51.100.0/24. Empty: from everywhere. "
            "It is asked at sign-in and unlock; who is signed in already goes on working."
        ),
    )

    class Meta:
        model = Group
        fields = ("agent_networks",)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.initial["agent_networks"] = "\n".join(self.instance.agent_networks)

    def clean_agent_networks(self) -> list[str]:
        """The networks in one spelling, each once."""
        found: dict[str, None] = {}
        for line in re.split(r"[\s,;]+", self.cleaned_data["agent_networks"]):
            if not line:
                continue
            network = network_of(line)
            if network is None:
                raise forms.ValidationError(
                    _("“%(line)s” is no address and no network.") % {"line": line[:50]}
                )
            if network.prefixlen == 0:
                raise forms.ValidationError(
                    _("%(line)s is everywhere. To allow that, leave the field empty.") % {"line": line[:50]}
                )
            found[str(network.network_address) if network.num_addresses == 1 else str(network)] = None
        if len(found) > MOST_NETWORKS:
            raise forms.ValidationError(_("Please name no more than 100 networks."))
        return list(found)


class LookForm(SectionForm):
    """The colour and the logo of the agents' pages."""

    colour = forms.CharField(
        label=gettext_lazy("Colour"),
        required=False,
        max_length=20,
        help_text=gettext_lazy("Such as #0a5a64; empty for the portal's own. Dark mode gets a darker shade."),
        widget=forms.TextInput(
            attrs={"autocomplete": "off", "spellcheck": "false", "data-colour": OWN_PANEL[0]}
        ),
    )
    logo = forms.FileField(
        label=gettext_lazy("Logo"),
        required=False,
        help_text=gettext_lazy("PNG, JPEG or WebP, at most 200 KB. It is scaled down to 480 × 160 pixels."),
        widget=forms.FileInput(attrs={"accept": "image/png,image/jpeg,image/webp"}),
    )
    remove_logo = forms.BooleanField(label=gettext_lazy("Remove the logo"), required=False)

    class Meta:
        model = Group
        fields = ("colour",)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not self.values_shown()["logo"]:
            del self.fields["remove_logo"]

    def values_shown(self) -> dict[str, Any]:
        return look_of(self.instance)

    def clean_colour(self) -> str:
        """The colour as #rrggbb, on which text can be read."""
        typed = self.cleaned_data["colour"].strip().lower()
        if not typed:
            return ""
        found = re.fullmatch(r"#?([0-9a-f]{6}|[0-9a-f]{3})", typed)
        if not found:
            raise forms.ValidationError(_("Please write the colour like #0a5a64."))
        digits = found[1] if len(found[1]) == 6 else "".join(2 * digit for digit in found[1])
        colour = f"#{digits}"
        if (near := nearest_readable(colour)) != colour:
            raise forms.ValidationError(
                _(
                    "Neither white nor dark text is easy to read on %(colour)s. The nearest that works is %(near)s."
                )
                % {"colour": colour, "near": near}
            )
        return colour

    def clean_logo(self) -> bytes | None:
        """The logo, drawn anew; None when none was sent."""
        upload = self.cleaned_data["logo"]
        if upload is None:
            return None
        try:
            return read_logo(upload.read(LARGEST_FILE + 1))
        except UnusableLogo as why:
            raise forms.ValidationError(str(why)) from why
