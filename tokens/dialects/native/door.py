"""What every address of the portal's own API shares: problem details, bearer keys with their scopes, cursors."""

import base64
import json
from collections.abc import Mapping
from typing import Any, ClassVar

from rest_framework.request import Request
from rest_framework.response import Response

from accounts import lockout
from groups.models import Group
from sso_portal.lib.refusals import Refusal, Refused, problem_of
from tokens.dialects.base import TOO_MANY, Door
from tokens.dialects.group_keys import key_shown
from tokens.dialects.native.fields import Fields, Problem
from tokens.models import ApiKey, Scope

PROBLEM = "application/problem+json"
# One answer for a missing, wrong, ended or foreign key, and for an address that is not on the list.
UNAUTHORIZED = Refusal(
    "unauthorized",
    "The key (Authorization: Bearer) is missing or wrong, or may not be used from this address.",
    401,
)
GROUP_INACTIVE = Refusal("group_inactive", "This group's access has been stopped.", 403)
LONGEST_CURSOR = 2000
Cursor = list[str | int]


class NativeDoor(Door):
    """An address under /api/; refusals are RFC 9457 problem details."""

    name = "api"

    def word(self, refusal: Refusal) -> dict[str, Any]:
        return problem_of(refusal, reference=self.caller.reference)

    def challenge(self, request: Request, refusal: Refusal) -> str:
        """How to show what was missing (WWW-Authenticate); "" where nothing was."""
        return ""

    def handle_exception(self, exc: Exception) -> Response:
        response = super().handle_exception(exc)
        response.content_type = PROBLEM
        if isinstance(exc, Problem):
            response.data |= exc.members
        if isinstance(exc, Refused) and (challenge := self.challenge(self.request, exc.refusal)):
            response.headers["WWW-Authenticate"] = challenge
        return response

    @classmethod
    def methods(cls) -> list[str]:
        named = super().methods()
        return [*named, "head"] if "get" in named else named


class NothingHere(NativeDoor):
    """Every other address under /api/: it answers no method."""

    action = "api"


class BearerDoor(NativeDoor):
    """An address for a group's own software, which shows a key with the scope that the method needs."""

    action = "api"
    scopes: ClassVar[Mapping[str, Scope]]  # by method
    actions: ClassVar[Mapping[str, str]] = {}  # by method: what is asked for there, in events

    key: ApiKey

    @property
    def group(self) -> Group:
        """The key's group: of no other is anything seen or changed here."""
        return self.key.group

    @property
    def how(self) -> dict[str, Any]:
        """Who acts, as acts want to know it."""
        return {"by": self.key.named, "caller": self.caller}

    def admit(self, request: Request) -> None:
        self.key = key_shown(
            ApiKey.objects.all(), bearer_secret(request) or "", caller=self.caller, refusal=UNAUTHORIZED
        )
        if not lockout.may_go_on(limit="native", who=str(self.key.pk)):
            raise Refused(TOO_MANY, retry_after=60)
        if not self.group.is_active:
            raise Refused(GROUP_INACTIVE)
        if self._scope not in self.key.scopes:
            raise Refused(
                Refusal("insufficient_scope", f"This needs a key with the scope {self._scope}.", 403)
            )
        ApiKey.objects.touch(self.key)

    def challenge(self, request: Request, refusal: Refusal) -> str:
        if refusal.code == "insufficient_scope":
            return f'Bearer realm="portal", error="insufficient_scope", scope="{self._scope}"'
        if refusal.status != 401:
            return ""
        # RFC 6750, section 3.1: who showed nothing is told of no error.
        return 'Bearer realm="portal"' + (', error="invalid_token"' if bearer_secret(request) else "")

    def handle_exception(self, exc: Exception) -> Response:
        if isinstance(exc, Refused):
            known = {"actor": self.key.named, "group": self.group} if hasattr(self, "key") else {}
            exc.about = {"action": self.actions.get(self._method, self.action)} | known | exc.about
        return super().handle_exception(exc)

    @property
    def _method(self) -> str:
        return "GET" if self.request.method == "HEAD" else str(self.request.method)

    @property
    def _scope(self) -> Scope:
        return self.scopes[self._method]


def bearer_secret(request: Request) -> str | None:
    """The key of an Authorization header (RFC 6750, section 2.1); None where there is none."""
    scheme, _, secret = request.headers.get("Authorization", "").strip().partition(" ")
    return secret.strip() if scheme.lower() == "bearer" and secret.strip() else None


def query_fields(request: Request) -> Fields:
    """The query of an address, each name once."""
    fields = Fields({name: values[0] for name, values in request.query_params.lists()})
    for name, values in request.query_params.lists():
        if len(values) > 1:
            fields.refuse(name[:64], "is given twice.")
    return fields


def sealed_cursor(*key: str | int) -> str:
    """A place in a list, for `next_cursor`."""
    return base64.urlsafe_b64encode(json.dumps(key).encode()).decode().rstrip("=")


def cursor_in(fields: Fields, *shape: type) -> Cursor | None:
    """The place that the field `cursor` names, of these types; None without one. What is none is refused."""
    given = fields.text("cursor", longest=LONGEST_CURSOR)
    if not given:
        return None
    try:
        key = json.loads(base64.b64decode(given + "=" * (-len(given) % 4), altchars=b"-_", validate=True))
        if [type(part) for part in key] == list(shape) and all(_is_storable(part) for part in key):
            return list(key)
    except (ValueError, TypeError, RecursionError):
        pass
    fields.refuse("cursor", "is none that this list gave.")
    return None


def _is_storable(part: str | int) -> bool:
    if isinstance(part, str):
        return "\0" not in part and bool(part.encode())  # a lone surrogate raises ValueError
    return abs(part) < 2**63
