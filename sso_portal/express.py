"""The express lane: usual calls of the busy doors are answered here, before Django makes a request of them.

What Django does for any request costs more than the act itself. An answer leaves with the headers that middleware would
have added: they are the same each time, and asked of it once. Whatever is unusual goes on as if nobody had looked.
tests/tokens/test_at_once.py holds the two ways together: answers, headers and rows.
"""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from importlib import import_module
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.middleware.clickjacking import XFrameOptionsMiddleware
from django.middleware.security import SecurityMiddleware
from django.urls import URLPattern

from sso_portal import watching
from sso_portal.lib.addresses import is_within, parse_address
from sso_portal.lib.arrivals import Answer, Arrival, AtOnce, Headers
from sso_portal.lib.web import caller_of
from sso_portal.middleware import ALWAYS, NOT_KEPT, ContentPolicy
from tokens.urls import at_once, busy

Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]
# Headers that nobody else is believed. (X-Forwarded-For: `client_address`.)
OF_PROXIES = ("HTTP_X_FORWARDED_PROTO", "HTTP_X_REQUEST_ID", "HTTP_TRACEPARENT", "HTTP_TRACESTATE")
NO_BODY = ("", "0")
TRACED = "sso_portal.tracing.traced"


def express(portal: Application) -> Application:
    """Outermost: believe headers of proxies to proxies alone, and answer what is usual; all else is for the portal."""
    headers, answer_of = headers_of_every_answer(), usual_answers()
    trusted = settings.TRUSTED_PROXIES

    @lru_cache(maxsize=1000)
    def is_proxy(peer: str) -> bool:
        return is_within(parse_address(peer), trusted)

    if TRACED in settings.MIDDLEWARE:
        answer_of = import_module("sso_portal.tracing").traced_at_once(answer_of)

    def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        began = time.perf_counter()
        if not is_proxy(environ.get("REMOTE_ADDR", "")):
            for name in OF_PROXIES:
                environ.pop(name, None)
        arrival = Arrival(environ)
        answer = answer_of(arrival)
        if answer is None:
            return portal(environ, start_response)
        watching.tell_arrival(arrival, answer, seconds=time.perf_counter() - began)
        own = answer.headers | {"X-Request-Id": arrival.reference}
        start_response(answer.status_line, list((headers | own).items()))
        return (answer.body,)

    return application


def headers_of_every_answer() -> Headers:
    """What middleware adds to an answer that asks for no exception."""
    request = HttpRequest()
    request.META |= {"wsgi.url_scheme": "https", "HTTP_X_FORWARDED_PROTO": "https"}

    def nothing(_: HttpRequest) -> HttpResponse:
        return HttpResponse(headers=ALWAYS | NOT_KEPT)

    answer: Any = nothing(request)
    for layer in (ContentPolicy, XFrameOptionsMiddleware, SecurityMiddleware):
        answer = layer(nothing).process_response(request, answer)
    del answer.headers["Content-Type"]
    return dict(answer.headers.items())


def usual_answers() -> AtOnce:
    """What answers an arrival when it was asked for at one of these addresses, and all was as usual."""
    of_clients = import_module(settings.CLIENT_HOST_URLCONF).busy
    beneath = f".{settings.CLIENT_DOMAIN}"

    def answer(arrival: Arrival) -> Answer | None:
        host = arrival.META.get("HTTP_HOST", "")
        if host == settings.PORTAL_NETLOC:
            return _answer(arrival, busy)
        if host.endswith(beneath) and host != settings.PORTAL_HOST:
            return _answer(arrival, of_clients, subdomain=host.removesuffix(beneath))
        return None

    return answer


def _answer(arrival: Arrival, addresses: Sequence[URLPattern], **told: str) -> Answer | None:
    for address in addresses:
        match = address.pattern.match(arrival.path[1:])
        if match is None:
            continue
        arrival.route = address.name or ""
        arrival.door, act = at_once[arrival.route]
        caller = caller_of(arrival, door=arrival.door)
        arrival.address = caller.address_text
        if not arrival.address or not _is_usual(arrival):
            return None
        try:
            return act(arrival, caller, **told, **match[2])
        except Exception as error:  # an outage or a bug: worded further in, where all others are
            arrival.failed = error
    return None


def _is_usual(arrival: Arrival) -> bool:
    """Whether nothing further in would stop this request because of how it came."""
    told: Mapping[str, Any] = arrival.META
    is_secure = "https" in (told["wsgi.url_scheme"], told.get("HTTP_X_FORWARDED_PROTO"))
    return (
        (is_secure or not settings.SECURE_SSL_REDIRECT)
        and (arrival.method == "POST" or told.get("CONTENT_LENGTH", "") in NO_BODY)
        and "%00" not in told.get("QUERY_STRING", "")
        and not told.get("SCRIPT_NAME")
    )
