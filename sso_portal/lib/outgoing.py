"""Requests that the portal makes itself, to addresses that people registered: bound to what was looked at before.

A name is resolved once and the connection made to exactly that address, so that a name cannot be one thing when it is
looked at and another when it is used. Only public addresses are asked, no redirect is followed, and whatever the other
side does, an answer takes at most `LONGEST` and `LARGEST` (trust.md, "Machines").
"""

import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from http.client import HTTPException
from ipaddress import IPv4Address, ip_address
from urllib.parse import SplitResult, urlencode, urlsplit

from django.conf import settings
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError
from urllib3.response import HTTPResponse

from sso_portal.lib.addresses import Address, is_within, parse_networks

LONGEST = 5.0  # seconds, from the first look at the address to the last byte of the answer
LONGEST_CONNECT = 3.0  # seconds
LARGEST = 64 * 1024  # bytes of an answer that are read
MOST_ADDRESSES = 4  # of a name, that are tried one after the other
USER_AGENT = "agent-portal"

# Nobody on the open network has an address in these (IANA's registries of special-purpose addresses).
PRIVATE = parse_networks(
    [
        *("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "127.0.0.0/8", "100.64.0.0/10"),
        *("192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "198.18.0.0/15", "198.51.100.0/24"),
        *("203.0.113.0/24", "240.0.0.0/4"),
    ]
)
# Nor may anybody be asked at these, whatever a setting allows: this host, its links, the machine's own cloud.
NEVER = parse_networks(
    [
        *("0.0.0.0/8", "169.254.0.0/16", "224.0.0.0/4", "255.255.255.255/32"),
        *("100.100.100.200/32", "168.63.129.16/32", "192.0.0.192/32", "fd00:ec2::/32", "fd20:ce::/32"),
        *("::/128", "fe80::/10", "fec0::/10", "ff00::/8"),
        # IPv4 addresses in IPv6's clothes: mapped, compatible, translated (NAT64), 6to4, Teredo
        *("::ffff:0:0/96", "::ffff:0:0:0/96", "64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/32"),
    ]
)
GLOBAL_UNICAST = parse_networks(["2000::/3"])  # of IPv6, all that is given to anybody; but for:
NOT_GLOBAL = parse_networks(["2001::/23", "2001:db8::/32", "3fff::/20"])


@dataclass(frozen=True)
class Answer:
    """What the other side said. Of a longer body, the first `LARGEST` bytes."""

    status: int
    body: bytes


class NotAsked(Exception):
    """There was no answer. `why` is stable, `detail` what else is known; neither holds a secret."""

    def __init__(self, why: str, detail: str = "") -> None:
        super().__init__(why, detail)
        self.why, self.detail = why, detail

    def __str__(self) -> str:
        return f"{self.why}: {self.detail}" if self.detail else self.why


def post_form(url: str, fields: Mapping[str, str], *, reference: str) -> Answer:
    """Post a form there, under a reference number that both sides may log. Raises NotAsked when there is no answer."""
    headers = {"Content-Type": "application/x-www-form-urlencoded", "X-Request-Id": reference}
    return _ask("POST", url, body=urlencode(fields).encode(), headers=headers)


def get(url: str) -> Answer:
    """Get what is there. Raises NotAsked when there is no answer."""
    return _ask("GET", url, body=None, headers={})


def may_be_asked(address: Address) -> bool:
    """Whether the portal makes requests to this address: a public one, or one that the settings allow."""
    if is_within(address, NEVER):
        return False
    if is_within(address, settings.OUTGOING_PRIVATE):
        return True
    if isinstance(address, IPv4Address):
        return not is_within(address, PRIVATE)
    return is_within(address, GLOBAL_UNICAST) and not is_within(address, NOT_GLOBAL)


def _ask(method: str, url: str, *, body: bytes | None, headers: Mapping[str, str]) -> Answer:
    ends_at = time.monotonic() + LONGEST
    parts = _parts_of(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    addresses = _resolved(parts.hostname or "", port, ends_at=ends_at)
    target = f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"
    always = {"Host": parts.netloc, "User-Agent": USER_AGENT, "Accept": "*/*", "Accept-Encoding": "identity"}
    with (
        _told_apart(ends_at),
        contextlib.closing(_connected(parts, port, addresses, ends_at)) as line,
        _cut_off(line, ends_at),
    ):
        wanted = {**always, "Connection": "close", **headers}
        line.request(method, target, body, wanted, preload_content=False, decode_content=False)
        answer = line.getresponse()
        return Answer(answer.status, _beginning_of(answer, ends_at))


def _parts_of(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise NotAsked("bad address") from None
    is_plain = url.isascii() and url.isprintable() and " " not in url and "@" not in parts.netloc
    if not parts.hostname or port == 0 or not is_plain:
        raise NotAsked("bad address")
    if parts.scheme != "https" and not (parts.scheme == "http" and settings.DEMO):
        raise NotAsked("not https")
    return parts


def _resolved(host: str, port: int, *, ends_at: float) -> Sequence[str]:
    """The addresses of a host, asked for once. Raises NotAsked unless every one of them may be asked."""
    found: list[str] = []
    failed: list[Exception] = []

    def look_up() -> None:
        try:
            rows = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            found.extend(dict.fromkeys(str(row[4][0]) for row in rows))
        except (OSError, UnicodeError) as error:
            failed.append(error)

    # The resolver knows no time limit, so it is asked in a thread that nobody has to wait for.
    thread = threading.Thread(target=look_up, name="resolver", daemon=True)
    thread.start()
    thread.join(max(0.0, ends_at - time.monotonic()))
    if thread.is_alive():
        raise NotAsked("timed out", "the name was not resolved")
    if failed or not found:
        raise NotAsked("unknown host")
    for text in found:
        try:
            address = ip_address(text)
        except ValueError:
            raise NotAsked("not public") from None
        if not may_be_asked(address):
            raise NotAsked("not public", text)
    return found[:MOST_ADDRESSES]


def _connected(parts: SplitResult, port: int, addresses: Sequence[str], ends_at: float) -> HTTPConnection:
    """A connection to the first address that takes it, its certificate checked against the name."""
    for number, address in enumerate(addresses, 1):
        share = (ends_at - time.monotonic()) / (len(addresses) - number + 1)
        timeout = max(0.05, min(LONGEST_CONNECT, share))
        line: HTTPConnection
        if parts.scheme == "https":
            line = HTTPSConnection(
                address, port, timeout=timeout, ssl_context=_trust(), server_hostname=parts.hostname
            )
        else:
            line = HTTPConnection(address, port, timeout=timeout)
        try:
            line.connect()
            return line
        except (OSError, HTTPError) as error:
            line.close()
            is_last = number == len(addresses)
            if is_last or isinstance(error, ssl.SSLError):
                raise
    raise NotAsked("unknown host")


@lru_cache(maxsize=1)
def _trust() -> ssl.SSLContext:
    """The machine's own list of authorities (SSL_CERT_FILE names another), read once: it is long."""
    return ssl.create_default_context()


@contextlib.contextmanager
def _cut_off(line: HTTPConnection, ends_at: float) -> Iterator[None]:
    """Hang up when the time has come, even on somebody who sends a byte now and then."""
    left = max(0.05, ends_at - time.monotonic())
    line.timeout = left  # of one silence; the clock is for the whole
    clock = threading.Timer(left, _hang_up, [line.sock])
    clock.daemon = True
    clock.start()
    try:
        yield
    finally:
        clock.cancel()


def _hang_up(taken: socket.socket) -> None:
    with contextlib.suppress(OSError):
        # Not the method of a TLS socket, which would pull its state from under the thread that reads.
        socket.socket.shutdown(taken, socket.SHUT_RDWR)


def _beginning_of(answer: HTTPResponse, ends_at: float) -> bytes:
    body = b""
    while len(body) < LARGEST and (some := answer.read(min(8192, LARGEST - len(body)))):
        body += some
    if time.monotonic() >= ends_at:  # hung up on: the rest is missing
        raise NotAsked("timed out")
    return body


@contextlib.contextmanager
def _told_apart(ends_at: float) -> Iterator[None]:
    """What can go wrong on the way, in words that say nothing of what was sent."""
    try:
        yield
    except (OSError, HTTPError, HTTPException, ValueError) as error:
        root = next((e for e in _causes(error) if isinstance(e, ssl.SSLError)), error)
        if isinstance(root, ssl.SSLError) and not isinstance(root, TimeoutError):
            raise NotAsked(
                "bad certificate", getattr(root, "verify_message", "") or str(root.reason or "")
            ) from error
        if time.monotonic() >= ends_at - 0.05 or any(isinstance(e, TimeoutError) for e in _causes(error)):
            raise NotAsked("timed out") from error
        raise NotAsked("no connection", _words_of(error)) from error


def _causes(error: BaseException) -> Iterator[BaseException]:
    """An exception, and what it came of."""
    seen: BaseException | None = error
    while seen is not None:
        yield seen
        inner = [arg for arg in seen.args if isinstance(arg, BaseException)]
        seen = seen.__cause__ or seen.__context__ or (inner[0] if inner else None)


def _words_of(error: BaseException) -> str:
    """What the operating system called it; of anything else, nothing that the other side could have chosen."""
    return next((e.strerror for e in _causes(error) if isinstance(e, OSError) and e.strerror), "")
