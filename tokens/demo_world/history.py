"""The demo's last eight days: agents sign in, calls open clients, a few are refused. The same each time, and marked."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.utils import timezone

from accounts.models import Event, Outcome
from groups.models import Group
from sso_portal.lib.secrets import ALPHABET

MARK = {"demo": True}  # so that nobody counts them among the real ones
CALLS_BY_HOUR = [1, 0, 0, 0, 1, 3, 12, 40, 60, 48, 30, 22, 18, 26, 34, 28, 24, 20, 14, 9, 5, 3, 2, 1]
AT_THE_WEEKEND = 0.3
DAYS = 8
REFUSED = [  # how often, reason word, private half
    (0.022, "client_unavailable", "paused"),
    (0.008, "client_unavailable", "not among the agent's clients"),
    (0.005, "agent_disabled", "suspended"),
    (0.003, "malformed", ""),
]
NEVER_REDEEMED, WRONG_PASSWORD, UNREPLACED = 0.01, 0.08, 0.02


@dataclass(frozen=True)
class _Teller:
    group: Group
    clients: Sequence[str]
    relying_parties: dict[str, str]
    chance: random.Random

    def sign_in(self, at: datetime, subject: str) -> Iterator[Event]:
        """A sign-in at the beginning of a shift, for some after a wrong password."""
        if self.chance.random() < WRONG_PASSWORD:
            earlier, why = at - timedelta(seconds=self.chance.randrange(6, 25)), {"why": "wrong"}
            yield self._event(earlier, "agent.sign_in", subject, reason="wrong_credentials", details=why)
        yield self._event(at, "agent.sign_in", subject, object=self._code(22), details={"methods": ["pwd"]})

    def call(self, at: datetime, subject: str) -> Iterator[Event]:
        """A call: the login and its redemption, or the refusal."""
        client, reference = self.chance.choice(self.clients), self._reference()
        call = {"did": f"{self.chance.randrange(101, 110):04}", "cid": f"{self.chance.randrange(10_000):04}"}
        told = {"client": client, "reference": reference}
        lot = self.chance.random()
        for often, reason, private in REFUSED:
            if lot < often:
                why = {"detail": private} if private else {}
                yield self._event(at, "login.issue", subject, reason=reason, details=why, **told)
                return
            lot -= often
        token = f"token:{self.chance.randrange(16**12):012x}"
        details: dict[str, Any] = {"kind": "hand_off", "call": call}
        if self.chance.random() < UNREPLACED:
            details["placeholders"] = ["call_id"]
        yield self._event(at, "login.issue", subject, object=token, details=details, **told)
        if self.chance.random() < NEVER_REDEEMED:
            return
        yield self._event(
            at + timedelta(milliseconds=self.chance.randrange(180, 2400)),
            "login.redeem",
            subject,
            object=token,
            client=client,
            door="api",
            actor=f"relying_party:{self.relying_parties.get(client, '')}",
            address="198.51.100.20",
        )

    def _event(self, at: datetime, action: str, subject: str, *, reason: str = "", **fields: Any) -> Event:
        usual = {
            "reference": self._reference(),
            "door": "agents",
            "actor": f"agent:{subject}",
            "address": f"203.0.113.{1 + int(subject[:4], 16) % 199}",
        }
        details = fields.pop("details", {}) | MARK
        return Event(
            at=at,
            action=action,
            outcome=Outcome.REFUSED if reason else Outcome.OK,
            reason=reason,
            group_id=self.group.pk,
            agent=subject,
            details=details,
            **usual | fields,
        )

    def _reference(self) -> str:
        return "-".join(self._code(4) for _ in range(3))

    def _code(self, length: int) -> str:
        return "".join(self.chance.choices(ALPHABET, k=length))


def tell(group: Group, *, clients: Sequence[str], relying_parties: dict[str, str]) -> None:
    """Write the events of the last eight days, most of them by day, few of them at the weekend."""
    chance = random.Random(8)  # noqa: S311  (made-up activity, the same each time)
    teller = _Teller(group, clients, relying_parties, chance)
    working = list(
        group.agents.working().exclude(password="").order_by("pk").values_list("subject", flat=True)
    )
    zone, now = ZoneInfo(group.time_zone), timezone.now()
    events: list[Event] = []
    for back in range(DAYS, -1, -1):
        day = (now.astimezone(zone) - timedelta(days=back)).date()
        shift = chance.sample(working, min(60, len(working)))
        for subject in shift:
            at = datetime(
                day.year, day.month, day.day, 6 + chance.randrange(4), chance.randrange(60), tzinfo=zone
            )
            events += teller.sign_in(at, subject)
        busy = AT_THE_WEEKEND if day.weekday() > 4 else 0.8 + 0.4 * chance.random()
        for hour, calls in enumerate(CALLS_BY_HOUR):
            for _ in range(round(calls * busy)):
                at = datetime(day.year, day.month, day.day, hour, tzinfo=zone)
                events += teller.call(at + timedelta(seconds=chance.randrange(3600)), chance.choice(shift))
    over = sorted((event for event in events if event.at < now), key=lambda event: event.at)
    Event.objects.bulk_create(over, batch_size=500)
