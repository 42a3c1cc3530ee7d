"""`POST /oauth/introspect`: a relying party asks what a token of its own is worth now (RFC 7662)."""

from typing import Any

from django.conf import settings
from rest_framework.request import Request
from rest_framework.response import Response

from tokens import families
from tokens.dialects.oidc.door import LONGEST_SECRET, PartyDoor, parameter
from tokens.families import Standing
from tokens.models import AccessToken


class Introspect(PartyDoor):
    """The introspection endpoint. For those who can prove who they are; another's token is not active."""

    action = "login.introspect"
    admits_public = False

    def post(self, request: Request) -> Response:
        standing = families.standing_of(parameter(self.asked, "token", longest=LONGEST_SECRET))
        if standing is None or standing.family.relying_party_id != self.party.pk:
            return Response({"active": False})
        return Response({"active": True, **_told(standing), "client_id": self.party.identifier})


def _told(standing: Standing) -> dict[str, Any]:
    token, family, agent = standing.token, standing.family, standing.entry.agent
    return {
        "iss": settings.PORTAL_URL,
        "sub": agent.subject,
        "username": agent.username,
        "scope": standing.scope,
        "iat": int(token.issued_at.timestamp()),
        "exp": int(min(token.expires_at, family.ends_at).timestamp()),
        "auth_time": int(family.authenticated_at.timestamp()),
        "sid": family.sid,
    } | ({"token_type": "Bearer"} if isinstance(token, AccessToken) else {})
