"""The demo's message bus: a host page on this machine, which tests serve."""

from django.conf import settings
from django.urls import reverse

from groups.models import Group
from tokens.models import BusAddress, BusSettings, BusUse

PARENT_PORT = 18099
REDIRECT_URI = "http://127.0.0.1:18555/oidc/callback/"
ORIGINS = [
    f"http://{host}:{PARENT_PORT}" for host in ("localhost", "127.0.0.1")
]  # same-site with the portal, and not
ADDRESSES = {BusUse.ORIGIN: ORIGINS, BusUse.REDIRECT: [REDIRECT_URI, *(f"{origin}/" for origin in ORIGINS)]}


def build(group: Group) -> None:
    """Register the host's page, and nothing else, with the settings that a group begins with."""
    kept = [
        BusAddress.objects.get_or_create(group=group, use=use, address=address)[0].pk
        for use, addresses in ADDRESSES.items()
        for address in addresses
    ]
    group.bus_addresses.exclude(pk__in=kept).delete()
    BusSettings.objects.filter(group=group).delete()


def values(group_id: int) -> dict[str, str]:
    """What scripts and tests need to host the bus. `{redirectUrl}` is theirs to fill in, encoded."""
    of_group = f"?group={group_id}"
    return {
        "BUS_URL": f"{settings.PORTAL_URL}{reverse('bus')}{of_group}",
        "BUS_PARENT_PORT": str(PARENT_PORT),
        "BUS_SSO_START_URL": f"{settings.PORTAL_URL}{reverse('bus_sso')}{of_group}&redirectUrl={{redirectUrl}}",
    }
