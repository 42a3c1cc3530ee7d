"""`/api/v1/tokens/redeem`: a relying party exchanges a login token for what it says (wire.md, section 1)."""

from typing import Any

from django.conf import settings
from rest_framework.request import Request
from rest_framework.response import Response

from sso_portal.lib.refusals import Refusal, Refused
from tokens.dialects.base import basic_credentials, json_body, text_field
from tokens.dialects.native.door import NativeDoor
from tokens.handing_off_people import claims_of_person
from tokens.logins import login_of
from tokens.models import PersonToken, RelyingParty, RelyingPartySecret
from tokens.redeeming import Redemption, redeem
from tokens.redeeming_for_people import redeem_person

LONGEST_TOKEN = 256
UNAUTHORIZED = Refusal("unauthorized", "The relying party's id or secret is missing or wrong.", 401)


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

    def challenge(self, request: Request, refusal: Refusal) -> str:
        return 'Basic realm="portal"' if refusal.status == 401 else ""

    def post(self, request: Request) -> Response:
        # Before the token is spent: its failure costs nothing yet.
        RelyingPartySecret.objects.touch(self.secret)
        secret = text_field(json_body(request), "token", longest=LONGEST_TOKEN, required=True)
        if secret.startswith(
            PersonToken.PREFIX
        ):  # of a person of the client itself: never worth an agent's login
            token = redeem_person(secret, relying_party=self.relying_party, caller=self.caller)
            return Response(claims_of_person(token, audience=self.relying_party.identifier))
        redemption = redeem(secret, relying_party=self.relying_party, caller=self.caller)
        return Response(told(redemption, audience=self.relying_party.identifier))


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
