"""The SSO API of the call-center platform (wire.md, section 2): one request, one login address."""

from typing import Any

from django.conf import settings
from rest_framework.request import Request
from rest_framework.response import Response

from groups.models import NAME_LENGTH, USERNAME_LENGTH
from sso_portal.lib.arrivals import Answer, Arrival
from sso_portal.lib.refusals import Refusal, Refused
from sso_portal.lib.text import why_not_email, why_not_username
from sso_portal.lib.web import Caller
from tokens import at_once
from tokens.dialects.base import TOO_MANY, Door, answer_in_json, json_body, text_field, usual_body
from tokens.dialects.group_keys import key_shown
from tokens.handing_off import Receiver, address_of
from tokens.issuing import ACTION, CallContext
from tokens.issuing_by_name import issue_by_name
from tokens.models import PlatformKey, issued_last_minute

# One answer for a missing, wrong, ended or foreign key, and for an address that is not on the list.
UNAUTHORIZED = Refusal(
    "unauthorized", "Platform-Key is missing or wrong, or may not be used from this address.", 401
)
LARGEST_NUMBER = 2**31 - 1


class PlatformDoor(Door):
    """An address of this API: the key's group, called from an address on its list."""

    name = "platform"
    action = ACTION
    key: PlatformKey

    def admit(self, request: Request) -> None:
        keys = PlatformKey.objects.annotate(logins_last_minute=issued_last_minute("platform_key"))
        secret = request.headers.get("Platform-Key", "").strip()
        found = key_shown(keys, secret, caller=self.caller, refusal=UNAUTHORIZED)
        if settings.RATE_LIMITS and found.logins_last_minute >= settings.LIMITS_PER_MINUTE["platform"]:
            raise Refused(TOO_MANY, {"actor": found.named, "group": found.group}, retry_after=60)
        self.key = found

    def word(self, refusal: Refusal) -> dict[str, Any]:
        return _answer(0, refusal.status, "", refusal.message, "FAILURE", refusal.code)


class SsoLogin(PlatformDoor):
    """`POST /api/sso`: the address that signs an agent in to the client of this host name."""

    def post(self, request: Request, subdomain: str = "") -> Response:
        PlatformKey.objects.touch(self.key)
        about = {"actor": self.key.named, "group": self.key.group}
        subdomain = _client_asked(request, subdomain)
        try:
            issued = issue_by_name(
                self.key.group,
                client=subdomain,
                by=self.key.named,
                caller=self.caller,
                platform_key=self.key,
                **_read(json_body(request)),
            )
        except Refused as refused:
            refused.about = about | {"client": subdomain} | refused.about
            raise
        return Response(_done(issued.client, issued.secret))


class NothingHere(PlatformDoor):
    """Every other address under this API's path: it answers no method."""


def sso_login_at_once(arrival: Arrival, caller: Caller, subdomain: str) -> Answer | None:
    """`SsoLogin`, where all is as usual, in one statement. None: nothing was done."""
    body = usual_body(arrival)
    if body is None:
        return None
    try:
        asked = _read(body)
    except Refused:
        return None
    key = arrival.META.get("HTTP_PLATFORM_KEY", "").strip()
    issued = at_once.issue_by_name(key, subdomain=subdomain.lower(), caller=caller, **asked)
    return answer_in_json(_done(issued, issued.secret)) if issued else None


def _client_asked(request: Request, subdomain: str) -> str:
    """The client that the address or the host names."""
    return (subdomain or getattr(request, "client_subdomain", "")).lower()


def _done(client: Receiver, secret: str) -> dict[str, Any]:
    return _answer(1, 200, address_of(client, secret=secret), "OK", "SUCCESS", "ok")


def _answer(success: int, code: int, url: str, message: str, status: str, descriptor: str) -> dict[str, Any]:
    """All six fields, always; `success` and `code` are integers."""
    return {
        "success": success,
        "code": code,
        "url": url,
        "message": message,
        "status": status,
        "descriptor": descriptor,
    }


def _read(body: dict[str, Any]) -> dict[str, Any]:
    """The fields of a request. Raises Refused, naming the field."""
    username = text_field(body, "username", longest=USERNAME_LENGTH, required=True)
    if why := why_not_username(username, longest=USERNAME_LENGTH):
        raise Refused(Refusal("invalid_field", f"username {why}.", 400, field="username"))
    return {
        "username": username,
        "full_name": text_field(body, "fullname", longest=NAME_LENGTH, required=True),
        "departments": [_department(body)],
        "campaigns": _campaigns(body),
        "email": _email(body),
        "call": CallContext(
            did=text_field(body, "call_center_did", longest=64),
            cid=text_field(body, "customer_cid", longest=64),
        ),
    }


def _department(body: dict[str, Any]) -> int:
    value = body.get("department_id")
    return _number(
        "department_id",
        value if _is_integer(value) else text_field(body, "department_id", longest=32, required=True),
    )


def _campaigns(body: dict[str, Any]) -> list[int] | None:
    """Comma-separated numbers; None, for all of the entitlement's, when there are none."""
    value = body.get("campaign_id")
    if _is_integer(value):
        return [_number("campaign_id", value)]
    text = text_field(body, "campaign_id", longest=4096)
    return sorted({_number("campaign_id", part.strip()) for part in text.split(",")}) if text else None


def _is_integer(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _number(name: str, value: Any) -> int:
    text = str(value)
    if not (text.isascii() and text.isdigit() and len(text) <= 10 and int(text) <= LARGEST_NUMBER):
        raise Refused(Refusal("invalid_field", f"{name} must be a number.", 400, field=name))
    return int(text)


def _email(body: dict[str, Any]) -> str:
    email = text_field(body, "email", longest=254)
    if email and (why := why_not_email(email)):
        raise Refused(Refusal("invalid_field", f"email {why}.", 400, field="email"))
    return email
