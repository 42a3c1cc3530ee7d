"""`GET, POST /oauth/userinfo`: what an access token tells of its agent (OpenID Connect Core, 5.3; RFC 6750)."""

from rest_framework.request import Request
from rest_framework.response import Response

from sso_portal.lib.refusals import Refusal, Refused
from tokens import families
from tokens.dialects.oidc.door import LONGEST_SECRET, OpenToOrigins, form_of
from tokens.id_tokens import OPENID, claims_of
from tokens.logins import Login
from tokens.parties import actor_of, party_beside

MISSING = Refusal("invalid_token", "Send the access token as Authorization: Bearer.", 401, "missing")
INVALID = Refusal("invalid_token", "The access token is unknown, expired or revoked.", 401)
TWO_METHODS = Refusal("invalid_request", "Send the access token once.", 400)
IN_QUERY = Refusal("invalid_request", "The access token does not belong into the address.", 400)
TOO_NARROW = Refusal("insufficient_scope", "The access token was granted without the scope openid.", 403)


class UserInfo(OpenToOrigins):
    """The userinfo endpoint."""

    action = "login.userinfo"
    login: Login
    scope: str

    def admit(self, request: Request) -> None:
        secret = _shown(request)
        standing = families.standing_of_access(secret) if len(secret) <= LONGEST_SECRET else None
        login = standing.login if standing else None
        if standing is None or login is None or standing.family.relying_party is None:
            raise Refused(INVALID)
        self.relying_party = standing.family.relying_party
        if OPENID not in standing.scope.split(" "):
            actor = actor_of(self.relying_party)
            details = party_beside(actor, self.relying_party)
            raise Refused(TOO_NARROW, {"actor": actor, "client": login.client, "details": details})
        self.login, self.scope = login, standing.scope

    def get(self, request: Request) -> Response:
        return Response({"sub": self.login.who.subject} | claims_of(self.login, scope=self.scope))

    def post(self, request: Request) -> Response:
        return self.get(request)

    def handle_exception(self, exc: Exception) -> Response:
        response = super().handle_exception(exc)
        if response.status_code in (400, 401, 403):
            is_missing = isinstance(exc, Refused) and exc.refusal is MISSING
            told = [] if is_missing else [f'{name}="{value}"' for name, value in response.data.items()]
            told += ['scope="openid"'] if response.status_code == 403 else []
            response.headers["WWW-Authenticate"] = ", ".join(['Bearer realm="portal"', *told])
        return response


def _shown(request: Request) -> str:
    """The access token, in the header or in the form. Raises Refused: for none, for two, for one in the address."""
    scheme, _, in_header = request.headers.get("Authorization", "").strip().partition(" ")
    in_header = in_header.strip() if scheme.lower() == "bearer" else ""
    in_form = form_of(request).get("access_token", "") if _has_form(request) else ""
    if "access_token" in request.query_params:
        raise Refused(IN_QUERY)
    if in_header and in_form:
        raise Refused(TWO_METHODS)
    if not in_header and not in_form:
        raise Refused(MISSING)
    return in_header or in_form


def _has_form(request: Request) -> bool:
    """Whether a form is to be read: a POST with the token in the header may come with any body, or none."""
    return request.method == "POST" and (request.content_type or "").startswith(
        "application/x-www-form-urlencoded"
    )
