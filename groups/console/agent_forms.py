"""What administrators type about agents. What it means is decided by the acts."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Any

from django import forms
from django.forms import BoundField
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext_lazy

from groups.agent_columns import YEARS, end_of, last_day_of
from groups.editing_agents import Access, Profile, stamp_of
from groups.finding_agents import Search, Sort, Standing
from groups.models import (
    NAME_LENGTH,
    USERNAME_LENGTH,
    Agent,
    Campaign,
    EntitledCampaign,
    Entitlement,
    Group,
    ProvisionedBy,
    validate_text,
    validate_username,
)

ANY = [("", pgettext_lazy("any status, any client", "any"))]
ALL, SOME = "all", "some"


class SearchForm(forms.Form):
    """The search and the filters above the list; what they say is read by `Search.parse`."""

    use_required_attribute = False  # nor is any of them marked as optional
    q = forms.CharField(
        label=gettext_lazy("Name or username"),
        max_length=200,
        widget=forms.TextInput(attrs={"type": "search", "autocomplete": "off", "spellcheck": "false"}),
    )
    status = forms.ChoiceField(label=gettext_lazy("Status"), choices=[*ANY, *Standing.choices])
    client = forms.ChoiceField(label=gettext_lazy("May enter"))
    by = forms.ChoiceField(label=gettext_lazy("Made by"), choices=[*ANY, *ProvisionedBy.choices])
    sort = forms.ChoiceField(label=gettext_lazy("Sort by"), choices=Sort.choices)

    def __init__(self, search: Search, entitlements: list[Entitlement]) -> None:
        super().__init__(initial=search.fields)
        field = self.fields["client"]
        assert isinstance(field, forms.ChoiceField)  # noqa: S101  (it is declared above)
        clients = [(row.client.subdomain, row.client.name) for row in entitlements]
        field.choices = [*ANY, *clients]


class EndDateForm(forms.Form):
    """The last day of somebody's access; with a time, it ends then."""

    end_date = forms.DateField(
        label=gettext_lazy("Last day"),
        required=False,
        widget=forms.DateInput(format="%Y-%m-%d", attrs={"type": "date"}),
    )
    end_time = forms.TimeField(
        label=gettext_lazy("Ends at"),
        required=False,
        widget=forms.TimeInput(format="%H:%M", attrs={"type": "time"}),
        help_text=gettext_lazy("If it should end before the day does."),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["end_date"].help_text = _(
            "Access ends by itself when this day is over in the time of %(zone)s. Empty: it has no end."
        ) % {"zone": timezone.get_current_timezone_name()}

    def clean_end_date(self) -> date | None:
        day: date | None = self.cleaned_data["end_date"]
        if day is not None and day.year not in YEARS:
            raise forms.ValidationError(
                _("Please choose a year from %(first)s to %(last)s.")
                % {"first": str(YEARS[0]), "last": str(YEARS[-1])}
            )
        return day

    def clean(self) -> None:
        super().clean()
        if self.cleaned_data.get("end_time") and not self.cleaned_data.get("end_date", True):
            self.add_error("end_date", _("Please choose the day, too."))

    @property
    def ends_at(self) -> datetime | None:
        """When access ends. Valid forms only."""
        day: date | None = self.cleaned_data["end_date"]
        at: time | None = self.cleaned_data["end_time"]
        return end_of(day, at) if day else None


@dataclass(frozen=True)
class ClientRow:
    """One client of an `AccessForm`: its box to tick, and its campaigns."""

    entitlement: Entitlement
    tick: Any
    campaigns: BoundField | None
    is_narrowed: bool


class AccessForm(forms.Form):
    """Which of the group's clients, and which campaigns of each."""

    which = forms.ChoiceField(
        label=gettext_lazy("Clients"),
        choices=[
            (ALL, gettext_lazy("Every client of the group, later ones too")),
            (SOME, gettext_lazy("Only those ticked here")),
        ],
        widget=forms.RadioSelect,
        initial=ALL,
    )
    clients = forms.TypedMultipleChoiceField(
        coerce=int, required=False, widget=forms.CheckboxSelectMultiple, label=gettext_lazy("Clients")
    )

    def __init__(self, *args: Any, group: Group, agent: Agent | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.entitlements = list(group.entitlements.select_related("client").order_by("client__name"))
        listed = _listed_by(agent)
        self._offer(listed)
        if agent is not None:
            self.initial.update({"which": ALL if agent.all_clients else SOME, "clients": list(listed)})
            self.initial.update({_name_of(pk): list(campaigns) for pk, campaigns in listed.items()})

    def _offer(self, listed: dict[int, set[int]]) -> None:
        clients = self.fields["clients"]
        assert isinstance(clients, forms.ChoiceField)  # noqa: S101  (it is declared above)
        clients.choices = [(row.pk, row.client.name) for row in self.entitlements]
        offered = _campaigns_of(self.entitlements, listed)
        for row in self.entitlements:
            if offered[row.pk]:
                self.fields[_name_of(row.pk)] = forms.TypedMultipleChoiceField(
                    coerce=int,
                    required=False,
                    widget=forms.CheckboxSelectMultiple,
                    label=_("Campaigns of %(client)s") % {"client": row.client.name},
                    choices=[(campaign.pk, _campaign_label(campaign)) for campaign in offered[row.pk]],
                )

    @property
    def rows(self) -> Iterator[ClientRow]:
        """The clients, for the page."""
        ticks = dict(zip(self.entitlements, self["clients"], strict=True))
        for entitlement, tick in ticks.items():
            name = _name_of(entitlement.pk)
            campaigns = self[name] if name in self.fields else None
            narrowed = bool(campaigns and campaigns.value())
            yield ClientRow(entitlement, tick, campaigns, is_narrowed=narrowed)

    def clean(self) -> None:
        super().clean()
        if self.cleaned_data.get("which") == SOME and not self.cleaned_data.get("clients", True):
            self.add_error("which", _("Please tick at least one client, or choose every client."))

    @property
    def access(self) -> Access:
        """What was chosen. Valid forms only."""
        campaigns = {
            row.pk: frozenset[int](self.cleaned_data.get(_name_of(row.pk), [])) for row in self.entitlements
        }
        if self.cleaned_data["which"] == ALL:
            return Access(True, {pk: listed for pk, listed in campaigns.items() if listed})
        return Access(False, {pk: campaigns[pk] for pk in self.cleaned_data["clients"]})


class AgentForm(EndDateForm, AccessForm):
    """All that an administrator says of an agent."""

    username = forms.CharField(
        label=gettext_lazy("Username"),
        max_length=USERNAME_LENGTH,
        validators=[validate_username],
        widget=forms.TextInput(
            attrs={"autocomplete": "off", "autocapitalize": "none", "spellcheck": "false"}
        ),
        help_text=gettext_lazy(
            "What the agent signs in with: no e-mail address needed, unique in this group."
        ),
    )
    full_name = forms.CharField(
        label=gettext_lazy("Full name"),
        max_length=NAME_LENGTH,
        validators=[validate_text],
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    email = forms.EmailField(
        label=gettext_lazy("E-mail address"),
        required=False,
        max_length=254,
        widget=forms.EmailInput(attrs={"autocomplete": "off"}),
        help_text=gettext_lazy("Told to clients whose software asks for one. Nothing is sent there."),
    )
    seen = forms.CharField(required=False, max_length=16, widget=forms.HiddenInput)

    def __init__(self, *args: Any, group: Group, agent: Agent | None = None, **kwargs: Any) -> None:
        super().__init__(*args, group=group, agent=agent, **kwargs)
        if agent is not None:
            day, at = last_day_of(agent.ends_at) if agent.ends_at else (None, None)
            self.initial.update(
                {
                    "username": agent.username,
                    "full_name": agent.full_name,
                    "email": agent.email,
                    "end_date": day,
                    "end_time": at,
                    "seen": stamp_of(agent),
                }
            )

    @property
    def profile(self) -> Profile:
        """Who it is. Valid forms only."""
        told = self.cleaned_data
        return Profile(told["username"], told["full_name"], told["email"], self.ends_at)


class NewAgentForm(AgentForm):
    """A new agent, and whether he gets his activation code at once."""

    give_code = forms.BooleanField(
        label=gettext_lazy("Give an activation code now"),
        required=False,
        initial=True,
        help_text=gettext_lazy(
            "Shown once, on the next page. The agent signs in with it and chooses a password."
        ),
    )


def _name_of(entitlement: int) -> str:
    return f"campaigns_{entitlement}"


def _listed_by(agent: Agent | None) -> dict[int, set[int]]:
    """The campaigns that the agent is narrowed to, by entitlement. Needs `with_access`."""
    if agent is None:
        return {}
    return {row.entitlement_id: {c.pk for c in row.campaigns.all()} for row in agent.narrowings.all()}


def _campaigns_of(entitlements: list[Entitlement], listed: dict[int, set[int]]) -> dict[int, list[Campaign]]:
    """The campaigns to choose from, by entitlement: those the group may work for, and those the agent has already.

    (A campaign that went missing from the form would empty a list, and an emptied list means all.)
    """
    entitled: dict[int, set[int]] = {}
    for pk, campaign in EntitledCampaign.objects.filter(entitlement__in=entitlements).values_list(
        "entitlement", "campaign"
    ):
        entitled.setdefault(pk, set()).add(campaign)
    clients = [row.client_id for row in entitlements]
    of_client: dict[int, list[Campaign]] = {client: [] for client in clients}
    for row in Campaign.objects.filter(client__in=clients).order_by("number"):
        of_client[row.client_id].append(row)
    return {
        row.pk: [
            campaign
            for campaign in of_client[row.client_id]
            if campaign.pk in listed.get(row.pk, ())
            or (campaign.is_active and (row.pk not in entitled or campaign.pk in entitled[row.pk]))
        ]
        for row in entitlements
    }


def _campaign_label(campaign: Campaign) -> str:
    label = f"{campaign.number} · {campaign.name}"
    return label if campaign.is_active else _("%(campaign)s (switched off)") % {"campaign": label}
