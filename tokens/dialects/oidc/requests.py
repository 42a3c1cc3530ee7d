"""What a relying party asks for when it sends an agent to sign in (RFC 6749, OpenID Connect Core): read strictly.

Whoever sent the browser, and where it goes back to, is settled first: until then nothing is answered but by a page.
Everything else that is wrong goes back to the relying party.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any
from urllib.parse import urlencode

from django.core import signing
from django.db.models import DateTimeField, Exists, ExpressionWrapper, OuterRef
from django.db.models.functions import Now
from django.http import QueryDict
from django.utils.translation import gettext_noop

from groups.targets import LIFETIME
from sso_portal.lib.refusals import Refusal, Refused
from sso_portal.lib.text import why_not_text
from tokens.id_tokens import OPENID, granted_scope
from tokens.issuing import ACTION
from tokens.models import RegisteredAddress, RelyingParty, Use
from tokens.parties import identifier_shown

CODE, TOKENS = "code", "id_token token"
QUERY, FRAGMENT, FORM_POST = "query", "fragment", "form_post"
PROMPTS = frozenset({"none", "login", "select_account", "consent"})
MARK = "asked"  # our own parameter: since when a new sign-in is waited for
MARK_SALT = "oidc.asked"
LONGEST = {"state": 4096, "nonce": 255, "scope": 200, "login_hint": 255, "id_token_hint": 8192}
CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")  # the SHA-256 of a verifier, base64url (RFC 7636)
SCOPE = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+( [\x21\x23-\x5b\x5d-\x7e]+)*")  # RFC 6749, section 3.3
DIGITS = re.compile(r"[0-9]{1,9}")

UNKNOWN_PARTY = Refusal(
    "unknown_relying_party",
    gettext_noop("The system that sent you here is not registered with the portal."),
    400,
)
UNKNOWN_ADDRESS = Refusal(
    "unknown_redirect_uri",
    gettext_noop("The system that sent you here wants you back at an address that is not registered for it."),
    400,
)


@dataclass(frozen=True)
class Sender:
    """Who sent the browser, and how it goes back there: all of it registered."""

    relying_party: RelyingParty
    redirect_uri: str
    mode: str
    state: str
    now: datetime  # by the database's clock


@dataclass
class GoBack(Exception):
    """The browser goes back with an error. `refused` is what the audit log is to keep of it."""

    error: str
    description: str
    refused: Refused | None = None


@dataclass(frozen=True)
class AuthorizationRequest:
    """What is asked for, once it is all in order."""

    sender: Sender
    response_type: str
    scope: str  # what is granted of it
    nonce: str
    challenge: str  # "" without PKCE
    prompt: frozenset[str]
    max_age: int | None  # seconds
    login_hint: str
    id_token_hint: str
    group_id: int | None
    marked_at: datetime | None  # since when a new sign-in is waited for, for this request and no other

    @property
    def is_silent(self) -> bool:
        """Whether no page may be shown."""
        return "none" in self.prompt

    @property
    def wants_new_sign_in(self) -> bool:
        """Whether a session will not do, however young. (A `max_age` of 0 says the same.)"""
        return bool({"login", "select_account"} & self.prompt) or self.max_age == 0

    @classmethod
    def parse(cls, sender: Sender, query: QueryDict) -> "AuthorizationRequest":
        """Read the rest of a request. Raises GoBack for what is missing, wrong or not offered."""
        for error, description in _what_is_wrong(sender, query):
            raise GoBack(error, description, _for_the_log(sender, error, description))
        scope = granted_scope(_value(query, "scope"))
        max_age, group = _value(query, "max_age"), _value(query, "group")
        return cls(
            sender=sender,
            response_type=_response_type(query),
            scope=scope,
            nonce=_value(query, "nonce"),
            challenge=_value(query, "code_challenge"),
            prompt=frozenset(_value(query, "prompt").split()),
            max_age=int(max_age) if max_age else None,
            login_hint=_value(query, "login_hint"),
            id_token_hint=_value(query, "id_token_hint"),
            group_id=int(group) if group else None,
            marked_at=_marked_at(query),
        )


def sender_of(query: QueryDict) -> Sender:
    """The relying party that sent the browser, and its registered address to go back to, in one SELECT.

    Raises Refused, for a page: nobody is sent to an address that is not registered, letter by letter.
    """
    identifier, redirect_uri = _value(query, "client_id"), _value(query, "redirect_uri")
    registered = RegisteredAddress.objects.filter(
        relying_party=OuterRef("pk"), use=Use.REDIRECT, address=redirect_uri
    )
    parties = RelyingParty.objects.filter(identifier=identifier, is_active=True).select_related("client")
    party = parties.annotate(
        is_registered=Exists(registered), now=ExpressionWrapper(Now(), output_field=DateTimeField())
    ).first()
    if party is None:
        raise Refused(UNKNOWN_PARTY, {"action": ACTION, "details": identifier_shown(identifier)})
    if not party.is_registered:
        details = {"redirect_uri": redirect_uri[:200]}
        raise Refused(UNKNOWN_ADDRESS, _about(party) | {"details": details})
    state = _value(query, "state")
    is_echoed = not why_not_text(state, longest=LONGEST["state"])
    return Sender(party, redirect_uri, _mode(query), state if is_echoed else "", party.now)


def marked(sender: Sender, query: QueryDict) -> str:
    """The query of the same request, with the note that from now on a new sign-in is waited for."""
    again = query.copy()
    again[MARK] = signing.dumps([_digest(query), sender.now.isoformat()], salt=MARK_SALT)
    return again.urlencode()


def _marked_at(query: QueryDict) -> datetime | None:
    """Since when a new sign-in is waited for. A note of another request, or nobody's, says nothing."""
    try:
        digest, at = signing.loads(_value(query, MARK), salt=MARK_SALT, max_age=LIFETIME)
    except (signing.BadSignature, TypeError, ValueError):
        return None
    return datetime.fromisoformat(at) if digest == _digest(query) else None


def _digest(query: QueryDict) -> str:
    """What makes this request this one: all that it says."""
    pairs = sorted((name, value) for name, values in query.lists() for value in values if name != MARK)
    return sha256(urlencode(pairs).encode()).hexdigest()


def _value(query: QueryDict, name: str) -> str:
    """What is said once; "" for what is not said, or said twice."""
    given = query.getlist(name)
    return given[0] if len(given) == 1 else ""


def _response_type(query: QueryDict) -> str:
    return " ".join(sorted(_value(query, "response_type").split()))


def _mode(query: QueryDict) -> str:
    """How to answer: as was asked for where that may be, else the usual way. Tokens never go into a query."""
    brings_tokens = bool({"token", "id_token"} & set(_response_type(query).split()))
    asked, usual = _value(query, "response_mode"), FRAGMENT if brings_tokens else QUERY
    allowed = {FRAGMENT, FORM_POST} | (set() if brings_tokens else {QUERY})
    return asked if asked in allowed else usual


def _what_is_wrong(sender: Sender, query: QueryDict) -> Iterator[tuple[str, str]]:
    """Each thing that is wrong, in the order that it is told: an error of RFC 6749 or OpenID Connect, and why."""
    party = sender.relying_party
    for name, values in query.lists():
        if len(values) > 1:
            yield "invalid_request", f"{_plain(name)} is given twice."
    for name, longest in LONGEST.items():
        if why := why_not_text(_value(query, name), longest=longest):
            yield "invalid_request", f"{name} {why}."
    for name, error in (
        ("request", "request_not_supported"),
        ("request_uri", "request_uri_not_supported"),
        ("registration", "registration_not_supported"),
    ):
        if _value(query, name):
            yield error, f"{name} is not supported."
    yield from _wrong_in_response(party, query)
    yield from _wrong_in_scope(query)
    yield from _wrong_in_binding(party, query)
    yield from _wrong_in_wishes(query)


def _wrong_in_response(party: RelyingParty, query: QueryDict) -> Iterator[tuple[str, str]]:
    response_type, mode = _response_type(query), _value(query, "response_mode")
    if not response_type:
        yield "invalid_request", "response_type is missing."
    if response_type not in (CODE, TOKENS):
        yield "unsupported_response_type", "response_type is code, or id_token token where that is allowed."
    if response_type == TOKENS and not party.allows_token_grant:
        yield (
            "unauthorized_client",
            "The token grant is not allowed for this client_id. Use response_type code.",
        )
    if mode and mode != _mode(query):
        yield "invalid_request", f"response_mode {_plain(mode)} is not offered for this response_type."


def _wrong_in_scope(query: QueryDict) -> Iterator[tuple[str, str]]:
    scope = _value(query, "scope")
    if scope and not SCOPE.fullmatch(scope):
        yield "invalid_scope", "scope is a list of words with single spaces in between."
    if _response_type(query) == TOKENS and OPENID not in scope.split(" "):
        yield "invalid_scope", "An ID token needs the scope openid."


def _wrong_in_binding(party: RelyingParty, query: QueryDict) -> Iterator[tuple[str, str]]:
    """PKCE and nonce: what binds the answer to the browser that asked."""
    challenge, method = _value(query, "code_challenge"), _value(query, "code_challenge_method")
    nonce, is_code = _value(query, "nonce"), _response_type(query) == CODE
    if (challenge or method) and method != "S256":
        yield "invalid_request", "code_challenge_method must be S256."
    if (challenge or method) and not CHALLENGE.fullmatch(challenge):
        yield "invalid_request", "code_challenge must be a SHA-256 in base64url, 43 characters."
    if is_code and not challenge and (party.is_public or party.needs_pkce):
        yield "invalid_request", "code_challenge is required (PKCE with S256)."
    if not nonce and not is_code:
        yield "invalid_request", "nonce is required where an ID token is asked for."
    if not nonce and not challenge:
        yield "invalid_request", "nonce is required without PKCE."
    if not challenge and OPENID not in _value(query, "scope").split(" "):
        yield (
            "invalid_scope",
            "Without PKCE, the scope openid is required: only an ID token brings the nonce back.",
        )


def _wrong_in_wishes(query: QueryDict) -> Iterator[tuple[str, str]]:
    prompt, max_age, group = (_value(query, name) for name in ("prompt", "max_age", "group"))
    prompts = set(prompt.split())
    if prompts - PROMPTS:
        yield "invalid_request", "prompt is none or login."
    if "none" in prompts and len(prompts) > 1:
        yield "invalid_request", "prompt none stands alone."
    if max_age and not DIGITS.fullmatch(max_age):
        yield "invalid_request", "max_age is a number of seconds."
    if group and not DIGITS.fullmatch(group):
        yield "invalid_request", "group is a number of one to nine digits."


def _plain(word: str) -> str:
    """A word of the request, as an error description may repeat it (RFC 6749, section 4.1.2.1)."""
    return re.sub(r"[^A-Za-z0-9_.-]", "?", word[:40])


def _for_the_log(sender: Sender, error: str, description: str) -> Refused:
    return Refused(Refusal(error, description, 400, detail=description), _about(sender.relying_party))


def _about(party: RelyingParty) -> dict[str, Any]:
    """The party by its name. It is not the one who asks: anybody can write its public id into an address."""
    return {"action": ACTION, "about": party.named, "client": party.client}
