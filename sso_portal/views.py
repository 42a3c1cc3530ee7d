"""Health, and the pages that Django asks for when something is refused or breaks."""

import sys
from typing import Any

from django.db import DatabaseError, InterfaceError, connection
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.urls import reverse
from django.utils.translation import gettext_noop
from django.views.decorators.http import require_safe

from accounts import audit
from accounts.middleware import OTHER_DOORS
from groups.door import stale_sign_in
from sso_portal import pages
from sso_portal.lib.outages import is_outage, tell_outage
from sso_portal.lib.refusals import NOT_FOUND, UNAVAILABLE, Refusal, Refused
from sso_portal.lib.web import caller_of

FORBIDDEN = Refusal("forbidden", gettext_noop("This page is not for your account."), 403)
BAD_REQUEST = Refusal("bad_request", gettext_noop("The portal could not read this request."), 400)
TOO_MANY = Refusal(
    "too_many_requests", gettext_noop("This was tried very often just now. Please wait a minute."), 429
)
BROKEN = Refusal(
    "internal_error", gettext_noop("It is nothing you did. The portal has written down what happened."), 500
)
STALE = Refusal(
    "stale_form",
    gettext_noop("This page was open for a long time. Please go back, reload it, and try again."),
    403,
)


@require_safe
def healthz(request: HttpRequest) -> HttpResponse:
    """Whether this process answers."""
    return HttpResponse("ok\n", content_type="text/plain")


@require_safe
def readyz(request: HttpRequest) -> JsonResponse:
    """Whether this process can do its work: its database answers, and lets itself be written."""
    is_postgresql = connection.vendor == "postgresql"
    question = "SELECT current_setting('transaction_read_only')" if is_postgresql else "SELECT 'off'"
    try:
        with connection.cursor() as cursor:
            cursor.execute(question)
            state = "ok" if cursor.fetchone() == ("off",) else "read-only"
    except (DatabaseError, InterfaceError):
        state = "away"
    if state == "ok":
        return JsonResponse({"database": state})
    return JsonResponse({"database": state}, status=503, headers={"Retry-After": "5"})


def refuse(request: HttpRequest, refusal: Refusal) -> HttpResponse:
    """The page of a refusal, recorded under the reference that it shows, as the administrator who met it if any."""
    is_ours = not request.path.startswith(OTHER_DOORS) and hasattr(request, "user")
    about = {"actor": f"administrator:{request.user}"} if is_ours and request.user.is_authenticated else {}
    audit.record_refusal(Refused(refusal, about), caller=caller_of(request))
    return pages.refused(request, refusal)


def nothing_here(request: HttpRequest) -> HttpResponse:
    """An address that a library brings along, and this portal does not offer."""
    return refuse(request, NOT_FOUND)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponseBase:
    """A stale form: the sign-in form again, its target kept; elsewhere a page that says what to do."""
    if request.path.rstrip("/") == reverse("agent_sign_in").rstrip("/"):
        try:
            return stale_sign_in(request)
        except Refused as refused:
            return refuse(request, refused.refusal)
    return refuse(request, STALE)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    return refuse(request, BAD_REQUEST)


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    return refuse(request, FORBIDDEN)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    return refuse(request, NOT_FOUND)


def too_many(request: HttpRequest) -> HttpResponse:
    return pages.refused(request, TOO_MANY, retry_after=60)


def server_error(request: HttpRequest) -> HttpResponseBase:
    """A bug, or a database that is away, full or read-only: the second is no bug, and says when to come back."""
    error: Any = sys.exc_info()[1]
    if is_outage(error):
        tell_outage(error)
        return pages.refused_anywhere(request, UNAVAILABLE)
    return pages.refused_anywhere(request, BROKEN)
