"""What happens to every request before and after its view."""

import re
import time
from collections.abc import Callable
from typing import ClassVar, cast

import structlog
from csp.constants import HEADER
from csp.middleware import CSPMiddleware
from csp.utils import build_policy
from django.conf import settings
from django.core.exceptions import DisallowedHost
from django.http import HttpRequest, HttpResponseBase
from django.middleware.locale import LocaleMiddleware
from django.utils import translation
from django.utils.translation import gettext_noop

from accounts import audit
from sso_portal import pages, watching
from sso_portal.lib.arrivals import arrival_of
from sso_portal.lib.refusals import TOO_LARGE, Refusal, Refused
from sso_portal.lib.secrets import new_readable_code
from sso_portal.lib.web import LONGEST_FORM, caller_of, is_for_software, length_of_body
from sso_portal.views import refuse

GetResponse = Callable[[HttpRequest], HttpResponseBase]
WATCHED = ("/healthz", "/readyz", "/metrics")
UPLOADS = re.compile(r"/groups/[0-9]{1,9}/(?:[a-z]+/)*(?:import|roster)/")  # pages that take CSV files
LONG_FORMS = ("/groups/", "/backoffice/")  # pages whose forms may have a thousand fields
POP = re.compile(r"/sso/group/[A-Za-z0-9-]{1,63}/?")
FILES = (200, 206, 304)  # what WhiteNoise answers for a file that is there
REDIRECTS = (301, 302, 303, 307, 308)
ALWAYS = {  # headers
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Cross-Origin-Resource-Policy": "same-origin",
}
NOT_KEPT = {"Cache-Control": "no-store"}
UNREADABLE = Refusal("unreadable", gettext_noop("This address holds characters that no address has."), 400)
NO_ADDRESS = Refusal(
    "no_address", gettext_noop("The portal cannot tell from which address this request comes."), 400
)
WRONG_METHOD = Refusal(
    "method_not_allowed", gettext_noop("This page answers to links and to its own forms only."), 405
)
UNKNOWN_HOST = Refusal("unknown_host", gettext_noop("Nothing is served under this host name."), 421)


def edge(get_response: GetResponse) -> GetResponse:
    """Outermost: the request's reference number, and the headers that every answer carries."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        began = time.perf_counter()
        arrival = arrival_of(request)
        request.reference = arrival.reference if arrival else new_readable_code()  # type: ignore[attr-defined]
        structlog.contextvars.bind_contextvars(reference=request.reference)  # type: ignore[attr-defined]
        if number := watching.number_of_proxy(request):
            structlog.contextvars.bind_contextvars(proxy_request_id=number)
        try:
            response = get_response(request)
            watching.tell(request, response, seconds=time.perf_counter() - began)
        finally:
            structlog.contextvars.clear_contextvars()
        response.headers.setdefault("X-Request-Id", request.reference)  # type: ignore[attr-defined]
        for name, value in ALWAYS.items():
            response.headers.setdefault(name, value)
        is_file = request.path.startswith(settings.STATIC_URL) and response.status_code in FILES
        if not is_file and not hasattr(response, "is_kept"):
            for name, value in NOT_KEPT.items():
                response.headers[name] = value
        return response

    return middleware


class ContentPolicy(CSPMiddleware):
    """django-csp's; the policy of an answer that asks for no exception is worded once, not each time."""

    def __init__(self, get_response: GetResponse) -> None:
        super().__init__(get_response)
        self.usual = build_policy()

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        if any(name.startswith("_csp_") for name in vars(response)):
            return super().process_response(request, response)
        response.headers.setdefault(HEADER, self.usual)
        return response


class LanguageOfPages(LocaleMiddleware):
    """Django's, which tells the language of a redirect too, though there is not a word in it."""

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        return response if response.status_code in REDIRECTS else super().process_response(request, response)


def language(get_response: GetResponse) -> GetResponse:
    """Pages speak the browser's language, as far as it is ours; software is always answered in English."""
    of_pages: GetResponse = cast("GetResponse", LanguageOfPages(get_response))

    def middleware(request: HttpRequest) -> HttpResponseBase:
        if not is_for_software(request.path):
            return of_pages(request)
        with translation.override(
            settings.LANGUAGE_CODE
        ):  # or a page before, in this thread, would choose it
            return get_response(request)

    return middleware


def admission(get_response: GetResponse) -> GetResponse:
    """Within the middleware that adds headers: what no view should have to think of is refused here."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        return _refuse_unreadable(request) or _route_by_host(request) or get_response(request)

    return middleware


def past_pages(get_response: GetResponse) -> GetResponse:
    """Software, and a pop, go past all that only pages need: sessions, forms, messages, administrators."""
    straight_on = Refusals.innermost  # Django makes the innermost first

    def middleware(request: HttpRequest) -> HttpResponseBase:
        is_page = not is_for_software(request.path) and not POP.fullmatch(request.path)
        return get_response(request) if is_page else straight_on(request)

    return middleware


def _refuse_unreadable(request: HttpRequest) -> HttpResponseBase | None:
    """Refuse what no view should have to think of: NUL characters, huge bodies, a caller without an address."""
    if "\0" in request.path or "%00" in request.META.get("QUERY_STRING", ""):
        return _refused_early(request, UNREADABLE)
    length = length_of_body(request.META)
    if length is None or length > _largest_body(request.path):
        return _refused_early(request, TOO_LARGE)
    if request.META.get("REMOTE_ADDR") and caller_of(request).address is None:
        return _refused_early(request, NO_ADDRESS)
    return None


def _largest_body(path: str) -> int:
    """How many bytes a page at this address takes. Doors for software judge that themselves."""
    if UPLOADS.fullmatch(path):
        return settings.LARGEST_UPLOAD
    return settings.DATA_UPLOAD_MAX_MEMORY_SIZE if path.startswith(LONG_FORMS) else LONGEST_FORM


def _refused_early(request: HttpRequest, refusal: Refusal) -> HttpResponseBase | None:
    """A page; doors for software word these refusals themselves, but for the host name and the address."""
    if is_for_software(request.path) and refusal in (UNREADABLE, TOO_LARGE):
        return None
    audit.record_refusal(Refused(refusal), caller=caller_of(request))
    return pages.refused_anywhere(request, refusal)


def _route_by_host(request: HttpRequest) -> HttpResponseBase | None:
    """A client's host name serves the API alone, the portal's the rest; an unknown one is refused."""
    if request.path in WATCHED:  # asked for by address, by whatever watches over the machine
        request.META["HTTP_HOST"] = settings.PORTAL_HOST
        return None
    try:
        host = request.get_host().rsplit(":", 1)[0].rstrip(".").lower()
    except DisallowedHost:
        request.META["HTTP_HOST"] = settings.PORTAL_HOST  # so that nothing further in trips over it
        return _refused_early(request, UNKNOWN_HOST)
    if host == settings.PORTAL_HOST:
        request.META["HTTP_HOST"] = settings.PORTAL_NETLOC  # whatever port the caller wrote
    else:
        request.client_subdomain = host.removesuffix(f".{settings.CLIENT_DOMAIN}")  # type: ignore[attr-defined]
        request.urlconf = settings.CLIENT_HOST_URLCONF
    return None


class Refusals:
    """Innermost: words a refusal as a page, and records it in a transaction of its own."""

    innermost: ClassVar["Refusals"]

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response
        Refusals.innermost = self

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        if response.status_code == 405 and not is_for_software(request.path):  # the framework's own, empty
            page = refuse(request, WRONG_METHOD)
            page.headers["Allow"] = response.headers.get("Allow", "")
            return page
        return response

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponseBase | None:
        if not isinstance(exception, Refused):
            return None
        audit.record_refusal(exception, caller=caller_of(request))
        return pages.refused(
            request, exception.refusal, about=exception.about, retry_after=exception.retry_after
        )
