"""What is told of the portal to those who watch over it: counts, a line of the log for each request, `/metrics`."""

import re
import time
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.utils.crypto import constant_time_compare
from django.views.decorators.http import require_safe
from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from sso_portal.gauges import Gauges
from sso_portal.lib import counts, logs, metrics
from sso_portal.lib.afterwards import counting, writing
from sso_portal.lib.arrivals import Answer, Arrival
from sso_portal.lib.web import DOORS, caller_of, reference_of
from sso_portal.views import nothing_here

# Pages that are too many to be told apart, by the first part of their path.
PAGES = {"groups": "console", "backoffice": "backoffice", "static": "static"}
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
OTHER = "other"
NOTHING = "none"  # the route of an address that leads nowhere
NUMBER_OF_PROXY = re.compile(r"[\w.:=@/+-]{8,128}", re.ASCII)
QUIET = ("static", "healthz", "readyz", "metrics")  # not worth a line


def tell(request: HttpRequest, response: HttpResponseBase, *, seconds: float) -> None:
    """Count this request, which was answered in so many seconds, and write its line to the log: both in a moment."""
    address = caller_of(request).address_text
    _tell(request, route_of(request), door_of(request), response.status_code, address, seconds)


def tell_arrival(arrival: Arrival, answer: Answer, *, seconds: float) -> None:
    """The same of a request that was answered as it arrived."""
    _tell(arrival, arrival.route, arrival.door, answer.status, arrival.address, seconds)


def _tell(
    request: HttpRequest | Arrival, route: str, door: str, status: int, address: str, seconds: float
) -> None:
    method = method_of(request)
    counting(_count, (door, route, method, status, seconds))
    if settings.LOG_REQUESTS and route not in QUIET:
        facts: logs.Facts = {
            "reference": reference_of(request),
            "method": method,
            "route": route,
            "status": status,
            "milliseconds": round(seconds * 1000, 1),
            "door": door,
            "address": address,
        }
        if number := number_of_proxy(request):
            facts["proxy_request_id"] = number
        writing(logs.write_requests, (time.time(), facts))


def _count(answered: list[tuple[str, str, str, int, float]]) -> None:
    for door, route, method, status, seconds in answered:
        metrics.count_request(door=door, route=route, method=method, status=status, seconds=seconds)


def number_of_proxy(request: HttpRequest | Arrival) -> str:
    """The X-Request-Id of a trusted proxy, which its own log has; "" where it sent none that may stand in ours."""
    number = request.META.get("HTTP_X_REQUEST_ID", "")
    return number if number and NUMBER_OF_PROXY.fullmatch(number) else ""


def method_of(request: HttpRequest | Arrival) -> str:
    """The method, where it is one that anybody knows."""
    return request.method if request.method in METHODS else OTHER


def route_of(request: HttpRequest) -> str:
    """The name of the address that was asked for: one of the URL configuration's, never a word of the request's."""
    match = request.resolver_match
    if match is None:
        return "static" if request.path.startswith(settings.STATIC_URL) else NOTHING
    return PAGES.get(_first_part(request)) or match.url_name or NOTHING


def door_of(request: HttpRequest) -> str:
    """The door that was used, as events call it."""
    match = request.resolver_match
    of_software = getattr(getattr(match, "func", None), "cls", None)
    return getattr(of_software, "name", "") or DOORS.get(_first_part(request), "main")


def _first_part(request: HttpRequest) -> str:
    return request.path.split("/", 2)[1]


@require_safe
def metrics_page(request: HttpRequest) -> HttpResponse:
    """What Prometheus reads; for whoever shows the METRICS_TOKEN. Where there is none, there is no such page."""
    if not settings.METRICS_TOKEN:
        return nothing_here(request)
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not constant_time_compare(token.strip(), settings.METRICS_TOKEN):
        wanted = {"WWW-Authenticate": 'Bearer realm="metrics"'}
        return HttpResponse("Send the METRICS_TOKEN.\n", "text/plain", status=401, headers=wanted)
    counting.do_all()  # what this process has counted; the others do within a moment
    # The library has no types for the first.
    counted: Any = MultiProcessCollector(None) if counts.folder() else metrics.COUNTED  # type: ignore[no-untyped-call]
    told = generate_latest(counted) + generate_latest(Gauges())
    return HttpResponse(told, CONTENT_TYPE_PLAIN_0_0_4)
