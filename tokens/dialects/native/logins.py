"""`/api/v1/logins`: the address that signs an agent in to a client (wire.md, section 2, in the portal's own words)."""

import re
from typing import Any

from django.conf import settings
from rest_framework.request import Request
from rest_framework.response import Response

from groups.models import NAME_LENGTH
from sso_portal.lib.refusals import Refused
from tokens.dialects.base import json_body
from tokens.dialects.native.door import BearerDoor
from tokens.dialects.native.fields import Fields, InvalidFields
from tokens.handing_off import address_of
from tokens.issuing import ACTION, CallContext
from tokens.issuing_by_name import issue_by_name
from tokens.models import Scope

LONGEST = {"did": 64, "cid": 64, "call_id": 128, "campaign_id": 64}
LONGEST_DESTINATION = 64
DESTINATION = re.compile(r"[A-Za-z0-9:_.-]*")
NOT_GRANTED = {
    "unknown_department": "departments",
    "unknown_campaign": "campaigns",
}  # the field of each refusal


class Logins(BearerDoor):
    """`POST /api/v1/logins`: a login for an agent, who is made when the group has none of this name."""

    scopes = {"POST": Scope.LOGINS}
    actions = {"POST": ACTION}

    def post(self, request: Request) -> Response:
        asked = _read(Fields(json_body(request)))
        try:
            issued = issue_by_name(self.group, **asked, **self.how)
        except Refused as refused:
            refused.about = {"client": asked["client"]} | refused.about
            if name := NOT_GRANTED.get(refused.refusal.code):
                raise _not_granted(name, refused) from refused
            raise
        lifetime = int(settings.LOGIN_TOKEN_LIFETIME.total_seconds())
        return Response({"url": address_of(issued.client, secret=issued.secret), "expires_in": lifetime})


def _read(fields: Fields) -> dict[str, Any]:
    call = fields.object("call")
    told = {name: call.text(name, longest=longest) for name, longest in LONGEST.items()}
    fields.errors |= {f"call.{name}": [f"call.{why}" for why in whys] for name, whys in call.errors.items()}
    destination = fields.text("destination", longest=LONGEST_DESTINATION)
    if not DESTINATION.fullmatch(destination):
        fields.refuse("destination", "must be a name, not an address.")
    asked = {
        "username": fields.username("username"),
        "full_name": fields.text("full_name", longest=NAME_LENGTH, required=True),
        "email": fields.email("email"),
        "client": fields.text("client", longest=63, required=True).lower(),
        "departments": fields.numbers("departments"),
        "campaigns": fields.numbers("campaigns"),
        "call": CallContext(**told, destination=destination),
    }
    fields.check()
    return asked


def _not_granted(name: str, refused: Refused) -> InvalidFields:
    """The refusal under the name that its field has here."""
    invalid = InvalidFields(
        {name: [f"{name} holds a number that is not one of your group's at this client."]}
    )
    invalid.about = refused.about
    return invalid
