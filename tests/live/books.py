"""Whether the database agrees with itself, and with what the clients saw: nothing lost, nothing doubled."""

import hashlib
from dataclasses import dataclass

from tests.live.load import Ledger
from tests.live.world import World

COUNTS = """
    SELECT (SELECT count(*) FROM tokens_logintoken),
           (SELECT count(*) FROM tokens_logintoken WHERE redeemed_at IS NOT NULL),
           (SELECT count(*) FROM accounts_event WHERE action = 'login.issue' AND outcome = 'ok'),
           (SELECT count(*) FROM accounts_event WHERE action = 'login.redeem' AND outcome = 'ok'),
           (SELECT coalesce(sum((details ->> 'rows')::int), 0) FROM accounts_event
             WHERE action = 'login_tokens.delete')
"""
# Each must find nothing.
NEVER = {
    "a token without its event": """
        SELECT 'token:' || left(digest, 12) FROM tokens_logintoken
        EXCEPT SELECT object FROM accounts_event WHERE action = 'login.issue' AND outcome = 'ok'
    """,
    "two events of one token's issue": """
        SELECT object FROM accounts_event WHERE action = 'login.issue' AND outcome = 'ok'
        GROUP BY object HAVING count(*) > 1
    """,
    "a redeemed token without its event": """
        SELECT 'token:' || left(digest, 12) FROM tokens_logintoken WHERE redeemed_at IS NOT NULL
        EXCEPT SELECT object FROM accounts_event WHERE action = 'login.redeem' AND outcome = 'ok'
    """,
    "an event of a redemption that never was": """
        SELECT event.object FROM accounts_event AS event
            JOIN tokens_logintoken AS token ON event.object = 'token:' || left(token.digest, 12)
        WHERE event.action = 'login.redeem' AND event.outcome = 'ok' AND token.redeemed_at IS NULL
    """,
    "a token that was redeemed twice": """
        SELECT object FROM accounts_event WHERE action = 'login.redeem' AND outcome = 'ok'
        GROUP BY object HAVING count(*) > 1
    """,
}


@dataclass(frozen=True)
class Books:
    """How much of everything there is."""

    tokens: int
    redeemed: int
    issue_events: int
    redeem_events: int
    cleaned_up: int

    @classmethod
    def of(cls, world: World) -> "Books":
        return cls(*world.database.ask(COUNTS)[0])

    @property
    def ever_issued(self) -> int:
        return self.tokens + self.cleaned_up

    def __str__(self) -> str:
        return f"{self.ever_issued} / {self.issue_events}, {self.redeemed} / {self.redeem_events}"


def digest_of(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def check(world: World, *ledgers: Ledger) -> Books:
    """Fail unless everything agrees; how much there is."""
    for what, statement in NEVER.items():
        found = world.database.ask(statement)
        assert not found, f"{what}: {len(found)}, {found[:5]}"
    books = Books.of(world)
    assert books.ever_issued == books.issue_events
    issued, events = world.command("count_tokens").split()
    assert issued == events == str(books.issue_events)
    for ledger in ledgers:
        check_ledger(world, ledger)
    return books


def check_ledger(world: World, ledger: Ledger) -> None:
    """Fail unless all that a client was told is in the database, and each token was told to one."""
    assert len(set(ledger.issued)) == len(ledger.issued)
    assert len(set(ledger.redeemed)) == len(ledger.redeemed)
    rows = dict(
        world.database.ask(
            "SELECT digest, redeemed_at IS NOT NULL FROM tokens_logintoken WHERE digest = ANY(%s)",
            ([digest_of(token) for token in ledger.issued],),
        )
    )
    missing = [token for token in ledger.issued if digest_of(token) not in rows]
    assert not missing, f"{len(missing)} tokens were handed out and are not in the database."
    unspent = [token for token in [*ledger.redeemed, *ledger.lost] if not rows[digest_of(token)]]
    assert not unspent, f"{len(unspent)} tokens were redeemed and are not marked so."
