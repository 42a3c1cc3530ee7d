"""Issuing to client companies' own people: the entrance that software asks for, and the way on into the CRM.

Agents and people are different. What is issued here is a `PersonToken`, in a table of its own, and opens nothing that
an agent's login opens; the two uses of it open different things, too:

- an *entrance* is what CreateSsoToken answers with (40 hex digits). Opened at the portal, it begins a session there;
- a *hand-off* takes somebody from that session into the CRM. It reaches the CRM the way its agents do (`redirect`,
  `form_post`: the token; `signed`: all that there is to say), and is redeemed at the address where theirs are, but
  says `"kind": "person"` and nothing about a group. By OpenID Connect nobody is handed over: its code flow is for
  agents, and the page says so.
"""

import secrets
from dataclasses import dataclass

from django.conf import settings
from django.db import transaction
from django.db.models.functions import Now

from accounts import audit
from groups.client_people import why_not_let_in
from groups.destinations import Place
from groups.models import ClientPerson, ClientSession
from sso_portal.lib.refusals import Refused
from sso_portal.lib.secrets import digest_of, new_secret
from sso_portal.lib.web import Caller
from tokens.models import ApiCredential, PersonToken, PersonUse

CREATE, HAND_OFF = "person.create_token", "person.hand_off"
ENTRANCE_BYTES = 20  # 160 bits: the wire format's forty hex digits


@dataclass(frozen=True)
class IssuedToPerson:
    """A token that was issued: its row, with the person and his client, and its secret."""

    token: PersonToken
    secret: str


def create_sso_token(
    person: ClientPerson, *, place: Place, by: str, caller: Caller, credential: ApiCredential | None = None
) -> IssuedToPerson:
    """Issue an entrance for this person, who arrives at this place, if he is let in now.

    Worth something once, within LOGIN_TOKEN_LIFETIME. Raises Refused with the reason of `why_not_let_in`.
    """
    secret = secrets.token_hex(ENTRANCE_BYTES)
    token = PersonToken(
        use=PersonUse.ENTRANCE,
        person=person,
        client=person.client,
        credential=credential,
        destination=place.name,
        path=place.path,
    )
    return _issue(token, secret, action=CREATE, by=by, caller=caller)


def hand_on(session: ClientSession, *, use: str, path: str, caller: Caller) -> IssuedToPerson:
    """Issue a login with which the person of this session arrives in his CRM, at this path, if he is let in now.

    Raises Refused with the reason of `why_not_let_in`.
    """
    token = PersonToken(
        use=use, person=session.person, client=session.person.client, session=session, path=path
    )
    secret = new_secret(PersonToken.PREFIX)
    return _issue(token, secret, action=HAND_OFF, by=f"person:{session.person_id}", caller=caller)


def _issue(token: PersonToken, secret: str, *, action: str, by: str, caller: Caller) -> IssuedToPerson:
    details = {"person": token.person_id, "destination": token.destination}
    if refusal := why_not_let_in(token.person):
        about = {"action": action, "actor": by, "client": token.client, "details": details}
        raise Refused(refusal, about)
    token.digest = digest_of(secret)
    token.expires_at = Now() + settings.LOGIN_TOKEN_LIFETIME  # by the database's clock
    with transaction.atomic():
        token.save(force_insert=True)
        audit.record(
            action,
            caller=caller,
            actor=by,
            client=token.client,
            about=f"token:{token.trace}",
            details=details,
        )
    return IssuedToPerson(token, secret)
