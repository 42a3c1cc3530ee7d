"""Relying parties, and other software, in the audit log: who acts where one calls, and where it is told otherwise."""

import re

from accounts.audit import ANONYMOUS
from tokens.models import RelyingParty

# As identifiers of relying parties and of API credentials are made.
IDENTIFIER = re.compile(r"rp_\w{1,61}|[0-9a-f]{32}", re.ASCII)


def actor_of(relying_party: RelyingParty | None, *, otherwise: str = "bus") -> str:
    """Who acts: the party that proved who it is. Anybody can call himself a public one, so that says nothing."""
    if relying_party is None:
        return otherwise
    return ANONYMOUS if relying_party.is_public else relying_party.named


def party_beside(actor: str, relying_party: RelyingParty | None) -> dict[str, str]:
    """For the details of an event: the party that it is about, where that is not its actor."""
    if relying_party is None or actor == relying_party.named:
        return {}
    return {"relying_party": relying_party.identifier}


def identifier_shown(identifier: str) -> dict[str, str]:
    """For the details of a refusal: as whom somebody called, unless it may be a secret in the wrong place."""
    return {"identifier": identifier} if IDENTIFIER.fullmatch(identifier) else {}
