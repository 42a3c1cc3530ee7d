"""The demo's signing pair: with it software asks for signed SSO addresses (wire.md, section 3)."""

from pathlib import Path

from django.conf import settings
from django.db import connection

from sso_portal.lib.secrets import digest_of
from tokens.demo_world import parties
from tokens.demo_world.derived import secret
from tokens.demo_world.making import make_credential
from tokens.models import RelyingParty, SigningPair
from tokens.signing_keys import public_pem


def build() -> None:
    """Make the pair of demoaws' relying party, or restore its row."""
    party = RelyingParty.objects.get(identifier=parties.CONFIDENTIAL.identifier)
    make_credential(
        SigningPair, api_key(), relying_party=party, name="Signed addresses", shared_key=shared_key()
    )


def values() -> dict[str, str]:
    """Its two keys, and where the public half of what answers are signed with lies."""
    return {
        "LS_API_KEY": api_key(),
        "LS_SHARED_KEY": shared_key(),
        "LS_PUBLIC_KEY_FILE": str(_public_key_file()),
        "PRODUCT": parties.CONFIDENTIAL.subdomain,
    }


def api_key() -> str:
    """The public half of the pair: it names who calls."""
    return secret("api key of signed addresses", SigningPair.PREFIX)


def shared_key() -> str:
    """The secret half: what calls are signed with."""
    return secret("shared key of signed addresses", "")


def _public_key_file() -> Path:
    """A PEM file of its own for each database: demo portals beside each other never write each other's."""
    database = "/".join(str(connection.settings_dict[part]) for part in ("HOST", "PORT", "NAME"))
    file: Path = settings.BASE_DIR / "var" / f"answers_{digest_of(database)[:12]}.pem"
    file.write_text(public_pem())
    return file
