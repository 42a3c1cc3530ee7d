"""Connecting a group's telephone system and its software: addresses, samples, what arrives, and a simulated call."""

import json
import re
from typing import Any
from urllib.parse import urlsplit

from django import forms
from django.conf import settings
from django.db.models import Exists, OuterRef, QuerySet
from django.http import Http404, HttpRequest, HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_GET

from groups.console.access import group_page, show
from groups.models import (
    USERNAME_LENGTH,
    Agent,
    AgentEntitlement,
    Campaign,
    Department,
    EntitledCampaign,
    EntitledDepartment,
    Entitlement,
    Group,
    Membership,
)
from groups.wording import usernames, why_of
from sso_portal.lib.text import why_not_text
from sso_portal.lib.web import is_fragment, see_other
from tokens.console.other_doors import doors_of, own_doors_of, registered_by
from tokens.pop import LONGEST
from tokens.recent_pops import DOOR, asked_for, unreplaced_in
from tokens.samples import samples_of
from tokens.simulating import Call, simulate
from tokens.telephone_systems import SYSTEMS, pop_url

BY_NUMBER = ""  # in place of a client: whichever the dialled number leads to
MOST_SHOWN = 5  # recent pops
DID, CID = "18005550100", "12125550142"  # fictitious numbers, for samples


@group_page()
@require_GET
def integration(request: HttpRequest, membership: Membership) -> HttpResponseBase:
    """What to paste where: addresses for telephone systems, the SSO API with samples; and whether it arrives."""
    group = membership.group
    entitlements = _entitlements_of(group)
    chosen = _chosen(request, entitlements)
    shown = chosen or next(iter(entitlements), None)
    registered = registered_by(group)
    context: dict[str, Any] = {
        "tab": "integration",
        "clients": [entitlement.client for entitlement in entitlements],
        "chosen": chosen.client if chosen else None,
        "subdomain": chosen.client.subdomain if chosen else BY_NUMBER,
        "systems": _systems(group, chosen),
        "system": _one_of([system.key for system in SYSTEMS], request.GET.get("system")),
        "needs_numbers": chosen is None and not group.dialled_numbers.exists(),
        "api": _api(group, shown),
        "doors": doors_of(group, shown.client) if shown else None,
        "sample": _one_of(["curl", "php", "python", "node"], request.GET.get("sample")),
    }
    if is_fragment(request):
        return show(request, membership, "tokens/_integration_client.html", context)
    context |= {
        "own": own_doors_of(group),
        "bus_origins": registered.bus_origins,
        "keys": list(group.platform_keys.live().order_by("-pk")),
        "has_addresses": registered.has_networks,
        "direct_url": _direct_url(group),
        "recent": _recent(group),
        "lint": unreplaced_in(group),
    }
    return show(request, membership, "tokens/integration.html", context)


@group_page()
@require_GET
def recent(request: HttpRequest, membership: Membership) -> HttpResponseBase:
    """The latest logins that were asked for; the integration page keeps itself up to date with it."""
    group = membership.group
    if not is_fragment(request):
        return see_other(reverse("integration", args=[group.pk]))
    context = {"group": group, "recent": _recent(group)}
    return render(request, "tokens/_recent_pops.html", context)


@group_page()
@require_GET
def notice(request: HttpRequest, membership: Membership) -> HttpResponseBase:
    """A sheet for the wall: where agents sign in at the start of the shift."""
    context = {"tab": "integration", "direct_url": _direct_url(membership.group)}
    return show(request, membership, "tokens/integration_notice.html", context)


# --- Addresses and samples -------------------------------------------------------------------------------------------


def _entitlements_of(group: Group) -> list[Entitlement]:
    return list(group.entitlements.select_related("client").order_by("client__name"))


def _chosen(request: HttpRequest, entitlements: list[Entitlement]) -> Entitlement | None:
    """The client that was chosen, else the first; None: by the dialled number. Raises Http404 for a foreign one."""
    asked = request.GET.get("client")
    if asked == BY_NUMBER:
        return None
    if asked is None:
        return next(iter(entitlements), None)
    found = [entitlement for entitlement in entitlements if entitlement.client.subdomain == asked]
    if not found:
        raise Http404
    return found[0]


def _one_of(known: list[str], asked: str | None) -> str:
    return asked if asked in known else known[0]


def _systems(group: Group, chosen: Entitlement | None) -> list[dict[str, Any]]:
    subdomain = chosen.client.subdomain if chosen else ""
    meanings = _meanings()
    return [
        {
            "system": system,
            "url": pop_url(system, group_id=group.pk, subdomain=subdomain),
            "values": [
                (name, meaning, system.placeholders.get(name, "")) for name, meaning in meanings.items()
            ],
        }
        for system in SYSTEMS
    ]


def _meanings() -> dict[str, str]:
    return {
        "did": _("number dialled"),
        "cid": _("caller's number"),
        "call_id": _("the system's name for the call"),
        "campaign_id": _("campaign"),
    }


def _direct_url(group: Group) -> str:
    return f"{settings.PORTAL_URL}{reverse('launcher')}?group={group.pk}"


def _api(group: Group, entitlement: Entitlement | None) -> dict[str, Any] | None:
    """The SSO API, as the group would call it for this client."""
    if entitlement is None:
        return None
    client = entitlement.client
    departments = _open_to(entitlement, Department.objects.all(), EntitledDepartment, "department")
    campaigns = _open_to(entitlement, Campaign.objects.all(), EntitledCampaign, "campaign")
    agent = _somebody(group, entitlement)
    fields = {
        "username": agent.username if agent else "sample.agent",
        "fullname": agent.full_name if agent else "Sample Agent",
        "department_id": str(departments[0].number if departments else 1),
        "campaign_id": ",".join(str(campaign.number) for campaign in campaigns[:3]),
        "call_center_did": DID,
        "customer_cid": CID,
    }
    path_url = f"{settings.PORTAL_URL}{reverse('sso_api', args=[client.subdomain])}"
    return {
        "client": client,
        "path_url": path_url,
        "host_url": _host_url(client.subdomain),
        "departments": departments,
        "campaigns": campaigns,
        "agent": agent,
        "username": fields["username"],
        "samples": samples_of(url=path_url, fields={name: value for name, value in fields.items() if value}),
    }


def _host_url(subdomain: str) -> str:
    """The API's address under the client's host name."""
    portal = urlsplit(settings.PORTAL_URL)
    port = f":{portal.port}" if portal.port else ""
    return f"{portal.scheme}://{subdomain}.{settings.CLIENT_DOMAIN}{port}/api/sso"


def _open_to(entitlement: Entitlement, rows: QuerySet[Any], listed: Any, name: str) -> list[Any]:
    """The client's active departments (or campaigns) that this entitlement covers: those listed, else all."""
    lists = listed.objects.filter(entitlement=entitlement)
    covered = Exists(lists.filter(**{name: OuterRef("pk")})) | ~Exists(lists)
    return list(rows.filter(covered, client=entitlement.client, is_active=True).order_by("number"))


def _somebody(group: Group, entitlement: Entitlement) -> Agent | None:
    """An agent of the group for the samples: one who may enter this client, for every campaign of it."""
    narrowed = AgentEntitlement.objects.filter(agent=OuterRef("pk"), entitlement=entitlement)
    agents = group.agents.working().filter(~Exists(narrowed), all_clients=True)
    return agents.order_by("full_name", "pk").first()


def _recent(group: Group) -> list[dict[str, Any]]:
    """The newest logins that were asked for, with the usernames of their agents."""
    events = list(asked_for(group)[:MOST_SHOWN])
    names = usernames(events, groups=[group.pk])
    return [
        {
            "event": event,
            "username": names.get(event.agent, ""),
            "why": why_of(event),
            "is_pop": event.door == DOOR,
            "placeholders": event.details.get("placeholders", []),
        }
        for event in events
    ]


# --- Simulate a call -------------------------------------------------------------------------------------------------


class CallForm(forms.Form):
    """The call to simulate. Whether its address is a good one, the simulation says."""

    agent = forms.CharField(
        label=gettext_lazy("Agent"),
        max_length=USERNAME_LENGTH,
        help_text=gettext_lazy("The username."),
        widget=forms.TextInput(
            attrs={"autocomplete": "off", "autocapitalize": "none", "spellcheck": "false"}
        ),
    )
    client = forms.CharField(label=gettext_lazy("Client"), max_length=63, required=False)
    did = forms.CharField(label=gettext_lazy("Number dialled"), max_length=200, required=False)
    cid = forms.CharField(label=gettext_lazy("Caller's number"), max_length=200, required=False)
    call_id = forms.CharField(label=gettext_lazy("Call ID"), max_length=200, required=False)
    campaign_id = forms.CharField(label=gettext_lazy("Campaign"), max_length=200, required=False)
    destination = forms.CharField(
        label=gettext_lazy("Destination"),
        max_length=200,
        required=False,
        help_text=gettext_lazy("A name that the CRM knows, not an address."),
    )

    def __init__(self, *args: Any, entitlements: list[Entitlement], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        choices = [(one.client.subdomain, one.client.name) for one in entitlements]
        asked = str(self.data.get("client", ""))
        if asked and asked not in dict(choices):
            choices.append((asked, asked))  # a client that the group may not enter can be asked about
        choices.append((BY_NUMBER, _("By the number dialled")))
        self.fields["client"].widget = forms.Select(choices=choices)
        for name in LONGEST:
            self.fields[name].widget.attrs |= {"autocomplete": "off", "spellcheck": "false"}

    def clean_agent(self) -> str:
        agent = str(self.cleaned_data["agent"])
        if why_not_text(agent, longest=USERNAME_LENGTH):
            raise forms.ValidationError(_("No username holds such characters."))
        return agent

    def clean_client(self) -> str:
        client = str(self.cleaned_data["client"]).lower()
        if client and not re.fullmatch(r"[a-z0-9-]{1,63}", client):
            raise forms.ValidationError(_("No client has such a name."))
        return client

    def call(self) -> Call:
        """The call that was asked for."""
        values = {name: str(self.cleaned_data[name]) for name in LONGEST}
        return Call(self.cleaned_data["agent"], self.cleaned_data["client"], values)


@group_page()
@require_GET
def simulation(request: HttpRequest, membership: Membership) -> HttpResponseBase:
    """Ask for a call, and see each step that its pop would take. Nothing is issued, and nothing written."""
    group = membership.group
    entitlements = _entitlements_of(group)
    is_asked = "agent" in request.GET
    first = {"client": request.GET.get("client", entitlements[0].client.subdomain if entitlements else "")}
    form = CallForm(request.GET if is_asked else None, initial=first, entitlements=entitlements)
    found = simulate(form.call(), group=group) if is_asked and form.is_valid() else None
    context = {
        "tab": "integration",
        "form": form,
        "simulation": found,
        "claims": json.dumps(found.claims, indent=2, ensure_ascii=False) if found and found.claims else "",
    }
    return show(request, membership, "tokens/simulate.html", context)
