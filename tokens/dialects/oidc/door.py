"""What the addresses of OAuth have in common: forms in, OAuth's errors out, who calls, scripts of which origins."""

import re
from typing import Any, ClassVar
from urllib.parse import unquote_plus

from rest_framework.request import Request
from rest_framework.response import Response

from accounts import lockout
from sso_portal.lib.refusals import Refusal, Refused
from sso_portal.lib.web import caller_of
from tokens.dialects.base import (
    LENGTH_REQUIRED,
    TOO_MANY,
    Door,
    StrictFormParser,
    basic_credentials,
)
from tokens.models import RegisteredAddress, RelyingParty, RelyingPartySecret, Use
from tokens.parties import actor_of, identifier_shown, party_beside

IDENTIFIER = re.compile(r"[\x21-\x7e]{1,64}")
ORIGIN = re.compile(r"https?://[\x21-\x7e]{1,300}")
LONGEST_SECRET = 256
PREFLIGHT_KEPT = 600  # seconds

INVALID_CLIENT = Refusal("invalid_client", "The relying party's id or secret is missing or wrong.", 401)
TWO_METHODS = Refusal("invalid_request", "Authenticate in the header or in the body, not in both.", 400)
TWO_NAMES = Refusal("invalid_request", "client_id is not the one of the header.", 400)
NOT_A_FORM = "Send the body as application/x-www-form-urlencoded."
# What HTTP refuses, in the words of RFC 6749 (sections 4.1.2.1 and 5.2).
WORDS = dict.fromkeys((404, 405, 411, 413, 415), "invalid_request")
WORDS |= dict.fromkeys((429, 503), "temporarily_unavailable")


class OAuthDoor(Door):
    """An address of OAuth: it reads forms, and words refusals as RFC 6749, section 5.2, does."""

    name = "oidc"
    parser_classes = (StrictFormParser,)
    relying_party: RelyingParty | None = None  # who calls, once that is known

    def word(self, refusal: Refusal) -> dict[str, Any]:
        told = NOT_A_FORM if refusal.status == 415 else refusal.message
        return {"error": WORDS.get(refusal.status, refusal.code), "error_description": told}

    def admit(self, request: Request) -> None:
        """Anybody. Those who may not say so."""


class OpenToOrigins(OAuthDoor):
    """Scripts in pages of registered origins may call here too (CORS); never with cookies."""

    parties_of_origin: frozenset[int] = frozenset()

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        self.caller = caller_of(request._request, door=self.name)
        if origin := origin_of(request):
            self.parties_of_origin = parties_of(origin)
        if not is_preflight(request):
            super().initial(request, *args, **kwargs)

    def options(self, request: Request, *args: Any, **kwargs: Any) -> Response:  # type: ignore[override]
        response = Response(status=204)
        if self.is_open_to_origin:
            response.headers["Access-Control-Allow-Methods"] = ", ".join(m.upper() for m in self.methods())
            response.headers["Access-Control-Allow-Headers"] = "Authorization, Content-Type"
            response.headers["Access-Control-Max-Age"] = str(PREFLIGHT_KEPT)
        return response

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        response = super().finalize_response(request, response, *args, **kwargs)
        response.headers["Vary"] = "Origin"
        if self.is_open_to_origin:
            response.headers["Access-Control-Allow-Origin"] = origin_of(request)
            response.headers["Access-Control-Expose-Headers"] = "WWW-Authenticate, Retry-After"
        return response

    @property
    def is_open_to_origin(self) -> bool:
        """Whether the caller's origin is registered: by the party that is served, or by any while it is not known."""
        party = self.relying_party
        return party.pk in self.parties_of_origin if party else bool(self.parties_of_origin)


class PartyDoor(OAuthDoor):
    """An address for relying parties, which say who they are by client_secret_basic, client_secret_post or none."""

    admits_public: ClassVar[bool] = True
    limit: ClassVar[str] = ""  # of LIMITS_PER_MINUTE
    asked: dict[str, str]

    def admit(self, request: Request) -> None:
        self.asked = form_of(request)
        party = self.relying_party = self._party(request, self.asked)
        # A public party is anybody who says its name: counted by address, too, so that nobody uses it up for others.
        who = f"{party.identifier} {self.caller.address_text if party.is_public else ''}".strip()
        if self.limit and not lockout.may_go_on(limit=self.limit, who=who):
            raise Refused(TOO_MANY, retry_after=60)

    @property
    def party(self) -> RelyingParty:
        """Who calls. After `admit`."""
        assert self.relying_party is not None  # noqa: S101  (for the type checker)
        return self.relying_party

    def handle_exception(self, exc: Exception) -> Response:
        party = self.relying_party
        if isinstance(exc, Refused) and party:
            about: dict[str, Any] = {"client": party.client, "actor": actor_of(party)} | exc.about
            details = party_beside(about["actor"], party) | about.get("details", {})
            exc.about = about | ({"details": details} if details else {})
        response = super().handle_exception(exc)
        if response.status_code == 401:  # always with a challenge (RFC 9110, section 15.5.2)
            response.headers["WWW-Authenticate"] = 'Basic realm="portal"'
        return response

    def _party(self, request: Request, asked: dict[str, str]) -> RelyingParty:
        """Who calls. Raises Refused: one answer for a missing, unknown or inactive id and for a wrong secret."""
        name, secret = asked.get("client_id", ""), asked.get("client_secret", "")
        if "Authorization" in request.headers:
            in_body, basic = (name, secret), basic_credentials(request)
            name, secret = (unquote_plus(part) for part in basic or ("", ""))
            if in_body[1]:
                raise Refused(TWO_METHODS)
            if in_body[0] not in ("", name) and basic:
                raise Refused(TWO_NAMES)
        party = self._confidential(name, secret) if secret else self._public(name)
        if party is None:
            raise Refused(INVALID_CLIENT, {"details": identifier_shown(name)})
        return party

    def _confidential(self, name: str, secret: str) -> RelyingParty | None:
        shown = RelyingPartySecret.objects.of(name, secret[: LONGEST_SECRET + 1])
        if shown is None:
            return None
        RelyingPartySecret.objects.touch(shown)
        return shown.relying_party

    def _public(self, name: str) -> RelyingParty | None:
        if not self.admits_public or not IDENTIFIER.fullmatch(name):
            return None
        parties = RelyingParty.objects.filter(identifier=name, is_public=True, is_active=True)
        return parties.select_related("client").first()


class NothingHere(OAuthDoor):
    """Every other address beside these: it answers no method."""

    action = "oauth"


def form_of(request: Request) -> dict[str, str]:
    """The form that a request brought; values that are blank count as absent (RFC 6749, section 3.2)."""
    if "chunked" in request.headers.get("Transfer-Encoding", "").lower():
        raise Refused(LENGTH_REQUIRED)
    form: dict[str, str] = dict(request.data)
    return {name: value for name, value in form.items() if value}


def parameter(asked: dict[str, str], name: str, *, longest: int) -> str:
    """A parameter that must be there. Raises Refused, naming it."""
    value = asked.get(name, "")
    if not value:
        raise Refused(Refusal("invalid_request", f"{name} is required.", 400, field=name))
    if len(value) > longest:
        raise Refused(Refusal("invalid_request", f"{name} is too long.", 400, field=name))
    return value


def origin_of(request: Request) -> str:
    """The origin of the script that calls; "" without one, or where it is none that could be registered."""
    origin: str = request.headers.get("Origin", "")
    return origin if ORIGIN.fullmatch(origin) else ""


def parties_of(origin: str) -> frozenset[int]:
    """The active relying parties that registered this origin, by their primary keys."""
    rows = RegisteredAddress.objects.filter(use=Use.ORIGIN, address=origin, relying_party__is_active=True)
    return frozenset(rows.values_list("relying_party", flat=True))


def is_preflight(request: Request) -> bool:
    """Whether a browser asks beforehand, for a script, what it may send (CORS)."""
    return request.method == "OPTIONS" and "Access-Control-Request-Method" in request.headers
