"""A security key in software: makes passkeys and signs with real keys, as a browser passes it on (WebAuthn level 2)."""

import hashlib
import json
import secrets
from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from django.conf import settings
from fido2.cose import ES256
from fido2.utils import websafe_encode
from fido2.webauthn import AttestationObject, AttestedCredentialData, AuthenticatorData, CollectedClientData

FLAG = AuthenticatorData.FLAG
NO_FLAG = FLAG(0)


@dataclass
class SecurityKey:
    """One credential. What a test makes of `origin`, `rp_id`, `counter` or `flags` goes into what is said."""

    counter: int = 0
    origin: str = field(default_factory=lambda: settings.PORTAL_URL)
    rp_id: str = field(default_factory=lambda: settings.PORTAL_HOST)
    flags: FLAG = FLAG.UP
    credential_id: bytes = field(default_factory=lambda: secrets.token_bytes(32))
    private: Any = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))

    @property
    def public_half(self) -> AttestedCredentialData:
        key = ES256.from_cryptography_key(self.private.public_key())
        return AttestedCredentialData.create(bytes(16), self.credential_id, key)

    def make(self, options: dict[str, Any]) -> str:
        """The answer to creation options, as js/passkey.js writes it down."""
        said = self._said(FLAG.AT, bytes(self.public_half))
        attested = AttestationObject.create("none", said, {})
        client_data = self._client_data("webauthn.create", options)
        return self._written({"clientDataJSON": client_data, "attestationObject": attested})

    def show(self, options: dict[str, Any], **more: bytes) -> str:
        """The answer to request options. The counter rises, unless it stays 0."""
        self.counter += 1 if self.counter else 0
        said, client_data = self._said(), self._client_data("webauthn.get", options)
        signature = self.private.sign(said + hashlib.sha256(client_data).digest(), ec.ECDSA(hashes.SHA256()))
        answer = {"clientDataJSON": client_data, "authenticatorData": said, "signature": signature}
        return self._written(answer | more)

    def _said(self, more: FLAG = NO_FLAG, credential: bytes = b"") -> AuthenticatorData:
        rp_id_hash = hashlib.sha256(self.rp_id.encode()).digest()
        return AuthenticatorData.create(rp_id_hash, self.flags | more, self.counter, credential)

    def _client_data(self, kind: str, options: dict[str, Any]) -> bytes:
        return CollectedClientData.create(kind, options["publicKey"]["challenge"], self.origin)

    def _written(self, response: dict[str, bytes]) -> str:
        credential_id = websafe_encode(self.credential_id)
        told = {name: websafe_encode(value) for name, value in response.items()}
        return json.dumps(
            {"id": credential_id, "rawId": credential_id, "type": "public-key", "response": told}
        )
