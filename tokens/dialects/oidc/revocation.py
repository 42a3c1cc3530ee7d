"""`POST /oauth/revoke`: a relying party gives a token back (RFC 7009)."""

from rest_framework.request import Request
from rest_framework.response import Response

from tokens import families
from tokens.dialects.oidc.door import LONGEST_SECRET, OpenToOrigins, PartyDoor, parameter


class Revoke(PartyDoor, OpenToOrigins):
    """The revocation endpoint. One answer for every token, so that another's says nothing of itself.

    Open to scripts of registered origins, for an application in a browser gives its tokens back from there.
    """

    action = "login.revoke"

    def post(self, request: Request) -> Response:
        secret = parameter(self.asked, "token", longest=LONGEST_SECRET)
        families.give_back(secret, relying_party=self.party, caller=self.caller)
        return Response({})
