"""Exchanging an authorization code, once, for the first tokens of a family (RFC 6749, section 4.1; RFC 7636)."""

import base64
import hashlib
import hmac
import re
from dataclasses import dataclass
from functools import partial

from django.db import transaction

from sso_portal.lib.refusals import Refusal, Refused
from sso_portal.lib.web import Caller
from tokens import families
from tokens.families import Tokens
from tokens.logins import Login, login_of
from tokens.models import Kind, LoginToken, RelyingParty
from tokens.redeeming import ALREADY_USED, spend

VERIFIER = re.compile(r"[A-Za-z0-9._~-]{43,128}")
# One answer for all that may be wrong with a code: which it was stays in the audit log.
INVALID = Refusal(
    "invalid_grant",
    "This code is unknown, expired or already used, or was issued for another request than this.",
    400,
)


@dataclass(frozen=True)
class Exchanged:
    """What a code was worth: its login, the tokens, and the request's own nonce."""

    login: Login
    tokens: Tokens
    nonce: str


def exchange(
    code: str, *, relying_party: RelyingParty, redirect_uri: str, verifier: str, caller: Caller
) -> Exchanged:
    """Spend a code for tokens, if it was issued to this party for this address and verifier, and its agent may go on.

    A code that was spent before revokes what it gave. Raises Refused, `invalid_grant`.
    """
    why_not = partial(_why_not, relying_party=relying_party, redirect_uri=redirect_uri, verifier=verifier)
    tokens: Tokens | None = None
    with transaction.atomic():  # spent, written down and given, before anyone is answered
        spent = spend(code, kind=Kind.CODE, relying_party=relying_party, caller=caller, why_not=why_not)
        if spent.why == ALREADY_USED and spent.token:
            families.revoke_what_it_gave(spent.token, relying_party=relying_party, caller=caller)
        elif not spent.why:
            redemption = spent.redemption()
            terms = redemption.token.terms
            family = families.start(
                redemption, relying_party=relying_party, scope=terms["scope"], nonce=terms.get("nonce", "")
            )
            tokens = families.give(family, refresh=relying_party.gives_refresh_tokens)
    if tokens is None:
        raise Refused(INVALID, recorded=True)
    return Exchanged(login_of(redemption), tokens, family.nonce)


def challenge_of(verifier: str) -> str:
    """The S256 code challenge of a verifier."""
    digest = hashlib.sha256(verifier.encode()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def _why_not(token: LoginToken, *, relying_party: RelyingParty, redirect_uri: str, verifier: str) -> str:
    """Why the bearer of this code may not have what it says, for the audit log."""
    challenge = token.terms.get("challenge", "")
    if token.terms.get("redirect_uri") != redirect_uri:
        return "another redirect_uri"
    if token.session is None:
        return "session ended"
    if not challenge:
        # A verifier means that somebody took the challenge out of the request (RFC 9700, section 4.8.2).
        return "verifier without challenge" if verifier or relying_party.needs_pkce else ""
    if not VERIFIER.fullmatch(verifier):
        return "no verifier"
    return "" if hmac.compare_digest(challenge_of(verifier), challenge) else "wrong verifier"
