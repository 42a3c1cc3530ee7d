"""The portal's own API (wire.md, sections 1 and 7): problem details in, problem details out."""

from typing import Any

from django.conf import settings
from rest_framework.request import Request
from rest_framework.response import Response

from sso_portal.lib.refusals import Refusal, Refused, problem_of
from tokens.dialects.base import Door, basic_credentials, json_body, text_field
from tokens.logins import login_of
from tokens.models import RelyingParty, RelyingPartySecret
from tokens.redeeming import Redemption, redeem

UNAUTHORIZED = Refusal("unauthorized", "The relying party's id or secret is missing or wrong.", 401)


class NativeDoor(Door):
    """An address under /api/v1/; refusals are RFC 9457 problem details."""

    name = "api"

    def word(self, refusal: Refusal) -> dict[str, Any]:
        return problem_of(refusal, reference=self.caller.reference)

    def handle_exception(self, exc: Exception) -> Response:
        response = super().handle_exception(exc)
        response.content_type = "application/problem+json"
        if response.status_code == 401:
            response.headers["WWW-Authenticate"] = 'Basic realm="portal"'
        return response


class RedeemToken(NativeDoor):
    """`POST /api/v1/tokens/redeem`: a relying party exchanges a login token for what it says, once."""

    action = "login.redeem"
    relying_party: RelyingParty
    secret: RelyingPartySecret

    def admit(self, request: Request) -> None:
        name, secret = basic_credentials(request) or ("", "")
        shown = RelyingPartySecret.objects.of(name, secret)
        if shown is None:
            raise Refused(UNAUTHORIZED, {"details": {"identifier": name[:64]}})
        self.secret, self.relying_party = shown, shown.relying_party

    def post(self, request: Request) -> Response:
        # Before the token is spent: its failure costs nothing yet.
        RelyingPartySecret.objects.touch(self.secret)
        secret = text_field(json_body(request), "token", longest=256, required=True)
        redemption = redeem(secret, relying_party=self.relying_party, caller=self.caller)
        return Response(told(redemption, audience=self.relying_party.identifier))


class NothingHere(NativeDoor):
    """Every other address under /api/: it answers no method."""

    action = "api"


def told(redemption: Redemption, *, audience: str) -> dict[str, Any]:
    """What the relying party learns (wire.md, section 1, "Redeem")."""
    login = login_of(redemption)
    return {
        "iss": settings.PORTAL_URL,
        "sub": login.agent.subject,
        "aud": audience,
        "username": login.agent.username,
        "fullname": login.agent.full_name,
        "email": login.agent.email or None,
        "group": login.group_told,
        "client": login.client.subdomain,
        "departments": login.departments,
        "campaigns": login.campaigns,
        "call": login.call_told,
        "destination": login.call.destination or None,
        "amr": login.methods,
        "auth_time": int(login.authenticated_at.timestamp()) if login.authenticated_at else None,
        "issued_at": int(redemption.token.issued_at.timestamp()),
        "sid": login.sid or None,
    }
