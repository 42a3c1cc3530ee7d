"""The express lane: usual calls of the busy doors are answered here, before all that only other requests need.

An answer leaves with the headers that the middleware further in would have added: they are the same each time, and
asked of it once. Whatever is unusual goes on as if nobody had looked. tests/tokens/test_at_once.py holds the two ways
together: answers, headers and rows.
"""

from collections.abc import Sequence
from importlib import import_module
from typing import Any

from django.conf import settings
from django.db import DatabaseError, InterfaceError
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.middleware.clickjacking import XFrameOptionsMiddleware
from django.middleware.security import SecurityMiddleware
from django.urls import URLPattern

from sso_portal.lib.web import caller_of
from sso_portal.middleware import ALWAYS, ContentPolicy, GetResponse
from tokens.urls import at_once, busy

NO_BODY = ("", "0")
Store = dict[str, tuple[str, str]]  # headers, by their names in small letters


def express(get_response: GetResponse) -> GetResponse:
    """Answer what is usual at once; all else goes on."""
    of_clients = import_module(settings.CLIENT_HOST_URLCONF).busy
    beneath = f".{settings.CLIENT_DOMAIN}"
    headers = headers_of_every_answer()

    def middleware(request: HttpRequest) -> HttpResponseBase:
        host = request.META.get("HTTP_HOST", "")
        if host == settings.PORTAL_NETLOC:
            answer = _answer(request, busy)
        elif host.endswith(beneath) and host != settings.PORTAL_HOST:
            answer = _answer(request, of_clients, subdomain=host.removesuffix(beneath))
        else:
            answer = None
        return _with(headers, answer) if answer else get_response(request)

    return middleware


def headers_of_every_answer() -> Store:
    """What middleware adds to an answer that asks for no exception, as Django keeps it."""
    request = HttpRequest()
    request.META |= {"wsgi.url_scheme": "https", "HTTP_X_FORWARDED_PROTO": "https"}

    def nothing(_: HttpRequest) -> HttpResponse:
        return HttpResponse(headers=ALWAYS)

    answer: Any = nothing(request)
    for layer in (ContentPolicy, XFrameOptionsMiddleware, SecurityMiddleware):
        answer = layer(nothing).process_response(request, answer)
    del answer.headers["Content-Type"]
    store: Store = answer.headers._store
    return store


def _with(headers: Store, answer: HttpResponse) -> HttpResponse:
    # Not header by header: Django would look at each once more, which costs as much as a page's worth of middleware.
    answer.headers._store = headers | answer.headers._store
    return answer


def _answer(request: HttpRequest, addresses: Sequence[URLPattern], **told: str) -> HttpResponse | None:
    """What came of it, when this was asked for at one of these addresses, and all was as usual."""
    for address in addresses:
        match = address.resolve(request.path_info.removeprefix("/"))
        if match is None:
            continue
        if not _is_usual(request):
            return None
        request.resolver_match = match
        try:
            return at_once[address.name or ""](request, **told, **match.kwargs)
        except (DatabaseError, InterfaceError) as error:  # it may have been done: not to be tried again
            request.failed = error  # type: ignore[attr-defined]  # see `failure_of`
    return None


def _is_usual(request: HttpRequest) -> bool:
    """Whether nothing further in would stop this request because of how it came."""
    return (
        (request.is_secure() or not settings.SECURE_SSL_REDIRECT)
        and "%00" not in request.META.get("QUERY_STRING", "")
        and (request.method == "POST" or request.META.get("CONTENT_LENGTH", "") in NO_BODY)
        and caller_of(request).address is not None
    )
