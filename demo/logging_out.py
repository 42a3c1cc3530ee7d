"""The other part a CRM developer writes: the portal tells that a session has ended, and is believed if it signed that.

OpenID Connect Back-Channel Logout 1.0, section 2.6.
"""

import http.client
import json
import threading
import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from demo.configuration import Company, Configuration
from demo.redeeming import LONGEST_ANSWER, TIMEOUT, PortalUnavailable, Refused

EVENT = "http://schemas.openid.net/event/backchannel-logout"
TYPE = "logout+jwt"
ALGORITHMS = ["RS256", "ES256"]  # never what the token itself asks for
CLOCKS_DIFFER = 30  # seconds
KEYS_KEPT = 300  # seconds; the portal publishes a key long before it signs with it


@dataclass(frozen=True)
class LogOut:
    """Whose session is over: everything that began with this `sid`, at this company."""

    company: Company
    sid: str


class PortalKeys:
    """The portal's public keys, fetched when they are needed and kept for some minutes."""

    def __init__(self, address: str) -> None:
        """Remember where they are published."""
        self.address = address
        self._keys, self._good_until = KeySet([]), 0.0
        self._lock = threading.Lock()

    def now(self) -> KeySet:
        """Return them, or raise PortalUnavailable."""
        with self._lock:
            if time.monotonic() >= self._good_until:
                self._keys = _fetched(self.address)
                self._good_until = time.monotonic() + KEYS_KEPT
            return self._keys


def read_log_out(token: str, *, keys: PortalKeys, configuration: Configuration) -> LogOut:
    """Return whom a logout token is about.

    Raises Refused when the portal did not make it, or not for this, PortalUnavailable when nobody can tell.
    """
    # 1. The portal signed it, as a logout token: an ID token says who somebody is, not that he left.
    try:
        found = jwt.decode(token, keys.now(), algorithms=ALGORITHMS)
    except (JoseError, ValueError) as error:
        raise Refused(f"the signature is not the portal's ({type(error).__name__})") from error
    if found.header.get("typ") != TYPE:
        raise Refused("a token for something else")
    said = found.claims
    # 2. It comes from our portal, to one of our companies, now.
    if said.get("iss") != configuration.portal_url:
        raise Refused("the issuer is not our portal")
    company = next((c for c in configuration.companies.values() if c.relying_party == said.get("aud")), None)
    if company is None:
        raise Refused("meant for somebody else")
    if not _is_current(said):
        raise Refused("too old")
    # 3. It says that a session is over, and which.
    events, sid = said.get("events"), said.get("sid")
    if not isinstance(events, dict) or not isinstance(events.get(EVENT), dict) or "nonce" in said:
        raise Refused("it says something else")
    if not isinstance(sid, str) or not sid:
        raise Refused("no session is named")
    return LogOut(company, sid)


def _is_current(said: dict[str, Any]) -> bool:
    begins, ends = said.get("iat"), said.get("exp")
    if not isinstance(begins, int) or not isinstance(ends, int):
        return False
    return begins - CLOCKS_DIFFER <= time.time() < ends + CLOCKS_DIFFER


def _fetched(address: str) -> KeySet:
    parts = urlsplit(address)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=TIMEOUT)
    try:
        connection.request("GET", parts.path)
        answer = connection.getresponse()
        body = answer.read(LONGEST_ANSWER)
        if answer.status != http.client.OK:
            raise PortalUnavailable(f"the portal answered {answer.status}")
        return KeySet.import_key_set(json.loads(body))
    except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError, JoseError) as error:
        raise PortalUnavailable(f"no keys ({type(error).__name__})") from error
    finally:
        connection.close()
