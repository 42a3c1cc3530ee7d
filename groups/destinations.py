"""Where in a client's CRM its people may be sent: by name, or by a path that leaves neither the CRM nor its folder."""

from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.utils.translation import gettext_noop

from groups.models import Client, Destination, why_not_path
from sso_portal.lib.refusals import Refusal, Refused

CUSTOM = "sso:custom_redirect"
LONGEST_NUMBER = 18  # digits
UNKNOWN = Refusal("unknown_destination", gettext_noop("There is no such destination."), 404)
# Known for every client (wire.md, section 4). One that a client has not mapped leads to its CRM's home.
LABELS: dict[str, Promise] = {
    "clientarea:profile": _("Profile"),
    "clientarea:billing_info": _("Billing information"),
    "clientarea:emails": _("E-mails"),
    "clientarea:announcements": _("Announcements"),
    "clientarea:downloads": _("Downloads"),
    "clientarea:knowledgebase": _("Knowledge base"),
    "clientarea:network_status": _("Network status"),
    "clientarea:services": _("Services"),
    "clientarea:product_details": _("Product details"),
    "clientarea:domains": _("Domains"),
    "clientarea:domain_details": _("Domain details"),
    "clientarea:invoices": _("Invoices"),
    "clientarea:tickets": _("Tickets"),
    "clientarea:submit_ticket": _("New ticket"),
    "clientarea:shopping_cart": _("Shopping cart"),
    "clientarea:shopping_cart_addons": _("Add-ons"),
    "clientarea:shopping_cart_domain_register": _("Register a domain"),
    "clientarea:shopping_cart_domain_transfer": _("Transfer a domain"),
}


@dataclass(frozen=True)
class Place:
    """Where somebody is sent: the name of a destination ("": the client area) and its path ("": the CRM's home)."""

    name: str = ""
    path: str = ""


CLIENT_AREA = Place()


def find_place(
    client: Client, name: str, *, service_id: str = "", domain_id: str = "", path: str = ""
) -> Place:
    """The place of this name in the client's CRM, with the numbers filled in; `path` is for the custom one.

    Raises Refused for a name that nobody knows, for a number that is missing or none, and for a path that is none.
    """
    if not name:
        return CLIENT_AREA
    if name == CUSTOM:
        return Place(name, _checked(path, "sso_redirect_path", required=True))
    mapped = Destination.objects.filter(client=client, name=name).first()
    if mapped is None and name not in LABELS:
        raise Refused(UNKNOWN)
    pattern = mapped.path if mapped else ""
    for what, number in (("service_id", service_id), ("domain_id", domain_id)):
        if f"{{{what}}}" in pattern:
            pattern = pattern.replace(f"{{{what}}}", _digits(number, what))
    return Place(name, _checked(pattern, "destination"))


def label_of(name: str) -> str:
    """A destination's name for people."""
    known = LABELS.get(name)
    return str(known) if known else name.rpartition(":")[2].replace("_", " ").capitalize()


def linked(client: Client) -> list[tuple[str, str]]:
    """Those of a client's destinations that lead somewhere as they are: label and path, by the labels."""
    mapped = Destination.objects.filter(client=client).exclude(path="").exclude(path__contains="{")
    return sorted((label_of(row.name), row.path) for row in mapped if not why_not_path(row.path))


def _digits(number: str, what: str) -> str:
    if not (number.isascii() and number.isdigit() and len(number) <= LONGEST_NUMBER):
        raise Refused(_unusable(f"{what} must be a number for this destination.", what))
    return number


def _checked(path: str, what: str, *, required: bool = False) -> str:
    if why_not_path(path) or (required and not path):
        raise Refused(_unusable(f"{what} is no path within the client's system.", what))
    return path


def _unusable(message: str, field: str) -> Refusal:
    return Refusal("unusable_destination", message, 400, field=field)
