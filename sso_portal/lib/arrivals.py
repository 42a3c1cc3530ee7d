"""A request as it arrives, before Django makes one of its own; and the answer to one that is answered right then."""

from collections.abc import Callable
from http import HTTPStatus
from io import BytesIO
from typing import Any, NamedTuple

from django.http import HttpRequest, parse_cookie

from sso_portal.lib.secrets import new_readable_code

ARRIVAL = "portal.arrival"  # where Django's request has the arrival, beside what the server tells
REASONS = {status.value: status.phrase for status in HTTPStatus}
Headers = dict[str, str]


class Arrival:
    """What the server tells of a request (PEP 3333), by the names that Django's requests have for the same.

    `route`, `door` and the caller's `address` are known when it asks for what is answered at once. `issued` and
    `failed` are what the plain path must know of a request that was tried: what it has issued already, and what stopped
    it, which may have been done and is not to be tried again.
    """

    route = door = address = ""
    issued: Any = None
    failed: Exception | None = None
    span: Any = None  # of OpenTelemetry

    def __init__(self, environ: dict[str, Any]) -> None:
        self.META = environ
        self.method: str = environ["REQUEST_METHOD"]
        self.path: str = environ["PATH_INFO"]
        self.reference = new_readable_code()
        environ[ARRIVAL] = self

    @property
    def COOKIES(self) -> dict[str, str]:  # noqa: N802  (Django's name)
        return parse_cookie(self.META.get("HTTP_COOKIE", ""))

    @property
    def body(self) -> bytes:
        """What it brought, as long as it says; who reads after us finds it whole. Empty where it cannot be read."""
        try:
            body: bytes = self.META["wsgi.input"].read(int(self.META["CONTENT_LENGTH"]))
        except OSError:
            return b""
        self.META["wsgi.input"] = BytesIO(body)
        return body


class Answer(NamedTuple):
    """An answer with the headers that are its own."""

    status: int
    headers: Headers
    body: bytes = b""

    @property
    def status_line(self) -> str:
        """The status as servers want it."""
        return f"{self.status} {REASONS[self.status]}"


# An answer to what is usual; None: it goes on as if nobody had looked.
AtOnce = Callable[[Arrival], Answer | None]


def arrival_of(request: HttpRequest) -> Arrival | None:
    """How Django's request arrived; None where it was made by no server."""
    arrival: Arrival | None = request.META.get(ARRIVAL)
    return arrival
