"""Where an agent was going when a page came in between: a signed value, carried through every hop."""

from dataclasses import asdict, dataclass, field
from datetime import timedelta
from typing import Any

from django.core import signing

SALT = "agent.target"
LIFETIME = timedelta(hours=24)  # a tab left open overnight still knows its call


@dataclass(frozen=True)
class Target:
    """An address of this portal, and what the sign-in page may say of it."""

    path: str  # path and query; always of this portal
    client: str = ""  # subdomain
    caller_tail: str = ""  # the last digits of the caller's number
    reference: str = ""  # of the request that was stopped here; "" where nobody popped
    at: str = ""  # when that was: ISO, UTC
    origins: list[str] = field(default_factory=list)  # that the way there passes, beyond the client's own

    def for_audit(self) -> dict[str, Any]:
        """What the event of a sign-in may keep of the pop that it was made for; nothing where there was none."""
        if not self.reference:
            return {}
        return {"pop": {"reference": self.reference, "at": self.at, "client": self.client}}


def seal(target: Target) -> str:
    """The target as a value for addresses and forms."""
    return signing.dumps(asdict(target), salt=SALT, compress=True)


def unseal(sealed: str) -> Target | None:
    """The target that was sealed here; None for anything else."""
    try:
        return Target(**signing.loads(sealed, salt=SALT, max_age=LIFETIME))
    except (signing.BadSignature, TypeError, ValueError):
        return None
