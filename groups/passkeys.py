"""Agents' passkeys and security keys (WebAuthn level 2): shown after the password, never instead of it.

Nothing is kept between the question and the answer: the challenge is derived from the sign-in that asks, so that any
node can check the answer, and an answer for one sign-in is none for another.
"""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from cryptography.exceptions import InvalidSignature
from django.conf import settings
from django.db.models import Q
from django.db.models.functions import Now
from fido2.cose import CoseKey
from fido2.server import Fido2Server
from fido2.utils import websafe_encode
from fido2.webauthn import (
    AttestedCredentialData,
    AuthenticationResponse,
    PublicKeyCredentialRpEntity,
    PublicKeyCredentialUserEntity,
    RegistrationResponse,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from groups.models import Agent, AgentPasskey
from sso_portal.lib.web import origin_of
from sso_portal.lib.webauthn import UNREADABLE, refuse_lengths

Answer = dict[str, Any]  # of the browser, in the shape of PublicKeyCredential.toJSON()

MOST = 5  # of one agent
LONGEST_ID = 1023  # bytes (WebAuthn level 2, section 7.1, step 25)
# The password was shown before: whoever has the key need not show his finger or PIN too.
VERIFICATION = UserVerificationRequirement.PREFERRED
HARDWARE, SOFTWARE = "hwk", "swk"  # amr values (RFC 8176)


class NotAccepted(Exception):
    """A second factor that was not shown. `why` is for the audit log, as is the `detail`."""

    def __init__(self, why: str, detail: str = "") -> None:
        super().__init__(why)
        self.why, self.detail = why, detail

    def for_audit(self) -> dict[str, str]:
        """What its event keeps."""
        return {"why": self.why} | ({"detail": self.detail} if self.detail else {})


def creation_options(agent: Agent, *, nonce: str) -> dict[str, Any]:
    """What the browser is asked in order to make a passkey, none of those that the agent has."""
    user = PublicKeyCredentialUserEntity(
        id=agent.subject.encode(), name=agent.username, display_name=agent.full_name or agent.username
    )
    asked, _state = _server().register_begin(
        user,
        _descriptors(agent),
        resident_key_requirement=ResidentKeyRequirement.DISCOURAGED,  # nobody signs in by passkey alone
        user_verification=VERIFICATION,
        challenge=_challenge("make", nonce),
    )
    return dict(asked)


def request_options(agent: Agent, *, nonce: str) -> dict[str, Any]:
    """What the browser is asked in order to show one of the agent's passkeys."""
    asked, _state = _server().authenticate_begin(
        _descriptors(agent), user_verification=VERIFICATION, challenge=_challenge("show", nonce)
    )
    return dict(asked)


def enrol(agent: Agent, answer: Answer, *, nonce: str, name: str) -> AgentPasskey:
    """Take the passkey that the browser made as the agent's. In a transaction. Raises NotAccepted.

    No two agents share one: which of them came first the database decides.
    """
    with _judging():
        refuse_lengths(answer)
        made = RegistrationResponse.from_dict(answer)
        public_half = _server().register_complete(_state("make", nonce), made).credential_data
    if public_half is None or len(public_half.credential_id) > LONGEST_ID:
        raise NotAccepted("wrong passkey", "no key, or too long an id")
    with _judging():
        if not _can_verify(public_half.public_key):
            raise NotAccepted("wrong passkey", "a key that verifies what nobody signed")
    if agent.passkeys.count() >= MOST:
        raise NotAccepted("too many passkeys")
    kept, is_new = AgentPasskey.objects.get_or_create(
        digest=_digest(public_half.credential_id),
        defaults={
            "agent": agent,
            "credential": bytes(public_half),
            "name": name,
            "sign_count": made.response.attestation_object.auth_data.counter,
            "last_used_at": Now(),
        },
    )
    if not is_new:
        raise NotAccepted("passkey taken")
    return kept


def take(agent: Agent, answer: Answer, *, nonce: str) -> str:
    """Judge what a passkey of the agent's signed for this sign-in; its amr value. In a transaction. Raises NotAccepted.

    Its counter must have risen: of a passkey and its copy, the one that is behind is refused. Whether the key is in
    hardware is what it says of itself, for nobody attests it: one that may be copied to a cloud is software.
    """
    with _judging():
        refuse_lengths(answer)
        shown = AuthenticationResponse.from_dict(answer)
        known = [passkey.public_half for passkey in agent.passkeys.all()]
        _server().authenticate_complete(_state("show", nonce), known, shown)
        if shown.response.user_handle not in (None, b"", agent.subject.encode()):
            raise NotAccepted("wrong passkey", "made for somebody else")
    counter = shown.response.authenticator_data.counter
    risen = Q(sign_count__lt=counter) if counter else Q(sign_count=0)
    used = AgentPasskey.objects.filter(risen, agent=agent, digest=_digest(shown.raw_id))
    if not used.update(sign_count=counter, last_used_at=Now()):
        raise NotAccepted("passkey copied")
    return SOFTWARE if shown.response.authenticator_data.is_backup_eligible() else HARDWARE


def _server() -> Fido2Server:
    """The relying party: the portal's own host, and pages of its own origin alone."""
    portal = PublicKeyCredentialRpEntity(id=settings.PORTAL_HOST, name="Agent Portal")
    return Fido2Server(portal, verify_origin=lambda origin: origin == origin_of(settings.PORTAL_URL))


def _descriptors(agent: Agent) -> list[AttestedCredentialData]:
    return [passkey.public_half for passkey in agent.passkeys.order_by("pk")]


def _digest(credential_id: bytes) -> str:
    return hashlib.sha256(credential_id).hexdigest()


def _challenge(purpose: str, nonce: str) -> bytes:
    """What the passkey signs: of no key of ours, so that one that is rotated meanwhile spoils nothing."""
    return hashlib.sha256(f"agent.passkey.{purpose}:{nonce}".encode()).digest()


def _state(purpose: str, nonce: str) -> dict[str, Any]:
    """What fido2 wants back of the question that it asked."""
    return {"challenge": websafe_encode(_challenge(purpose, nonce)), "user_verification": VERIFICATION}


def _can_verify(key: CoseKey) -> bool:
    """Whether the key is one that can be checked against: of a kind that is known, and on its curve."""
    try:
        key.verify(b"", b"")
    except InvalidSignature:
        return True
    return False


@contextmanager
def _judging() -> Iterator[None]:
    """Whatever goes wrong with an answer is one refusal."""
    try:
        yield
    except UNREADABLE as failed:
        raise NotAccepted("wrong passkey", str(failed)[:100]) from failed
