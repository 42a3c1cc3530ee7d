"""How the demo's rows come to be: made, or restored where they are there. What the parts of the demo world share."""

from typing import Any, TypeVar

from django.conf import settings

from groups.models import Campaign, Client, Department, Group
from sso_portal.lib.secrets import digest_of
from tokens.models import AddressRule, Credential

C = TypeVar("C", bound=Credential)

HERE, HERE_NOTE = "127.0.0.1/32", "this machine"


def make_client(
    subdomain: str, *, departments: dict[int, str], campaigns: dict[int, str], **fields: object
) -> Client:
    """A client at the demo CRM, or where `fields` say otherwise. Departments and campaigns go by their numbers."""
    usual = {"login_url": login_url(subdomain), "is_active": True, "is_paused": False}
    client, _ = Client.objects.update_or_create(subdomain=subdomain, defaults=usual | fields)
    for model, names in ((Department, departments), (Campaign, campaigns)):
        for number, name in names.items():
            model._default_manager.update_or_create(
                client=client, number=number, defaults={"name": name, "is_active": True}
            )
    return client


def login_url(subdomain: str) -> str:
    """Where the demo CRM receives agents of this client."""
    return f"http://{subdomain}.localhost:{settings.PORT + 1}/sso/login"


def make_credential(model: type[C], secret: str, **fields: Any) -> C:
    """A live credential that holds this secret, without an end."""
    row = model._default_manager.filter(digest=digest_of(secret)).first() or model()
    for name, value in (fields | {"revoked_at": None, "expires_at": None}).items():
        setattr(row, name, value)
    row.take(secret)
    row.save()
    return row


def let_call_from_here(group: Group) -> None:
    """The group's address list: this machine alone."""
    group.address_rules.exclude(network=HERE).delete()
    AddressRule.objects.get_or_create(group=group, network=HERE, defaults={"note": HERE_NOTE})
