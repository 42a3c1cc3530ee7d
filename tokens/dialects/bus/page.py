"""The framed page: which pages may frame it and talk to it, and the signed values that its script's calls carry."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta

from django.core import signing
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.clickjacking import xframe_options_exempt
from django.views.decorators.http import require_safe

from groups.door import active_group, group_id_of
from groups.models import Group
from sso_portal.lib.web import allow_frames_of
from tokens.models import LONGEST_DAYS, BusUse

SALT = "bus.page"
LIFETIME = timedelta(days=LONGEST_DAYS)  # as long as what the host is given may be renewed


@dataclass(frozen=True)
class Page:
    """For whom a page was made: for a group, and once it was registered, for a host of this origin."""

    group_id: int
    origin: str = ""
    app: str = ""  # what the host calls itself


@xframe_options_exempt
@require_safe
def bus(request: HttpRequest) -> HttpResponse:
    """The page that a host frames; with no registered origin, nobody does."""
    group = active_group(group_id_of(request.GET) or 0)
    origins = origins_of(group)
    context = {"group": group, "origins": json.dumps(origins), "page": seal(Page(group.pk))}
    response = render(request, "tokens/bus.html", context)
    allow_frames_of(response, origins)
    return response


def origins_of(group: Group) -> Sequence[str]:
    """The origins whose pages may frame the bus of a group and talk to it."""
    registered = group.bus_addresses.filter(use=BusUse.ORIGIN)
    return list(registered.order_by("pk").values_list("address", flat=True))


def seal(page: Page) -> str:
    """What the script sends along with each call."""
    return signing.dumps(asdict(page), salt=SALT)


def unseal(sealed: str) -> Page | None:
    """The page that a call comes from; None for anything that was not sealed here."""
    try:
        return Page(**signing.loads(sealed, salt=SALT, max_age=LIFETIME))
    except (signing.BadSignature, TypeError, ValueError):
        return None
