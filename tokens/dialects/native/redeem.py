"""`/api/v1/tokens/redeem`: a relying party exchanges a login token for what it says (wire.md, section 1)."""

import re
from datetime import datetime
from typing import Any

from django.conf import settings
from rest_framework.request import Request
from rest_framework.response import Response

from sso_portal.lib.arrivals import Answer, Arrival
from sso_portal.lib.refusals import Refusal, Refused
from sso_portal.lib.web import Caller
from tokens import at_once
from tokens.dialects.base import answer_in_json, basic_credentials, json_body, text_field, usual_body
from tokens.dialects.native.door import NativeDoor
from tokens.handing_off_people import claims_of_person
from tokens.issuing import PREFIX
from tokens.logins import Login, login_of
from tokens.models import PersonToken, RelyingParty, RelyingPartySecret
from tokens.parties import identifier_shown
from tokens.redeeming import redeem
from tokens.redeeming_for_people import redeem_person

LONGEST_TOKEN = 256
USUAL_PARTY = re.compile(r"\w+", re.ASCII)
USUAL_TOKEN = re.compile(rf"{PREFIX}[\w-]+", re.ASCII)
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
            raise Refused(UNAUTHORIZED, {"details": identifier_shown(name)})
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
        return Response(
            told(login_of(redemption), redemption.token.issued_at, audience=self.relying_party.identifier)
        )


def redeem_at_once(arrival: Arrival, caller: Caller) -> Answer | None:
    """`RedeemToken`, where all is as usual, in one statement. None: nothing was done."""
    body, (party, party_secret) = usual_body(arrival), basic_credentials(arrival) or ("", "")
    secret = body.get("token") if body else None
    if not USUAL_PARTY.fullmatch(party) or not isinstance(secret, str) or not USUAL_TOKEN.fullmatch(secret):
        return None
    redeemed = at_once.redeem(secret, party=party, party_secret=party_secret, caller=caller)
    return answer_in_json(told(redeemed.login, redeemed.issued_at, audience=party)) if redeemed else None


def told(login: Login, issued_at: datetime, *, audience: str) -> dict[str, Any]:
    """What the relying party learns (wire.md, section 1, "Redeem")."""
    return {
        "iss": settings.PORTAL_URL,
        "sub": login.who.subject,
        "aud": audience,
        "username": login.who.username,
        "fullname": login.who.full_name,
        "email": login.who.email or None,
        "group": login.group_told,
        "client": login.client,
        "departments": login.departments,
        "campaigns": login.campaigns,
        "call": login.call_told,
        "destination": login.call.destination or None,
        "amr": login.methods,
        "auth_time": int(login.authenticated_at.timestamp()) if login.authenticated_at else None,
        "issued_at": int(issued_at.timestamp()),
        "sid": login.sid or None,
    }
