"""An agent's second factor: the six digits of an authenticator app (TOTP, RFC 6238: SHA-1, 30 seconds)."""

import base64
import hashlib
import hmac
from urllib.parse import quote, urlencode

from allauth.mfa.adapter import get_adapter
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value, yield_hotp_counters_from_time
from django.conf import settings
from django.utils.crypto import constant_time_compare

from accounts import lockout
from groups.models import Agent, AgentFactor, Group
from sso_portal.lib.encryption import decrypt, encrypt

LONGEST_LABEL = 40  # characters: a QR code holds some 2,900 bytes, and one character may take nine of them


def is_needed(agent: Agent) -> bool:
    """Whether this agent signs in with a second factor: his group demands it, or he has one."""
    return agent.group.needs_second_factor or AgentFactor.objects.filter(agent=agent).exists()


def proposed_secret(nonce: str) -> str:
    """The secret that is proposed to whoever has no app yet: the same as often as the page is loaded."""
    key = hmac.digest(settings.SECRET_KEY.encode(), f"agent.factor:{nonce}".encode(), hashlib.sha256)
    return base64.b32encode(key[:20]).decode()


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


def may_try(agent: Agent) -> bool:
    """Count a try, before the code is looked at: apart from wrong passwords, and locked apart."""
    return lockout.may_try(door=door_of(agent.group), name=agent.username_key)


def forget_tries(agent: Agent) -> None:
    """Start the count anew: a code was right, or an administrator unlocked the agent."""
    lockout.forget(door=door_of(agent.group), name=agent.username_key)


def door_of(group: Group) -> str:
    """The name of the door that wrong codes are counted at."""
    return f"{group.door}:factor"


def _counter_of(secret: str, code: str) -> int | None:
    """The time step that this code belongs to, one before and one after now included."""
    typed = code.replace(" ", "")
    for counter in yield_hotp_counters_from_time():
        if constant_time_compare(format_hotp_value(hotp_value(secret, counter)), typed):
            return int(counter)
    return None
