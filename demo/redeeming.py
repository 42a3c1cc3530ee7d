"""The part a CRM developer writes: exchange the token for what it says, and believe only what checks out."""

import base64
import http.client
import json
import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from demo.configuration import Company, Configuration

TIMEOUT = 5  # seconds
LONGEST_ANSWER = 64 * 1024  # bytes
YEAR_2200 = 7_258_118_400  # epoch seconds; a later moment is nonsense and might not print


class Refused(Exception):
    """The login is not to be accepted; the text says why, for the log."""


class PortalUnavailable(Exception):
    """The portal gave no usable answer; the text says why, for the log."""


@dataclass(frozen=True)
class Login:
    """What the portal said about one login. Numbers are text here; times are epoch seconds."""

    subject: str
    username: str
    fullname: str
    email: str
    group_id: str
    group_code: str
    group_name: str
    departments: list[str]
    campaigns: list[str] | None  # None: all that the company has
    did: str
    cid: str
    call_id: str
    campaign_id: str
    destination: str
    amr: list[str]
    auth_time: int | None
    issued_at: int
    redeemed_at: int
    sid: str = ""  # of the agent's session at the portal, which tells when it ends
    is_person: bool = False  # of the company itself, sent by its billing system; of no group, and on no call


def redeem(token: str, *, company: Company, configuration: Configuration) -> Login:
    """Spend the token at the portal, server to server.

    Raises Refused when the login must not be accepted, PortalUnavailable when nobody can tell.
    """
    # 1. Ask, as this company.
    status, body = _post(configuration.redeem_url, company=company, payload={"token": token})
    # 2. Tell a "no" from an answer that is none.
    if status == http.client.BAD_REQUEST:
        raise Refused("the portal refused the token")
    if status != http.client.OK:
        raise PortalUnavailable(f"the portal answered {status}")
    said = _json_object(body)
    # 3. It must come from our portal and be meant for us.
    if said.get("iss") != configuration.portal_url:
        raise Refused("the issuer is not our portal")
    if said.get("client") != company.subdomain:
        raise Refused("the login is for another client")
    return _login(said)


def _post(address: str, *, company: Company, payload: dict[str, str]) -> tuple[int, bytes]:
    """Send JSON with HTTP Basic; follow no redirect, use no proxy, read no more than fits."""
    parts = urlsplit(address)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=TIMEOUT)
    try:
        connection.request("POST", parts.path or "/", body=json.dumps(payload), headers=_headers(company))
        answer = connection.getresponse()
        return answer.status, answer.read(LONGEST_ANSWER)
    except (OSError, http.client.HTTPException) as error:
        raise PortalUnavailable(f"no answer ({type(error).__name__})") from error
    finally:
        connection.close()


def _headers(company: Company) -> dict[str, str]:
    pair = f"{company.relying_party}:{company.secret}".encode()
    return {
        "Authorization": "Basic " + base64.b64encode(pair).decode("ascii"),
        "Content-Type": "application/json",
        "Accept": "application/json",
    }


def _json_object(body: bytes) -> dict[str, Any]:
    try:
        said = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise PortalUnavailable("the answer is not JSON") from error
    if not isinstance(said, dict):
        raise PortalUnavailable("the answer is not a JSON object")
    return said


def _login(said: dict[str, Any]) -> Login:
    try:
        is_person = said.get("kind", "agent") == "person"
        # Only of people may the group be missing: nobody is taken for an agent who comes without one.
        group = {"id": None, "code": None, "name": None} if is_person else said["group"]
        call = said["call"]
        return Login(
            subject=_text(said["sub"]),
            username=_text(said["username"]),
            fullname=_text(said.get("fullname")),
            email=_text(said.get("email")),
            group_id=_text(group["id"]),
            group_code=_text(group["code"]),
            group_name=_text(group["name"]),
            departments=_texts(said["departments"]),
            campaigns=None if said["campaigns"] == "all" else _texts(said["campaigns"]),
            did=_text(call.get("did")),
            cid=_text(call.get("cid")),
            call_id=_text(call.get("call_id")),
            campaign_id=_text(call.get("campaign_id")),
            destination=_text(said.get("destination")),
            amr=_texts(said["amr"]),
            auth_time=None if said["auth_time"] is None else _moment(said["auth_time"]),
            issued_at=_moment(said["issued_at"]),
            redeemed_at=int(time.time()),
            sid=_text(said.get("sid")),
            is_person=is_person,
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise PortalUnavailable("the answer is not in the agreed form") from error


def _text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise TypeError("text or a number was agreed")
    return str(value)


def _texts(values: object) -> list[str]:
    if not isinstance(values, list):
        raise TypeError("a list was agreed")
    return [_text(value) for value in values]


def _moment(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < YEAR_2200:
        raise ValueError("epoch seconds were agreed")
    return value
