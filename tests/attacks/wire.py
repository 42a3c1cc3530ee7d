"""Requests as they come from a socket: bytes, through the whole of what a server serves, with no client's good manners.

Django's test client cannot send them: it encodes addresses, refuses headers, and leaves the outermost layer out.
"""

import io
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import unquote_to_bytes

from django.core.signals import request_finished, request_started
from django.db import close_old_connections

from sso_portal.wsgi import application
from tests.attacks.answers import Answer, what_is_wrong
from tests.conftest import PORTAL

JSON = "application/json"
FORM = "application/x-www-form-urlencoded"


def send(
    method: str,
    address: str,
    *,
    body: bytes = b"",
    kind: str | None = None,
    headers: Mapping[str, str] | None = None,
    host: str = PORTAL,
    peer: str = "127.0.0.1",
    **environ: Any,
) -> Answer:
    """One request; `address` is sent as it is written, `kind` is the content type. Its answer carries every header."""
    path, _, query = address.partition("?")
    sent: dict[str, Any] = {
        "REQUEST_METHOD": method,
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote_to_bytes(path).decode("latin-1"),
        "QUERY_STRING": query.encode("utf-8", "surrogatepass").decode("latin-1"),
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "8000",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": peer,
        "HTTP_HOST": host,
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": io.StringIO(),
        "wsgi.url_scheme": "http",
    }
    if kind is not None:
        sent["CONTENT_TYPE"] = kind
    for name, value in (headers or {}).items():
        sent[f"HTTP_{name.upper().replace('-', '_')}"] = value.encode("utf-8", "surrogatepass").decode(
            "latin-1"
        )
    answer = run(sent | environ)
    assert not what_is_wrong(address, answer), (
        method,
        address,
        answer.status,
        what_is_wrong(address, answer),
    )
    return answer


def run(environ: dict[str, Any]) -> Answer:
    """One request, as a server hands it over."""
    told: list[Any] = []
    with _connection_kept():
        answer = application(environ, lambda status, headers, exc_info=None: told.extend((status, headers)))
        try:
            body = b"".join(answer)
        finally:
            if hasattr(answer, "close"):
                answer.close()
    return Answer(int(told[0].split()[0]), told[1], body)


@contextmanager
def _connection_kept() -> Iterator[None]:
    """A server lets go of its connection after each request; a test's is in the middle of a transaction."""
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    try:
        yield
    finally:
        for signal in (request_started, request_finished):
            signal.connect(close_old_connections)
