"""A million rows that have served their time, and the clean-up that removes them: `python -m bench.old_rows [rows]`.

In an empty database (DATABASE_URL); a login is issued and redeemed beside it all the while, and its waits are told.
"""

import os
import sys
import threading
import time
from datetime import timedelta
from io import StringIO
from typing import Any

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "sso_portal.settings")
django.setup()

from django.core.management import call_command  # noqa: E402
from django.db import connection  # noqa: E402
from django.utils import timezone  # noqa: E402

from accounts.models import Tally  # noqa: E402
from groups.models import Agent, AgentSession, Client, Group  # noqa: E402
from sso_portal.lib.inserting import insert_many  # noqa: E402
from sso_portal.lib.secrets import digest_of, new_secret  # noqa: E402
from tokens.models import AccessToken, Kind, LoginToken, TokenFamily  # noqa: E402

OLD = timezone.now() - timedelta(days=40)


def main() -> None:
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    agent, client = _somebody()
    print(f"{connection.vendor}, {rows:,} rows …", flush=True)
    _fill(rows, agent, client)
    waits: list[float] = []
    stop = threading.Event()
    beside = threading.Thread(target=_work, args=(agent, client, stop, waits))
    beside.start()
    begun, out = time.perf_counter(), StringIO()
    try:
        call_command("cleanup", stdout=out)
    finally:
        took = time.perf_counter() - begun
        stop.set()
        beside.join()
    print("\n".join(line for line in out.getvalue().splitlines() if not line.startswith("0 ")))
    waits.sort()
    print(f"{took:.1f} s, {rows / took:,.0f} rows a second; beside it {len(waits):,} logins, ", end="")
    print(f"median {waits[len(waits) // 2] * 1000:.1f} ms, longest {waits[-1] * 1000:.0f} ms")


def _somebody() -> tuple[Agent, Client]:
    group = Group.objects.create(code="old", name="Old")
    client = Client.objects.create(subdomain="old", name="Old", login_url="https://old.example/")
    return Agent.objects.create(group=group, username="old", full_name="Old"), client


def _fill(rows: int, agent: Agent, client: Client) -> None:
    """Half of it login tokens; the rest sessions, access tokens and tallies."""
    of_agent = {"agent_id": agent.pk, "group_id": agent.group_id, "client_id": client.pk}
    _insert(LoginToken, rows // 2, "issued_at", kind=Kind.HAND_OFF, expires_at=timezone.now(), **of_agent)
    _insert(
        AgentSession, rows // 8, "ends_at", agent_id=agent.pk, started_at=OLD - timedelta(days=9), idle_at=OLD
    )
    family = TokenFamily.objects.create(
        **of_agent, authenticated_at=OLD, ends_at=timezone.now() + timedelta(days=1)
    )
    _insert(AccessToken, rows // 8, "expires_at", family_id=family.pk)
    moments = ((OLD + timedelta(seconds=number), str(number)) for number in range(rows // 4))
    insert_many(Tally, common={"limit": "old"}, own=["minute", "who"], rows=moments)


def _insert(model: Any, rows: int, moment: str, **common: Any) -> None:
    own = ["digest", moment, *(["sid"] if model is AgentSession else [])]
    made = (
        (digest_of(new_secret()), OLD + timedelta(seconds=n), new_secret()[:32])[: len(own)]
        for n in range(rows)
    )
    insert_many(model, common=common, own=own, rows=made)


def _work(agent: Agent, client: Client, stop: threading.Event, waits: list[float]) -> None:
    while not stop.wait(0.01):
        begun, secret = time.perf_counter(), new_secret()
        LoginToken.objects.create(
            digest=digest_of(secret),
            kind=Kind.HAND_OFF,
            agent=agent,
            group=agent.group,
            client=client,
            expires_at=timezone.now() + timedelta(seconds=60),
        )
        assert LoginToken.objects.claim(secret, kind=Kind.HAND_OFF)  # noqa: S101  (nobody else knows it)
        waits.append(time.perf_counter() - begun)
    connection.close()


if __name__ == "__main__":
    main()
