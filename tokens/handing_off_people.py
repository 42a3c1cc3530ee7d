"""Handing on: how a client company's own person reaches its CRM. The way is the one that the client's agents come."""

from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.translation import gettext_noop

from groups.models import ClientSession, HandOff
from sso_portal.lib.refusals import Refusal, Refused
from sso_portal.lib.web import NO_REFERRER, caller_of, see_other
from tokens.handing_off import post_form, receiver_of
from tokens.issuing_to_people import HAND_OFF, hand_on
from tokens.models import PersonToken, PersonUse
from tokens.signing_keys import sign

# The type of a signed hand-off of a person, so that it passes for nothing that is told of an agent (RFC 8725, 3.11).
SIGNED_TYPE = "person+jwt"
NOBODY_RECEIVES = Refusal(
    "client_unavailable",
    gettext_noop("This client is not set up to receive its people yet."),
    403,
    "no relying party receives agents",
)


def hand_off_person(request: HttpRequest, session: ClientSession, *, path: str) -> HttpResponse:
    """Send the browser into the CRM of this person's client, with a login that was issued for it.

    By `redirect` or `form_post` it carries a token to be redeemed, by `signed` all that there is to say; the way `oidc`
    knows agents only. Raises Refused where he is let in no more, or where no system of the client could receive him.
    """
    client, caller = session.person.client, caller_of(request)
    if client.hand_off == HandOff.SIGNED:
        party = receiver_of(client)
        if party is None:
            about = {"action": HAND_OFF, "actor": f"person:{session.person_id}", "client": client}
            raise Refused(NOBODY_RECEIVES, about)
        issued = hand_on(session, use=PersonUse.SIGNED, path=path, caller=caller)
        told = claims_of_person(issued.token, audience=party.identifier) | _lifetime(issued.token)
        fields = {"id_token": sign(told, algorithm=party.algorithm, typ=SIGNED_TYPE)}
    else:
        issued = hand_on(session, use=PersonUse.HAND_OFF, path=path, caller=caller)
        fields = {"token": issued.secret}
    if client.hand_off in (HandOff.SIGNED, HandOff.FORM_POST):
        response = post_form(request, client, address=client.login_url, fields=fields)
    else:
        response = see_other(f"{client.login_url}?{urlencode(fields)}")
    response.headers.setdefault("Referrer-Policy", NO_REFERRER)
    return response


def claims_of_person(token: PersonToken, *, audience: str) -> dict[str, Any]:
    """What the CRM learns of a person: what it learns of an agent, as far as there is anything.

    `kind` says which of the two it is, and so does `sub`. `destination` is a path within the CRM, which has been
    checked; None is its home. `auth_time` is when the billing system's link was opened; no factor was seen.
    """
    person, session = token.person, token.session
    return {
        "kind": "person",
        "iss": settings.PORTAL_URL,
        "sub": f"person:{person.pk}",
        "aud": audience,
        "username": person.email,
        "fullname": person.full_name,
        "email": person.email,
        "group": None,
        "client": token.client.subdomain,
        "departments": [],
        "campaigns": [],
        "call": {"did": None, "cid": None, "call_id": None, "campaign_id": None},
        "destination": token.path or None,
        "amr": session.methods if session else [],
        "auth_time": int(session.started_at.timestamp()) if session else None,
        "issued_at": int(token.issued_at.timestamp()),
        "sid": None,
    }


def _lifetime(token: PersonToken) -> dict[str, Any]:
    now = timezone.now()
    ends = now + settings.LOGIN_TOKEN_LIFETIME
    return {"iat": int(now.timestamp()), "exp": int(ends.timestamp()), "jti": token.trace}
