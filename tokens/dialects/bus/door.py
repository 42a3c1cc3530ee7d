"""What all calls of the bus share: the shape of a refusal, and who may call."""

from typing import Any

from django.conf import settings
from django.db.models import Exists, OuterRef
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import lockout
from groups.door import UNKNOWN_GROUP
from groups.models import Group
from sso_portal.lib.refusals import Refusal, Refused
from sso_portal.lib.web import origin_of
from tokens.dialects.base import TOO_MANY, Door
from tokens.dialects.bus.page import Page, unseal
from tokens.models import BusAddress, BusUse

PAGE_HEADER = "X-Bus-Page"
FOREIGN = Refusal("foreign_request", "Only the bus page itself may ask here.", 403)
NOT_REGISTERED = Refusal("origin_not_registered", "This origin is not registered for the bus.", 403)


GUESSES = {"invalid_code", "invalid_grant", NOT_REGISTERED.code}


class BusDoor(Door):
    """An address below /bus/ for software."""

    name = "bus"
    is_admitted = False

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        self.is_admitted = True

    def blames_credentials(self, refusal: Refusal) -> bool:
        return refusal.code in GUESSES or super().blames_credentials(refusal)

    def handle_exception(self, exc: Exception) -> Response:
        # What is shown in the body is judged after `admit`, which counts for itself.
        if (
            self.is_admitted
            and isinstance(exc, Refused)
            and self.blames_credentials(exc.refusal)
            and not lockout.may_go_on(limit="refused credentials", who=self.caller.address_text)
        ):
            exc = Refused(TOO_MANY, exc.about, recorded=exc.recorded, retry_after=60)
        return super().handle_exception(exc)

    def word(self, refusal: Refusal) -> dict[str, Any]:
        return {"error": {"code": refusal.code, "message": refusal.message}}


class PageCall(BusDoor):
    """What the script of a registered page asks; nobody else may, of whatever site, with whatever cookie."""

    page: Page
    group: Group

    def admit(self, request: Request) -> None:
        self.page = page_of(request)
        if not self.page.origin:
            raise Refused(FOREIGN, {"details": {"why": "not registered"}})
        self.group = group_of(self.page)


class NothingHere(BusDoor):
    """Every other address of the script's: it answers no method."""

    action = "bus"


def page_of(request: Request) -> Page:
    """The page that sends this. Raises Refused unless its own script does, on the portal's own origin.

    A site elsewhere can send neither the header (no CORS answer lets it), nor this Origin.
    """
    page = unseal(request.headers.get(PAGE_HEADER, "").strip())
    is_own = request.headers.get("Origin", "").strip() == origin_of(settings.PORTAL_URL)
    is_same = request.headers.get("Sec-Fetch-Site") in (None, "same-origin")  # absent: an older browser
    if page is None or not is_own or not is_same:
        why = "page" if page is None else "origin" if not is_own else "site"
        raise Refused(FOREIGN, {"details": {"why": why, "origin": request.headers.get("Origin", "")[:200]}})
    return page


def group_of(page: Page) -> Group:
    """The page's group, with `bus_settings`. Raises Refused unless it is active, and the origin registered, now."""
    registered = BusAddress.objects.filter(group=OuterRef("pk"), use=BusUse.ORIGIN, address=page.origin)
    groups = Group.objects.select_related("bus_settings").annotate(is_registered=Exists(registered))
    group = groups.filter(pk=page.group_id, is_active=True).first()
    if group is None:
        raise Refused(UNKNOWN_GROUP)
    if not group.is_registered:
        raise Refused(NOT_REGISTERED, {"group": group, "details": {"origin": page.origin}})
    return group
