"""An administrator's session: a second factor before any page; ended when idle, or after its longest."""

from collections.abc import Callable

from allauth.mfa.utils import is_mfa_enabled
from django.conf import settings
from django.contrib.auth import logout
from django.http import HttpRequest, HttpResponseBase, HttpResponseRedirect
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone

from accounts.signing_in import STARTED

GetResponse = Callable[[HttpRequest], HttpResponseBase]
SEEN = "seen"  # epoch seconds; written at most once a minute
# Doors with callers of their own: an administrator's cookie means nothing there, so it is not even looked up.
OTHER_DOORS = ("/sso/", "/api/", "/static/", "/healthz", "/readyz")
WITHOUT_SECOND_FACTOR = ("/accounts/2fa/", "/accounts/reauthenticate/", "/accounts/logout/")


def administrator_session(get_response: GetResponse) -> GetResponse:
    def middleware(request: HttpRequest) -> HttpResponseBase:
        if not request.path.startswith(OTHER_DOORS) and request.user.is_authenticated:
            return _why_not_on(request) or get_response(request)
        return get_response(request)

    return middleware


def _why_not_on(request: HttpRequest) -> HttpResponseRedirect | None:
    now = timezone.now().timestamp()
    started, seen = request.session.get(STARTED, 0), request.session.get(SEEN, now)
    idle, longest = (
        settings.ADMINISTRATOR_IDLE.total_seconds(),
        settings.ADMINISTRATOR_LONGEST.total_seconds(),
    )
    if now - started > longest or now - seen > idle:
        logout(request)
        return redirect(f"{reverse('account_login')}?next={request.path}")
    if SEEN not in request.session or now - seen > 60:
        request.session[SEEN] = now
    if not is_mfa_enabled(request.user) and not request.path.startswith(WITHOUT_SECOND_FACTOR):
        return redirect("mfa_index")
    return None
