"""`POST /oauth/token`: a code, or a refresh token, is exchanged for tokens (RFC 6749; OpenID Connect Core, 3.1.3)."""

from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response

from sso_portal.lib.refusals import Refusal, Refused
from tokens import families
from tokens.dialects.oidc.door import LONGEST_SECRET, OpenToOrigins, PartyDoor, parameter
from tokens.dialects.oidc.exchanging import exchange
from tokens.families import Tokens
from tokens.id_tokens import OPENID, id_token, is_within
from tokens.logins import Login
from tokens.models import ADDRESS_LENGTH, RefreshToken

LONGEST_SCOPE = 1000
REFRESH = "login.refresh"  # in events
UNSUPPORTED = Refusal(
    "unsupported_grant_type", "grant_type must be authorization_code or refresh_token.", 400
)
NO_REFRESH = Refusal("unauthorized_client", "This relying party is registered without refresh tokens.", 400)
WIDER = Refusal("invalid_scope", "scope goes beyond what was granted at the sign-in.", 400)


class Token(PartyDoor, OpenToOrigins):
    """The token endpoint."""

    action = "login.redeem"
    limit = "token endpoint"

    def post(self, request: Request) -> Response:
        grant = parameter(self.asked, "grant_type", longest=LONGEST_SECRET)
        if grant == "authorization_code":
            return self._answer(*self._by_code())
        if grant == "refresh_token":
            return self._answer(*self._by_refresh_token())
        raise Refused(UNSUPPORTED)

    def _by_code(self) -> tuple[Login, Tokens, str]:
        exchanged = exchange(
            parameter(self.asked, "code", longest=LONGEST_SECRET),
            relying_party=self.party,
            redirect_uri=parameter(self.asked, "redirect_uri", longest=ADDRESS_LENGTH),
            verifier=self.asked.get("code_verifier", ""),
            caller=self.caller,
        )
        return exchanged.login, exchanged.tokens, exchanged.nonce

    def _by_refresh_token(self) -> tuple[Login, Tokens, str]:
        """A renewed ID token carries no nonce: it answers no request of a browser (OpenID Connect Core, 12.2)."""
        secret = parameter(self.asked, "refresh_token", longest=LONGEST_SECRET)
        scope = " ".join(self.asked.get("scope", "")[:LONGEST_SCOPE].split())
        if not self.party.gives_refresh_tokens:
            raise Refused(NO_REFRESH, {"action": REFRESH})
        if scope and not self._may_have(scope, secret):
            raise Refused(WIDER, {"action": REFRESH})
        renewed = families.renew(secret, relying_party=self.party, scope=scope, caller=self.caller)
        login = renewed.login
        assert login is not None  # noqa: S101  (a relying party's family is of one client)
        return login, renewed.tokens, ""

    def _may_have(self, scope: str, secret: str) -> bool:
        """Whether the scope is within the family's. Asked before the token is spent; an unknown one fails later."""
        families_of = RefreshToken.objects.unspent(secret).filter(family__relying_party=self.party)
        granted = families_of.values_list("family__scope", flat=True).first()
        return granted is None or is_within(scope, granted)

    def _answer(self, login: Login, tokens: Tokens, nonce: str) -> Response:
        told: dict[str, Any] = {
            "access_token": tokens.access,
            "token_type": "Bearer",
            "expires_in": int(tokens.access_lifetime.total_seconds()),
        }
        if tokens.scope:
            told["scope"] = tokens.scope
        if tokens.refresh:
            told["refresh_token"] = tokens.refresh
        if OPENID in tokens.scope.split(" "):
            told["id_token"] = id_token(
                login,
                relying_party=self.party,
                scope=tokens.scope,
                nonce=nonce,
                access_token=tokens.access,
            )
        return Response(told, headers={"Pragma": "no-cache"})
