"""The other doors of a group's clients, for the integration page: what is registered, and how to come in by it."""

from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db.models import Exists, OuterRef, QuerySet, Subquery, Value
from django.urls import reverse

from groups.models import Client, Group, HandOff
from sso_portal.lib.sql import Joined
from tokens.models import (
    AddressRule,
    ApiCredential,
    BusAddress,
    BusUse,
    RegisteredAddress,
    RelyingParty,
    SigningPair,
    Use,
)
from tokens.samples import create_sso_token_samples, native_samples, oidc_samples, sso_url_samples

REDEEMS = (HandOff.REDIRECT, HandOff.FORM_POST)  # the hand-offs after which the CRM asks what its token says


@dataclass(frozen=True)
class Registered:
    """What a group registered for its own software."""

    has_networks: bool
    bus_origins: list[str]


@dataclass(frozen=True)
class Trusted:
    """A relying party, with its redirect addresses and the beginnings of its live signing pairs."""

    party: RelyingParty
    redirects: list[str]
    pairs: list[str]


def registered_by(group: Group) -> Registered:
    """Whether the group's address list holds anything, and which pages may talk to its message bus."""
    origins = BusAddress.objects.filter(group=OuterRef("pk"), use=BusUse.ORIGIN)
    row = (
        Group.objects.filter(pk=group.pk)
        .values_list(Exists(AddressRule.objects.filter(group=OuterRef("pk"))), _joined(origins, "address"))
        .get()
    )
    return Registered(bool(row[0]), _parts(row[1]))


def own_doors_of(group: Group) -> dict[str, Any]:
    """The doors for the group's own software, whichever client it is about: the message bus, the native API."""
    return {
        "bus_url": f"{_address('bus')}?group={group.pk}",
        "api": f"{settings.PORTAL_URL}/api/v1/",
        "api_docs": _address("api_docs"),
        "native_samples": native_samples(_address("api_entitlements")),
    }


def doors_of(group: Group, client: Client) -> dict[str, Any]:
    """How this client receives agents, and what of the other doors is registered for it. Operators register it."""
    trusted = _trusted(client)
    parties = [one for one in trusted if one.redirects]  # the others redeem only
    pairs = [(one.party, prefix) for one in trusted for prefix in one.pairs]
    credentials = list(ApiCredential.objects.live().filter(clients=client).order_by("-pk"))
    return {
        "client": client,
        "redeem": _address("redeem") if client.hand_off in REDEEMS else "",
        "redeemers": [one.party for one in trusted if not one.party.is_public],
        "receiver": next((one.party for one in trusted if one.party.receives_agents), None),
        "issuer": settings.PORTAL_URL,
        "discovery": f"{settings.PORTAL_URL}/.well-known/openid-configuration",
        "parties": parties,
        "oidc_samples": (
            oidc_samples(parties[0].party, redirect_uri=parties[0].redirects[0], group=group)
            if parties
            else []
        ),
        "pairs": pairs,
        "sso_url": _address("sso_url"),
        "answers_key": _address("answers_key"),
        "jwks": _address("jwks"),
        "sso_url_samples": sso_url_samples(_address("sso_url"), client=client, group=group) if pairs else [],
        "credentials": credentials,
        "create_sso_token": _address("create_sso_token"),
        "create_sso_token_samples": (
            create_sso_token_samples(_address("create_sso_token"), client=client) if credentials else []
        ),
    }


def _address(name: str) -> str:
    return f"{settings.PORTAL_URL}{reverse(name)}"


def _trusted(client: Client) -> list[Trusted]:
    """The client's active relying parties, those with secrets first."""
    addresses = RegisteredAddress.objects.filter(relying_party=OuterRef("pk"), use=Use.REDIRECT)
    pairs = SigningPair.objects.live().filter(relying_party=OuterRef("pk"))
    rows = RelyingParty.objects.filter(client=client, is_active=True).annotate(
        redirects=_joined(addresses, "address"), pairs=_joined(pairs, "prefix")
    )
    return [
        Trusted(row, _parts(row.redirects), _parts(row.pairs)) for row in rows.order_by("is_public", "pk")
    ]


def _joined(rows: QuerySet[Any], name: str) -> Subquery:
    """All these rows' texts in one; none of them may hold a comma."""
    return Subquery(rows.order_by().values(together=Value(1)).annotate(all=Joined(name)).values("all"))


def _parts(joined: str | None) -> list[str]:
    return sorted(joined.split(",")) if joined else []
