"""The SSO API of the call-center platform (wire.md, section 2): one request, one login address."""

from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import transaction
from rest_framework.request import Request
from rest_framework.response import Response

from groups.entering import Entry, client_at, entry_of, with_entry
from groups.models import NAME_LENGTH, USERNAME_LENGTH, Agent, HandOff
from groups.provisioning import find_or_provision
from sso_portal.lib.addresses import is_within, parse_networks
from sso_portal.lib.refusals import Refusal, Refused
from sso_portal.lib.secrets import digest_of
from sso_portal.lib.text import why_not_username
from tokens.dialects.base import TOO_MANY, Door, json_body, text_field
from tokens.handing_off import address_of
from tokens.issuing import ACTION, CallContext, issue
from tokens.models import AddressRule, Kind, PlatformKey, issued_last_minute

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
        key = PlatformKey.objects.annotate(
            logins_last_minute=issued_last_minute("platform_key")
        ).select_related("group")
        secret = request.headers.get("Platform-Key", "").strip()
        found = key.shown(secret).first()
        if found is None:
            raise Refused(UNAUTHORIZED, _about_ended(secret))
        rules = AddressRule.objects.filter(group=found.group).values_list("network", flat=True)
        about = {"actor": found.named, "group": found.group}
        if not is_within(self.caller.address, parse_networks(list(rules))):
            raise Refused(UNAUTHORIZED, about | {"details": {"detail": "address not on the list"}})
        if settings.RATE_LIMITS and found.logins_last_minute >= settings.LIMITS_PER_MINUTE["platform"]:
            raise Refused(TOO_MANY, about, retry_after=60)
        self.key = found

    def word(self, refusal: Refusal) -> dict[str, Any]:
        return _answer(0, refusal.status, "", refusal.message, "FAILURE", refusal.code)


class SsoLogin(PlatformDoor):
    """`POST /api/sso`: the address that signs an agent in to the client of this host name."""

    def post(self, request: Request, subdomain: str = "") -> Response:
        group = self.key.group
        subdomain = (subdomain or getattr(request, "client_subdomain", "")).lower()
        actor = self.key.named
        PlatformKey.objects.touch(self.key)
        try:
            asked = _read(json_body(request))
            with transaction.atomic():
                agent = find_or_provision(
                    group=group,
                    username=asked.pop("username"),
                    full_name=asked.pop("full_name"),
                    email=asked.pop("email"),
                    by=actor,
                    caller=self.caller,
                )
                entry = _entry(agent, subdomain)
                is_redirect = entry.client is not None and entry.client.hand_off == HandOff.REDIRECT
                issued = issue(
                    entry,
                    kind=Kind.HAND_OFF if is_redirect else Kind.ENTRANCE,
                    actor=actor,
                    caller=self.caller,
                    platform_key=self.key,
                    **asked,
                )
        except Refused as refused:
            refused.about = {"actor": actor, "group": group, "client": subdomain} | refused.about
            raise
        return Response(_answer(1, 200, address_of(issued), "OK", "SUCCESS", "ok"))


class NothingHere(PlatformDoor):
    """Every other address under this API's path: it answers no method."""


def _about_ended(secret: str) -> dict[str, Any]:
    """For the audit log of its group: that a key which has ended is in use still. Of one that never was, nothing."""
    ended = PlatformKey.objects.filter(digest=digest_of(secret)).select_related("group").first()
    if ended is None:
        return {}
    return {"group": ended.group, "about": ended.named, "details": {"detail": "key ended"}}


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
    try:
        if email:
            validate_email(email)
    except ValidationError as error:
        raise Refused(
            Refusal("invalid_field", "email must be an e-mail address.", 400, field="email")
        ) from error
    return email


def _entry(agent: Agent, subdomain: str) -> Entry:
    rows = with_entry(Agent.objects.filter(pk=agent.pk), client=client_at(subdomain), grant=True)
    row = rows.get()
    return entry_of(row, agent=row, asked=subdomain)
