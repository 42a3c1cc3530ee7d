"""Login tokens and what grows from them; what the software of call centers and clients shows to be let in.

Facts that must agree are constraints of the database; each has a test in tests/tokens/test_constraints.py.
"""

from tokens.models.bus import LONGEST_DAYS, BusAddress, BusCode, BusSettings, BusUse
from tokens.models.credentials import (
    ENDS_SOON,
    OLD_AFTER,
    AddressRule,
    ApiCredential,
    ApiKey,
    Credential,
    CredentialAddress,
    CredentialQuerySet,
    GroupKey,
    PlatformKey,
    RelyingPartySecret,
    Scope,
    SigningPair,
    State,
)
from tokens.models.families import AccessToken, FamilyEnd, RefreshToken, TokenFamily, TokenFamilyQuerySet
from tokens.models.handoff import Handoff, HandoffState
from tokens.models.job_run import JobRun, Outcome
from tokens.models.login_token import Kind, LoginToken, LoginTokenQuerySet, issued_last_minute
from tokens.models.people import PersonToken, PersonUse
from tokens.models.relying_party import (
    ADDRESS_LENGTH,
    Algorithm,
    RegisteredAddress,
    RelyingParty,
    Use,
    new_identifier,
    validate_address,
    why_not_address,
)
from tokens.models.reminder import Reminder
from tokens.models.signing_key import Purpose, SigningKey
from tokens.models.spent_once import SpentOnce, SpentOnceQuerySet

__all__ = [
    "ADDRESS_LENGTH",
    "ENDS_SOON",
    "LONGEST_DAYS",
    "OLD_AFTER",
    "AccessToken",
    "AddressRule",
    "Algorithm",
    "ApiCredential",
    "ApiKey",
    "BusAddress",
    "BusCode",
    "BusSettings",
    "BusUse",
    "Credential",
    "CredentialAddress",
    "CredentialQuerySet",
    "FamilyEnd",
    "GroupKey",
    "Handoff",
    "HandoffState",
    "JobRun",
    "Kind",
    "LoginToken",
    "LoginTokenQuerySet",
    "Outcome",
    "PersonToken",
    "PersonUse",
    "PlatformKey",
    "Purpose",
    "RefreshToken",
    "RegisteredAddress",
    "RelyingParty",
    "RelyingPartySecret",
    "Reminder",
    "Scope",
    "SigningKey",
    "SigningPair",
    "SpentOnce",
    "SpentOnceQuerySet",
    "State",
    "TokenFamily",
    "TokenFamilyQuerySet",
    "Use",
    "issued_last_minute",
    "new_identifier",
    "validate_address",
    "why_not_address",
]
