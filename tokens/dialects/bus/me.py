"""`GET /bus/me`: the host's own servers ask what a credential of the bus is worth, and for whom."""

from typing import Any

from django.conf import settings
from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response

from sso_portal.lib.refusals import Refusal, Refused
from tokens import signing_keys
from tokens.dialects.bus.door import BusDoor
from tokens.dialects.bus.telling import audience_of, company_told, user_told
from tokens.families import Standing, standing_of_access, standing_of_digest
from tokens.models import AccessToken

UNAUTHORIZED = Refusal("unauthorized", "The token is missing, unknown, expired or revoked.", 401)


class Me(BusDoor):
    """Who the agent is, as long as his sign-in goes on; the Bearer is an ID token or a legacy token of the bus."""

    action = "bus.me"
    standing: Standing

    def admit(self, request: Request) -> None:
        scheme, _, token = request.headers.get("Authorization", "").strip().partition(" ")
        standing = _standing_of(token.strip()) if scheme.lower() == "bearer" else None
        if standing is None or standing.family.relying_party_id is not None:
            raise Refused(UNAUTHORIZED)
        self.standing = standing

    def get(self, request: Request) -> Response:
        agent = self.standing.entry.agent
        return Response({"currentUser": user_told(agent), "company": company_told(agent.group)})

    def handle_exception(self, exc: Exception) -> Response:
        response = super().handle_exception(exc)
        if response.status_code == 401:
            response.headers["WWW-Authenticate"] = 'Bearer realm="bus"'
        return response


def _standing_of(token: str) -> Standing | None:
    if token.startswith(AccessToken.PREFIX):
        return standing_of_access(token)
    claims = signing_keys.read(token) if token else None
    if claims is None or not _is_current(claims):
        return None
    standing = standing_of_digest(claims["jti"])
    if standing is None or claims.get("aud") != audience_of(standing.entry.agent.group):
        return None
    return standing


def _is_current(claims: dict[str, Any]) -> bool:
    """Whether the claims are of an ID token of this portal that has not ended."""
    ends, named = claims.get("exp"), claims.get("jti")
    has_time = isinstance(ends, int | float) and ends > timezone.now().timestamp()
    return has_time and isinstance(named, str) and claims.get("iss") == settings.PORTAL_URL
