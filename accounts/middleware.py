"""An administrator's requests: a second factor before any page, in his language and time zone, noted as use."""

from collections.abc import Callable
from contextlib import nullcontext
from typing import cast

from allauth.account.authentication import get_authentication_records
from django.contrib.auth import logout
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.shortcuts import redirect
from django.utils import timezone, translation

from accounts.models import Administrator, AdministratorSession
from accounts.sessions import SessionStore
from sso_portal.lib.times import zone_of
from sso_portal.lib.web import LONGEST_FORM, is_fragment, is_live, length_of_body

GetResponse = Callable[[HttpRequest], HttpResponseBase]
# Doors with callers of their own: an administrator's cookie means nothing there, so it is not even looked up.
OTHER_DOORS = (
    *("/sso/", "/oauth/", "/bus/", "/client/", "/api/", "/includes/"),
    *("/.well-known/", "/static/", "/healthz", "/readyz", "/metrics"),
)
WITHOUT_SECOND_FACTOR = ("/accounts/2fa/", "/accounts/reauthenticate/", "/accounts/logout/")


def administrator_session(get_response: GetResponse) -> GetResponse:
    def middleware(request: HttpRequest) -> HttpResponseBase:
        if request.path.startswith(OTHER_DOORS):
            return get_response(request)
        response = _why_not_on(request) or _as_he_likes_it(get_response, request)
        return _whole_page(response) if is_fragment(request) else response

    return middleware


def _as_he_likes_it(get_response: GetResponse, request: HttpRequest) -> HttpResponseBase:
    """The answer in the language and the time zone that the administrator chose, where he did."""
    user = request.user if isinstance(request.user, Administrator) else None
    language, zone = (user.language, user.time_zone) if user else ("", "")
    with (
        timezone.override(zone_of(zone)) if zone else nullcontext(),
        translation.override(language) if language else nullcontext(),
    ):
        response = get_response(request)
        if language:
            response.headers["Content-Language"] = language
        return response


def _whole_page(response: HttpResponseBase) -> HttpResponseBase:
    """For htmx: a redirect, to the sign-in page say, is for the whole page, not for the part it asked for."""
    if response.status_code not in (301, 302, 303):
        return response
    onward = HttpResponse(status=204)
    onward.headers["HX-Redirect"] = response.headers["Location"]
    onward.cookies = response.cookies
    return onward


def _why_not_on(request: HttpRequest) -> HttpResponseRedirect | None:
    if not request.user.is_authenticated:
        # A long form is for those who are signed in: a stranger's is not even read.
        is_long = (length_of_body(request.META) or 0) > LONGEST_FORM
        return redirect_to_login(request.path) if is_long else None
    session = cast(SessionStore, request.session)
    if session.row and not is_live(request):
        AdministratorSession.objects.touch_if_due(session.row)
    if not session.has_factor:
        return None if request.path.startswith(WITHOUT_SECOND_FACTOR) else redirect("mfa_index")
    if has_second_factor(request):
        return None
    logout(request)  # it was set up meanwhile, elsewhere: this session never showed it
    return redirect("account_login")


def has_second_factor(request: HttpRequest) -> bool:
    """Whether this very session showed a second factor, or set up the account's first."""
    return any(record.get("method") == "mfa" for record in get_authentication_records(request, request.user))
