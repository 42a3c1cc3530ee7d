"""The demo's secrets: derived from SECRET_KEY, so that they can be printed again though only digests are stored."""

import base64
import hashlib
import hmac

from django.conf import settings

from sso_portal.lib.secrets import ALPHABET
from tokens.models import RelyingPartySecret


def derived(purpose: str) -> bytes:
    """Thirty-two bytes that belong to this SECRET_KEY and this purpose."""
    return hmac.new(settings.SECRET_KEY.encode(), f"demo: {purpose}".encode(), hashlib.sha256).digest()


def secret(purpose: str, prefix: str) -> str:
    """A machine secret of the demo."""
    return prefix + base64.urlsafe_b64encode(derived(purpose)).decode().rstrip("=")


def relying_party_id(purpose: str) -> str:
    """The public id of a relying party of the demo; a client's own goes by its subdomain."""
    return f"rp_{derived(f'id of {purpose}').hex()[:16]}"


def relying_party_secret(purpose: str) -> str:
    """The secret of the relying party with that id."""
    return secret(f"secret of {purpose}", RelyingPartySecret.PREFIX)


def readable(purpose: str) -> str:
    """A password of the demo that a person can type: `k7qf-3m2p-x8ta`."""
    letters = "".join(ALPHABET[byte % 32] for byte in derived(purpose)[:12]).lower()
    return "-".join(letters[i : i + 4] for i in (0, 4, 8))
