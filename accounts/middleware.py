"""An administrator's session: a second factor before any page; ended when idle, or after its longest."""

from collections.abc import Callable
from urllib.parse import urlencode

from allauth.account.authentication import get_authentication_records
from allauth.mfa.utils import is_mfa_enabled
from django.conf import settings
from django.contrib.auth import logout
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone, translation

from accounts.models import Administrator
from accounts.signing_in import STARTED
from sso_portal.lib.web import is_fragment, is_live

GetResponse = Callable[[HttpRequest], HttpResponseBase]
SEEN = "seen"  # epoch seconds; written at most once a minute
# Doors with callers of their own: an administrator's cookie means nothing there, so it is not even looked up.
OTHER_DOORS = ("/sso/", "/api/", "/static/", "/healthz", "/readyz")
WITHOUT_SECOND_FACTOR = ("/accounts/2fa/", "/accounts/reauthenticate/", "/accounts/logout/")


def administrator_session(get_response: GetResponse) -> GetResponse:
    def middleware(request: HttpRequest) -> HttpResponseBase:
        if request.path.startswith(OTHER_DOORS):
            return get_response(request)
        response = (_why_not_on(request) if request.user.is_authenticated else None) or _in_language(
            get_response, request
        )
        return _whole_page(response) if is_fragment(request) else response

    return middleware


def _in_language(get_response: GetResponse, request: HttpRequest) -> HttpResponseBase:
    """The answer in the language that the administrator chose, if he did."""
    language = request.user.language if isinstance(request.user, Administrator) else ""
    if not language:
        return get_response(request)
    with translation.override(language):
        response = get_response(request)
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
    now = timezone.now().timestamp()
    started, seen = request.session.get(STARTED, 0), request.session.get(SEEN, now)
    idle, longest = (
        settings.ADMINISTRATOR_IDLE.total_seconds(),
        settings.ADMINISTRATOR_LONGEST.total_seconds(),
    )
    if now - started > longest or now - seen > idle:
        logout(request)
        return redirect(f"{reverse('account_login')}?{urlencode({'next': request.get_full_path()})}")
    if SEEN not in request.session or (now - seen > 60 and not is_live(request)):
        request.session[SEEN] = now
    if not is_mfa_enabled(request.user):
        return None if request.path.startswith(WITHOUT_SECOND_FACTOR) else redirect("mfa_index")
    if has_second_factor(request):
        return None
    logout(request)  # it was set up meanwhile, elsewhere: this session never showed it
    return redirect("account_login")


def has_second_factor(request: HttpRequest) -> bool:
    """Whether this very session showed a second factor, or set up the account's first."""
    return any(record.get("method") == "mfa" for record in get_authentication_records(request, request.user))
