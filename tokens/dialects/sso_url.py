"""The signed SSO URL (wire.md, section 3): a call signed by HMAC, answered by the address where an agent signs in.

The answer is worth nothing by itself: two calls within one second have equal headers, and both are legal.
"""

import base64
import hashlib
import hmac
import json
import re
import secrets
import time
from dataclasses import dataclass
from functools import cache
from typing import Any, NoReturn
from urllib.parse import urlencode

from django.conf import settings
from django.db import transaction
from django.db.models import OuterRef, Subquery
from django.http import HttpResponse
from django.utils.http import parse_http_date
from rest_framework.request import Request

from accounts import audit, lockout
from groups.models import Entitlement, Group
from sso_portal.lib.encryption import decrypt, encrypt
from sso_portal.lib.refusals import Refusal, Refused
from sso_portal.lib.secrets import digest_of, new_secret
from sso_portal.lib.text import why_not_text
from tokens.dialects.base import TOO_MANY, Door
from tokens.models import ADDRESS_LENGTH, RegisteredAddress, SigningPair, State, Use
from tokens.signing_keys import signature_of

ALGORITHM = "hmac-sha256"
PARTS = ("algorithm", "headers", "signature", "apikey")  # of the Authorization header, in lower case
# `name="value"`, or without the quotes; what is quoted holds "=", "/" and "+" as well.
PART = re.compile(r'\s*([A-Za-z]+)\s*=\s*(?:"([^"]*)"|([^\s",]+))\s*(?:,|\Z)')
DATE_MAY_DIFFER = 15 * 60  # seconds, either way
RESPONSE_TYPES = {
    "": "code",
    "code": "code",
    "token": "id_token token",
}  # as asked for here: as OpenID Connect says
SCOPE = "openid profile email groups"
# By name, the longest value that anything of ours could be asked for with.
PARAMETERS = {
    "product": 63,
    "customer_account_code": 64,
    "response_type": 16,
    "redirect_uri": ADDRESS_LENGTH,
}

INVALID_KEY = Refusal("invalid_api_key", "This API key is unknown.", 400)
REVOKED_KEY = Refusal("revoked_api_key", "This API key has ended or was revoked.", 400)
MISMATCH = Refusal(
    "signature_mismatch", "The signature is not the one of this Date with this shared key.", 400
)
OF_CREDENTIALS = {INVALID_KEY.code, REVOKED_KEY.code, MISMATCH.code}
UNKNOWN_PRODUCT = Refusal("unknown_product", "product is not one that this API key is for.", 400)
UNKNOWN_ACCOUNT = Refusal(
    "unknown_customer_account", "customer_account_code is no account with access to this product.", 400
)


@dataclass(frozen=True)
class Authorization:
    """What the Authorization header says."""

    api_key: str
    signature: str


@dataclass(frozen=True)
class Known:
    """A pair that exists, with what it may have of what was asked for; None where it may not."""

    pair: SigningPair
    account: int | None  # the group's number
    redirect_uri: str | None


class SignedUrlDoor(Door):
    """An address of this API; every refusal is a status, a code and a message."""

    name = "signed url"
    action = "login.sign_url"

    def word(self, refusal: Refusal) -> dict[str, Any]:
        return {"status": refusal.status, "code": refusal.code, "message": refusal.message}


class SsoUrl(SignedUrlDoor):
    """`GET /api/v4/sso_url`: the address where an agent of this account signs in to this product."""

    known: Known

    def admit(self, request: Request) -> None:
        date, authorization = _authorization_of(request)
        known = _look_up(authorization.api_key, request)
        pair = known.pair if known else None
        # What decides is computed for an unknown key as well: it costs the same as a wrong signature.
        expected = signature_for(
            date, shared_key=decrypt(pair.sealed_key if pair else _nobodys_key(*settings.ENCRYPTION_KEYS))
        )
        is_right = hmac.compare_digest(expected.encode(), authorization.signature.encode())
        if known is None or pair is None:
            raise Refused(INVALID_KEY, {"details": {"api_key": authorization.api_key[:11]}})
        about = {"client": pair.relying_party.client, "about": pair.named}
        if not is_right:
            raise Refused(MISMATCH, about)
        if pair.state in (State.ENDED, State.REVOKED) or not pair.relying_party.is_active:
            raise Refused(REVOKED_KEY, about)
        if not lockout.may_go_on(limit="signed url", who=pair.named):
            raise Refused(TOO_MANY, about | {"actor": pair.named}, retry_after=60)
        self.known = known

    def blames_credentials(self, refusal: Refusal) -> bool:
        return refusal.code in OF_CREDENTIALS

    def get(self, request: Request) -> HttpResponse:
        pair = self.known.pair
        about: dict[str, Any] = {"actor": pair.named, "client": pair.relying_party.client}
        try:
            asked = _read(request, self.known)
        except Refused as refused:
            refused.about = about | refused.about
            raise
        with transaction.atomic():
            SigningPair.objects.touch(pair)
            audit.record(self.action, caller=self.caller, group=Group(pk=asked["group"]), **about)
        body = {
            "url": _address(asked),
            "openid_configuration": {
                "issuer": settings.PORTAL_URL,
                "token_endpoint": f"{settings.PORTAL_URL}/oauth/token",
                "end_session_endpoint": f"{settings.PORTAL_URL}/oauth/logout",
                "introspection_endpoint": f"{settings.PORTAL_URL}/oauth/introspect",
            },
        }
        return _signed(body)


class NothingHere(SignedUrlDoor):
    """Every other address under this API's path: it answers no method."""


def signature_for(date: str, *, shared_key: str) -> str:
    """The signature of a call with this Date header, Base64."""
    signed = f"{settings.SIGNED_URL_WORD}\ndate: {date}".encode(
        "latin-1"
    )  # headers are bytes, read as Latin-1
    return base64.b64encode(hmac.digest(shared_key.encode(), signed, hashlib.sha256)).decode()


# --- Who calls -------------------------------------------------------------------------------------------------------


def _authorization_of(request: Request) -> tuple[str, Authorization]:
    """The Date header as it was sent, and what Authorization says. Raises Refused, naming what is missing or wrong."""
    headers = {name: request.headers.get(name, "").strip() for name in ("Date", "Authorization")}
    if missing := [name for name, value in headers.items() if not value]:
        _refuse("missing_headers", f"Headers are missing: {', '.join(missing)}.")
    parts = _parts(headers["Authorization"])
    if missing := [name for name in PARTS if not parts.get(name)]:
        _refuse("authorization_missing_params", f"Authorization lacks: {', '.join(missing)}.")
    if parts["headers"].lower() != "date":
        _refuse("authorization_invalid_headers", 'headers in Authorization must be "date".')
    if parts["algorithm"].lower() != ALGORITHM:
        _refuse("hmac_required", f"algorithm in Authorization must be {ALGORITHM}.")
    if not _is_about_now(headers["Date"]):
        _refuse("date_header_diff", "Date must be the time now, in GMT: it may be 15 minutes off (RFC 7231).")
    return headers["Date"], Authorization(parts["apikey"], parts["signature"])


def _parts(authorization: str) -> dict[str, str]:
    """The header's parts by name, in lower case; as far as it can be read, and none that is there twice."""
    found: dict[str, str] = {}
    end = 0
    while match := PART.match(authorization, end):
        name, quoted, bare = match.groups()
        found[name.lower()] = "" if name.lower() in found else bare or quoted or ""
        end = match.end()
    return found if end == len(authorization) else {}


def _is_about_now(date: str) -> bool:
    try:
        return abs(parse_http_date(date) - time.time()) <= DATE_MAY_DIFFER
    except ValueError:
        return False


def _look_up(api_key: str, request: Request) -> Known | None:
    """The pair with this key; with the account and the address that were asked for, as far as it may have them."""
    code, redirect_uri = (_for_look_up(request, name) for name in ("customer_account_code", "redirect_uri"))
    account = Entitlement.objects.filter(
        client=OuterRef("relying_party__client"), group__code=code, group__is_active=True
    )
    addresses = RegisteredAddress.objects.filter(relying_party=OuterRef("relying_party"), use=Use.REDIRECT)
    if redirect_uri:
        addresses = addresses.filter(address=redirect_uri)
    pairs = SigningPair.objects.select_related("relying_party__client").annotate(
        account=Subquery(account.values("group")[:1]),
        redirect_uri=Subquery(addresses.order_by("pk").values("address")[:1]),
    )
    pair = pairs.filter(digest=digest_of(api_key)).first()
    return Known(pair, pair.account, pair.redirect_uri) if pair else None


def _for_look_up(request: Request, name: str) -> str:
    """A parameter's value, if a database can be asked about it; whether it may be there is judged afterwards."""
    value = request.query_params.get(name, "").strip()
    return "" if why_not_text(value, longest=PARAMETERS[name]) else value


@cache
def _nobodys_key(*_encryption_keys: str) -> str:
    """A sealed key that nobody has, for what is computed about keys that nobody has."""
    return encrypt(new_secret())


# --- What is asked for -----------------------------------------------------------------------------------------------


def _read(request: Request, known: Known) -> dict[str, Any]:
    """What the address is to ask for, once all of it is the pair's to ask for. Raises Refused."""
    asked = {name: _parameter(request, name) for name in PARAMETERS}
    if missing := [name for name in ("product", "customer_account_code") if not asked[name]]:
        _refuse("missing_parameters", f"Parameters are missing: {', '.join(missing)}.")
    response_type = RESPONSE_TYPES.get(asked["response_type"])
    if response_type is None:
        _refuse("validation_error", "response_type must be code or token.")
    party = known.pair.relying_party
    if asked["product"].lower() != party.client.subdomain:
        raise Refused(UNKNOWN_PRODUCT)
    if not party.client.is_active or party.client.is_paused:
        raise Refused(UNKNOWN_PRODUCT, {"details": {"detail": "client inactive or paused"}})
    if known.account is None:
        raise Refused(UNKNOWN_ACCOUNT, {"details": {"account": asked["customer_account_code"]}})
    if response_type != "code" and not party.allows_token_grant:
        _refuse("validation_error", "response_type token is not allowed for this product.")
    if known.redirect_uri is None:
        why = "is not registered" if asked["redirect_uri"] else "is missing, and none is registered"
        _refuse("validation_error", f"redirect_uri {why} for this API key.")
    if party.needs_pkce:
        _refuse("validation_error", "This product uses PKCE, which a signed address cannot begin.")
    return {
        "client_id": party.identifier,
        "response_type": response_type,
        "scope": SCOPE,
        "redirect_uri": known.redirect_uri,
        "group": known.account,
    }


def _parameter(request: Request, name: str) -> str:
    values = request.query_params.getlist(name)
    if len(values) > 1:
        _refuse("validation_error", f"{name} is given twice.")
    value = values[0].strip() if values else ""
    if why := why_not_text(value, longest=PARAMETERS[name]):
        _refuse("validation_error", f"{name} {why}.")
    return value


def _refuse(code: str, message: str) -> NoReturn:
    raise Refused(Refusal(code, message, 400))


# --- The answer ------------------------------------------------------------------------------------------------------


def _address(asked: dict[str, Any]) -> str:
    """Where the agent signs in (OpenID Connect Core, section 3.1.2.1), never the same twice."""
    fresh = {"nonce": secrets.token_urlsafe(24)}
    return f"{settings.PORTAL_URL}/oauth/authorize?{urlencode(asked | fresh)}"


def _signed(answer: dict[str, Any]) -> HttpResponse:
    """The answer with its signature: in the form that JavaScript writes JSON, for clients sign what they parsed."""
    body = json.dumps(answer, separators=(",", ":"), ensure_ascii=False).encode()
    headers = {"LicenseSignature": signature_of(body)}
    return HttpResponse(body, content_type="application/json", headers=headers)
