"""Agents' authenticator apps: six digits that change (TOTP, RFC 6238: SHA-1, 30 seconds)."""

import base64
import hashlib
import hmac
from urllib.parse import quote, urlencode

from allauth.mfa.adapter import get_adapter
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value, yield_hotp_counters_from_time
from django.conf import settings
from django.utils.crypto import constant_time_compare

from groups.models import Agent, AgentFactor
from sso_portal.lib.encryption import decrypt, encrypt

LONGEST_LABEL = 40  # characters: a QR code holds some 2,900 bytes, and one character may take nine of them


def proposed_secret(nonce: str) -> str:
    """The secret that is proposed to whoever has no app yet: the same as often as the page is loaded."""
    return proposed_secrets(nonce)[0]


def proposed_secrets(nonce: str) -> list[str]:
    """That secret, and what it was before SECRET_KEY changed: the picture may have been taken then."""
    keys = [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]
    made = (hmac.digest(key.encode(), f"agent.factor:{nonce}".encode(), hashlib.sha256) for key in keys)
    return [base64.b32encode(one[:20]).decode() for one in made]


def address_of(agent: Agent, secret: str) -> str:
    """What the QR code says (the otpauth address that authenticator apps read)."""
    issuer = agent.group.name[:LONGEST_LABEL].replace(":", " ")  # a colon parts the label
    label = f"{issuer}:{agent.username[:LONGEST_LABEL]}"
    return f"otpauth://totp/{quote(label)}?{urlencode({'secret': secret, 'issuer': issuer}, quote_via=quote)}"


def picture_of(address: str) -> str:
    """The QR code as an SVG element."""
    svg: str = get_adapter().build_totp_svg(address)
    return svg[svg.index("<svg") :]


def enrol(agent: Agent, secret: str, code: str) -> bool:
    """Take the app as the agent's, if the code is its code of now and he has none yet. In a transaction."""
    counter = _counter_of(secret, code)
    if counter is None:
        return False
    # Two tabs at once: the row is unique, and only one of them makes it.
    AgentFactor.objects.bulk_create(
        [AgentFactor(agent=agent, secret=encrypt(secret), last_counter=counter)], ignore_conflicts=True
    )
    made = AgentFactor.objects.get(agent=agent)
    return constant_time_compare(decrypt(made.secret), secret) and made.last_counter == counter


def take(factor: AgentFactor, code: str) -> bool:
    """Whether this is the app's code of now, not taken before: on any node, at most one caller ever gets a yes."""
    counter = _counter_of(decrypt(factor.secret), code)
    if counter is None:
        return False
    return (
        AgentFactor.objects.filter(pk=factor.pk, last_counter__lt=counter).update(last_counter=counter) == 1
    )


def _counter_of(secret: str, code: str) -> int | None:
    """The time step that this code belongs to, one before and one after now included."""
    typed = code.replace(" ", "")
    for counter in yield_hotp_counters_from_time():
        if constant_time_compare(format_hotp_value(hotp_value(secret, counter)), typed):
            return int(counter)
    return None
