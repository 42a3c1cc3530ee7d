"""Handing off: how a login reaches the client's CRM. The way is the client's choice, the addresses its record's."""

from dataclasses import dataclass
from typing import Protocol
from urllib.parse import urlencode

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext_noop

from groups.entering import Entry, entry_of, why_not_enter, with_entry
from groups.models import Agent, Client, HandOff
from sso_portal.lib.refusals import Refusal, Refused
from sso_portal.lib.web import NO_REFERRER, ORIGIN_ALONE, allow_forms_to, origin_of, see_other
from tokens.handoffs import remember
from tokens.id_tokens import signed_login
from tokens.issuing import ACTION, IssuedLogin
from tokens.logins import login_of
from tokens.models import Kind, RelyingParty, Use
from tokens.redeeming import Redemption

NOBODY_RECEIVES = Refusal(
    "client_unavailable",
    gettext_noop("This client is not set up to receive agents yet."),
    403,
    "no relying party receives agents",
)


class Receiver(Protocol):
    """Of a client what says how agents are handed to it."""

    @property
    def hand_off(self) -> str: ...
    @property
    def login_url(self) -> str: ...


@dataclass(frozen=True)
class Way:
    """How an agent gets from here into a client's CRM: what is issued, and to which of its systems he goes."""

    entry: Entry
    kind: Kind = Kind.HAND_OFF
    relying_party: RelyingParty | None = None  # where the way is `oidc` or `signed`


def way_into(entry: Entry, *, actor: str) -> Way:
    """The way that the client chose. Costs statements only where a system of the client must be looked up.

    Raises Refused (`client_unavailable`) where the client has none that could receive the agent. Whether he may enter
    is for `issue` to say.
    """
    client = entry.client
    if client is None or client.hand_off in (HandOff.REDIRECT, HandOff.FORM_POST) or why_not_enter(entry):
        return Way(entry)
    party = receiver_of(client)
    if party is None:
        about = {"action": ACTION, "actor": actor, "group": entry.agent.group, "agent": entry.agent}
        raise Refused(NOBODY_RECEIVES, about | {"client": client})
    if client.hand_off == HandOff.OIDC:
        return Way(entry, Kind.LAUNCH, party)
    return Way(entry if entry.grant else _with_grant(entry, client), Kind.SIGNED, party)


def kind_for_software(entry: Entry, *, actor: str) -> Kind:
    """What to issue to software that asks for a login address (`address_of`). Raises Refused as `way_into`."""
    is_redirect = entry.client is not None and entry.client.hand_off == HandOff.REDIRECT
    way_into(entry, actor=actor)
    return Kind.HAND_OFF if is_redirect else Kind.ENTRANCE


def receiver_of(client: Client) -> RelyingParty | None:
    """The client's system that agents reach by `oidc` or `signed`: the one that is marked, else the only one fit."""
    active = list(client.relying_parties.filter(is_active=True))
    marked = [party for party in active if party.receives_agents]
    needs_address = client.hand_off == HandOff.OIDC
    fit = [party for party in marked or active if party.initiate_login_uri or not needs_address]
    return fit[0] if len(fit) == 1 else None


def origins_on_the_way(subdomain: str, *, group_id: int) -> list[str]:
    """The origins that a browser passes on its way into this client of the group, beyond the client's own.

    Where the CRM begins a sign-in, it goes from its address for that to where its sign-ins end.
    """
    parties = RelyingParty.objects.filter(
        client__subdomain=subdomain,
        client__hand_off=HandOff.OIDC,
        client__entitlements__group=group_id,
        is_active=True,
    )
    origins = set()
    addresses = parties.order_by().values_list("initiate_login_uri", "addresses__use", "addresses__address")
    for begins_at, use, address in addresses:
        origins |= {origin_of(begins_at)} if begins_at else set()
        origins |= {origin_of(address)} if use == Use.REDIRECT else set()
    return sorted(origins)


def hand_off(request: HttpRequest, issued: IssuedLogin, way: Way) -> HttpResponse:
    """Send the browser into the CRM with what was issued."""
    client, party = issued.client, way.relying_party
    if party is not None and way.kind == Kind.LAUNCH:
        response = _launch(issued, party)
    elif party is not None and way.kind == Kind.SIGNED:
        fields = {"id_token": _signed(issued, way.entry, party)}
        response = post_form(request, client, address=client.login_url, fields=fields)
    else:
        response = into_crm(request, client, secret=issued.secret)
    response.headers.setdefault("Referrer-Policy", NO_REFERRER)
    return response


def into_crm(request: HttpRequest, client: Client, *, secret: str) -> HttpResponse:
    """Send the browser into the CRM with a login token: in a form, or in the address."""
    if client.hand_off == HandOff.FORM_POST:
        return post_form(request, client, address=client.login_url, fields={"token": secret})
    response = see_other(address_of(client, secret=secret))
    response.headers["Referrer-Policy"] = NO_REFERRER
    return response


def post_form(request: HttpRequest, client: Client, *, address: str, fields: dict[str, str]) -> HttpResponse:
    """A page that posts the fields to this address of the client at once, and tells it the portal's origin alone."""
    context = {"action": address, "fields": fields, "client_name": client.name}
    response = render(request, "tokens/form_post.html", context)
    allow_forms_to(response, [*client.origins, origin_of(address)])
    response.headers["Referrer-Policy"] = ORIGIN_ALONE
    return response


def address_of(client: Receiver, *, secret: str) -> str:
    """The login address for software that cannot follow a hand-off itself: the CRM's, or the portal's entrance.

    (A secret is made of what an address may hold as it is.)
    """
    if client.hand_off == HandOff.REDIRECT:
        return f"{client.login_url}?token={secret}"
    entrance = reverse("enter", urlconf=settings.ROOT_URLCONF)  # asked for at a client's host name, perhaps
    return f"{settings.PORTAL_URL}{entrance}?token={secret}"


def _launch(issued: IssuedLogin, party: RelyingParty) -> HttpResponse:
    """Ask the CRM to begin a sign-in here (OpenID Connect Core, section 4). The hint leads that one to its call."""
    told = {
        "iss": settings.PORTAL_URL,
        "login_hint": issued.secret,
        "target_link_uri": issued.client.login_url,
    }
    glue = "&" if "?" in party.initiate_login_uri else "?"
    return see_other(f"{party.initiate_login_uri}{glue}{urlencode(told)}")


def _signed(issued: IssuedLogin, entry: Entry, party: RelyingParty) -> str:
    assert entry.grant is not None  # noqa: S101  (`way_into` loaded it)
    remember(issued.token.session, party)
    login = login_of(Redemption(issued.token, entry, issued.client, entry.grant))
    return signed_login(login, relying_party=party, trace=issued.token.trace)


def _with_grant(entry: Entry, client: Client) -> Entry:
    """The same agent before the same door, with what he may enter as."""
    rows = with_entry(Agent.objects.filter(pk=entry.agent.pk), client=client, grant=True)
    row = rows.get()
    return entry_of(row, agent=row, asked=entry.asked)
