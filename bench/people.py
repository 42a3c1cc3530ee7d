"""A call center of the largest size that one group is meant for, and the systems around it: `python -m bench.people`.

In the database of DATABASE_URL, which is migrated and empty. Prints what the load must know, as JSON. Agents, their
sessions and all that there are more of come from `bench.rows`.
"""

import json
import time
from typing import Any

import django

django.setup()

from allauth.account.internal.flows.login import (  # noqa: E402
    _AUTHENTICATION_METHODS_USER_SESSION_KEY,
    AUTHENTICATION_METHODS_SESSION_KEY,
)
from allauth.mfa.models import Authenticator  # noqa: E402
from django.conf import settings  # noqa: E402
from django.contrib.auth.hashers import make_password  # noqa: E402
from django.db import transaction  # noqa: E402
from django.test import Client as Browser  # noqa: E402

from accounts.models import Administrator  # noqa: E402
from bench.rows import CALLBACK, CLIENTS, GROUP, KEYS, PARTIES, PASSWORD  # noqa: E402
from groups.models import Campaign, Client, Department, DialledNumber, Entitlement, Group, Membership  # noqa: E402
from sso_portal.lib.encryption import encrypt  # noqa: E402
from tokens.models import (  # noqa: E402
    AddressRule,
    PlatformKey,
    RegisteredAddress,
    RelyingParty,
    RelyingPartySecret,
    Use,
)

OWNER = "owner@portal.test"
NUMBERS = 10_000


@transaction.atomic
def build() -> Group:
    """The group with its clients, dialled numbers and keys, and an owner with a second factor."""
    group = Group.objects.create(pk=GROUP, code="large", name="Large Call Center")
    owner = Administrator.objects.create(email=OWNER, full_name="Maya Brandt")
    Authenticator.objects.create(
        user=owner, type=Authenticator.Type.TOTP, data={"secret": encrypt("JBSWY3DPEHPK3PXP")}
    )
    Membership.objects.create(administrator=owner, group=group, role="owner")
    clients = Client.objects.bulk_create(
        Client(subdomain=f"large{i}", name=f"Large Client {i}", login_url=f"https://large{i}.example/login")
        for i in range(1, CLIENTS + 1)
    )
    Department.objects.bulk_create(
        Department(client=client, number=n, name=f"Department {n}") for client in clients for n in (1, 2)
    )
    Campaign.objects.bulk_create(
        Campaign(client=client, number=n, name=f"Campaign {n}") for client in clients for n in range(1, 6)
    )
    Entitlement.objects.bulk_create(Entitlement(group=group, client=client) for client in clients)
    DialledNumber.objects.bulk_create(
        DialledNumber(group=group, number=f"+1800{i:07}", client=clients[i % CLIENTS]) for i in range(NUMBERS)
    )
    _machines(group, clients)
    return group


def _machines(group: Group, clients: list[Client]) -> None:
    """Keys and secrets that the load knows: `rows` says how they are made."""
    AddressRule.objects.create(group=group, network="203.0.113.0/24")
    keys = [PlatformKey(group=group, name=f"Dialer {i}") for i in range(1, KEYS + 1)]
    for i, key in enumerate(keys, start=1):
        key.take(f"pk_bench_{i}")
    PlatformKey.objects.bulk_create(keys)
    parties = RelyingParty.objects.bulk_create(
        RelyingParty(client=clients[i % CLIENTS], name=f"CRM {i}", identifier=f"rp_bench_{i + 1}")
        for i in range(PARTIES)
    )
    secrets = [RelyingPartySecret(relying_party=party) for party in parties]
    for i, secret in enumerate(secrets, start=1):
        secret.take(f"rs_bench_{i}")
    RelyingPartySecret.objects.bulk_create(secrets)
    RegisteredAddress.objects.bulk_create(
        RegisteredAddress(relying_party=party, use=Use.REDIRECT, address=CALLBACK) for party in parties
    )


def signed_in() -> Browser:
    """A browser of the owner, who showed his second factor a moment ago."""
    browser = Browser(
        HTTP_HOST=settings.PORTAL_NETLOC, HTTP_X_FORWARDED_PROTO="https", HTTP_X_FORWARDED_FOR="203.0.113.7"
    )
    owner = Administrator.objects.get(email=OWNER)
    browser.force_login(owner)
    session = browser.session
    session[AUTHENTICATION_METHODS_SESSION_KEY] = [{"method": "mfa", "at": time.time(), "type": "totp"}]
    session[_AUTHENTICATION_METHODS_USER_SESSION_KEY] = str(owner.pk)
    session.save()
    return browser


def told() -> dict[str, Any]:
    """What the load must know: the owner's cookie, and the hash of the password that every newcomer has."""
    name = settings.SESSION_COOKIE_NAME
    return {
        "owner": f"{name}={signed_in().cookies[name].value}",
        "password": make_password(PASSWORD),
    }


if __name__ == "__main__":
    build()
    print(json.dumps(told()))
