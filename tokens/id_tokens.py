"""ID tokens: what a login says, signed, for a relying party that need not ask (OpenID Connect Core, section 2)."""

import base64
import hashlib
import secrets
from collections.abc import Collection
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.utils import timezone

from tokens.logins import Login
from tokens.models import RelyingParty
from tokens.signing_keys import sign

OPENID, PROFILE, EMAIL, GROUPS, CALL = "openid", "profile", "email", "groups", "call"
# Accepted and echoed: refresh tokens are registered, not asked for.
OFFLINE = "offline_access"
SCOPES = (OPENID, PROFILE, EMAIL, GROUPS, CALL, OFFLINE)
CLAIMS = (
    *("iss", "sub", "aud", "iat", "exp", "jti", "nonce", "at_hash"),
    *("sid", "auth_time", "amr", "acr"),
    *(
        "preferred_username",
        "name",
        "email",
        "email_verified",
        "group",
        "departments",
        "campaigns",
        "call",
        "destination",
    ),
)
# The type of a signed hand-off, so that it never passes for the ID token of a sign-in (RFC 8725, section 3.11).
HAND_OFF_TYPE = "login+jwt"


def granted_scope(asked: str) -> str:
    """Of the scopes that were asked for, those that mean something here: each once, in the order of the request."""
    return " ".join(dict.fromkeys(scope for scope in asked.split(" ") if scope in SCOPES))


def id_token(
    login: Login,
    *,
    relying_party: RelyingParty,
    scope: str,
    nonce: str = "",
    access_token: str = "",
    lifetime: timedelta = settings.ID_TOKEN_LIFETIME,
) -> str:
    """The ID token of a login, signed as its relying party registered. `nonce` is the request's; "" leaves it out."""
    bound = {
        "nonce": nonce,
        "at_hash": access_token and half_hash(access_token),
        "jti": secrets.token_urlsafe(16),
    }
    told = _about(login, relying_party=relying_party, lifetime=lifetime)
    told |= {name: value for name, value in bound.items() if value} | claims_of(login, scope=scope)
    return sign(told, algorithm=relying_party.algorithm)


def signed_login(login: Login, *, relying_party: RelyingParty, trace: str) -> str:
    """The signed hand-off of a login: all that there is to say, for a CRM that cannot ask.

    It lives as long as a login token. `trace` is the login token's, as its `jti`: a CRM that remembers it for so long
    takes no hand-off twice.
    """
    told = _about(login, relying_party=relying_party, lifetime=settings.LOGIN_TOKEN_LIFETIME)
    told |= {"jti": trace} | claims_of(login, scope=" ".join(SCOPES))
    return sign(told, algorithm=relying_party.algorithm, typ=HAND_OFF_TYPE)


def claims_of(login: Login, *, scope: str) -> dict[str, Any]:
    """What these scopes tell of an agent and his call, in ID tokens and at userinfo. What is empty is left out."""
    scopes = scope.split(" ")
    told: dict[str, Any] = {}
    if PROFILE in scopes:
        told |= {"preferred_username": login.who.username, "name": login.who.full_name}
    if EMAIL in scopes and login.who.email:
        # Groups write it down as they like: it names nobody, and two groups may use the same.
        told |= {"email": login.who.email, "email_verified": False}
    if GROUPS in scopes:
        told["group"] = login.group_told
        told |= {"departments": login.departments, "campaigns": login.campaigns}
    if CALL in scopes:
        told["call"] = login.call_told
        told |= {"destination": login.call.destination} if login.call.destination else {}
    return told


def is_within(scope: str, granted: Collection[str] | str) -> bool:
    """Whether every scope is among those that were granted."""
    allowed = granted.split(" ") if isinstance(granted, str) else granted
    return all(one in allowed for one in scope.split(" "))


def half_hash(secret: str) -> str:
    """`at_hash`: the left half of the SHA-256, base64url. (RS256 and ES256 both name SHA-256.)"""
    return base64.urlsafe_b64encode(hashlib.sha256(secret.encode()).digest()[:16]).rstrip(b"=").decode()


def _about(login: Login, *, relying_party: RelyingParty, lifetime: timedelta) -> dict[str, Any]:
    """Who says it of whom, to whom, and how sure that is. One audience, so that no `azp` is needed."""
    now = timezone.now()
    told = {
        "iss": settings.PORTAL_URL,
        "sub": login.who.subject,
        "aud": relying_party.identifier,
        "iat": int(now.timestamp()),
        "exp": int((now + lifetime).timestamp()),
        "amr": login.methods,
        "acr": login.acr,
    }
    told |= {"auth_time": int(login.authenticated_at.timestamp())} if login.authenticated_at else {}
    return told | ({"sid": login.sid} if login.sid else {})
