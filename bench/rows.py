"""Rows by the ten thousand and by the ten million, made by PostgreSQL itself.

The load must know their secrets, so they are made of numbers: agent 7 has the cookie `as_bench_7`, token 7 is
`lt_bench_7`, its client is large8. (A number goes round: the first after the last is 1.)
"""

import base64
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

from bench.database import Database

GROUP = 9000
CLIENTS, PARTIES, KEYS = 50, 200, 100  # requests.lua says the same
WORKING, NEWCOMERS, OTHERS = 10_000, 2_000, 2_000  # agents: signed in, about to sign in, neither
PASSWORD = "correct horse battery"  # noqa: S105  (of made-up people)
CALLBACK = "https://large.example/callback"
MOST_A_SECOND = 4000  # that are redeemed: more than any machine has managed
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(b"v" * 43).digest()).rstrip(b"=").decode()

# Who works has a session; a newcomer has none, and signs in; the rest has a place in the console alone.
AGENTS = """
    INSERT INTO groups_agent (group_id, subject, username, username_key, full_name, email, password,
        must_choose_password, activation_digest, status, all_clients, provisioned_by, last_signed_in_at, last_address)
    SELECT %(group)s, md5(%(name)s || i), %(name)s || i, %(name)s || i,
        (ARRAY['Amara', 'Bilal', 'Carla', 'Dana', 'Emil'])[1 + i %% 5] || ' ' ||
        (ARRAY['Adeyemi', 'Bauer', 'Costa', 'Dubois', 'Eriksen', 'Fischer', 'Garcia'])[1 + i %% 7] || ' ' || i,
        '', %(password)s, false, '',
        CASE WHEN %(name)s <> 'other' THEN 'active' WHEN i %% 2 = 0 THEN 'disabled' ELSE 'suspended' END,
        %(name)s <> 'other', 'administrator',
        CASE WHEN %(name)s = 'agent' THEN now() - i * interval '0.1 seconds' END, '203.0.113.7'
    FROM generate_series(%(first)s::int, %(last)s::int) AS i
"""
LISTED_CLIENTS = """
    INSERT INTO groups_agententitlement (agent_id, entitlement_id)
    SELECT agent.id, entitlement.id FROM groups_agent AS agent JOIN groups_entitlement AS entitlement
        ON entitlement.group_id = agent.group_id AND entitlement.id %% 25 = agent.id %% 25
    WHERE agent.group_id = %(group)s AND NOT agent.all_clients
"""
SESSIONS = """
    INSERT INTO groups_agentsession (digest, sid, agent_id, has_cookie, methods, started_at, last_seen_at, idle_at,
        ends_at, end_reason, address, agent_header)
    SELECT encode(sha256(('as_bench_' || i)::bytea), 'hex'), 'bench' || i, agent.id, true, '["pwd"]',
        now() - interval '1 hour', now(), now() + interval '30 minutes', now() + interval '11 hours', '',
        '203.0.113.7', 'bench'
    FROM generate_series(%(first)s::int, %(last)s::int) AS i
        JOIN groups_agent AS agent ON agent.group_id = %(group)s AND agent.username_key = 'agent' || i
"""
SEEN = """
    UPDATE groups_agentsession SET last_seen_at = now() - %(ago)s * interval '1 second',
        idle_at = now() + interval '29 minutes' WHERE sid LIKE 'bench%%' AND ended_at IS NULL
"""
OWNER_SEEN = "UPDATE accounts_administratorsession SET last_seen_at = now()"  # or it would idle, and end
ENDED = (
    "UPDATE groups_agentsession SET ended_at = now(), end_reason = 'signed_out' WHERE sid NOT LIKE 'bench%'"
)
# A month of logins of the agents at work, or older ones, each redeemed: as a portal's table is.
TOKENS = """
    INSERT INTO tokens_logintoken (digest, kind, agent_id, group_id, client_id, session_id, terms, did, cid, call_id,
        campaign_id, destination, issued_at, expires_at, redeemed_at, redeemed_by_id, redeemed_from)
    SELECT md5(i::text) || md5(i || %(name)s), 'hand_off', agents.first + i %% %(agents)s, %(group)s,
        clients.first + i %% %(clients)s, sessions.first + i %% %(agents)s, '{}', '18005550100', '12125550142',
        i::text, '', '', moment.at, moment.at + interval '60 seconds', moment.at + interval '1 second',
        parties.first + i %% %(clients)s, '203.0.113.7'
    FROM generate_series(1, %(rows)s::int) AS i,
        LATERAL (SELECT now() - interval '1 hour' - (%(oldest)s - (%(oldest)s - %(newest)s) * (i / %(rows)s::float8))
            * interval '1 day' AS at) AS moment,
        (SELECT min(id) AS first FROM groups_agent WHERE username_key LIKE 'agent%%') AS agents,
        (SELECT min(id) AS first FROM groups_client) AS clients,
        (SELECT min(id) AS first FROM groups_agentsession WHERE sid LIKE 'bench%%') AS sessions,
        (SELECT min(id) AS first FROM tokens_relyingparty) AS parties
"""
EVENTS = """
    INSERT INTO accounts_event (at, reference, door, actor, action, outcome, reason, group_id, client, agent, object,
        address, agent_header, details)
    SELECT now() - interval '1 hour' - (%(oldest)s - (%(oldest)s - %(newest)s) * (i / %(rows)s::float8))
            * interval '1 day',
        upper(left(%(name)s, 5)) || '-' || i, 'agents', 'agent:' || md5('agent' || 1 + i %% %(agents)s),
        CASE WHEN i %% 20 = 0 THEN 'agent.sign_in' WHEN i %% 2 = 0 THEN 'login.issue' ELSE 'login.redeem' END,
        CASE WHEN i %% 25 = 0 THEN 'refused' ELSE 'ok' END, CASE WHEN i %% 25 = 0 THEN 'client_unavailable' ELSE '' END,
        %(group)s, 'large' || 1 + i %% %(clients)s, md5('agent' || 1 + i %% %(agents)s),
        CASE WHEN i %% 20 = 0 THEN '' ELSE 'token:' || left(md5((i / 2)::text), 12) END, '203.0.113.7', 'bench',
        '{"kind": "hand_off", "call": {"did": "0100"}}'
    FROM generate_series(1, %(rows)s::int) AS i
"""
# Tokens that wait to be redeemed, and codes: with secrets that the load knows, enough for one run.
WAITING = """
    INSERT INTO tokens_logintoken (digest, kind, agent_id, group_id, client_id, session_id, issued_to_id, terms, did,
        cid, call_id, campaign_id, destination, issued_at, expires_at, redeemed_from)
    SELECT encode(sha256((%(secret)s || i)::bytea), 'hex'), %(kind)s, session.agent_id, %(group)s,
        clients.first + i %% %(clients)s, session.id,
        CASE WHEN %(kind)s = 'code' THEN parties.first + i %% %(parties)s END, %(terms)s, '18005550100',
        '12125550142', i::text, '', '', now(), now() + interval '5 minutes', ''
    FROM generate_series(%(first)s::int, %(last)s::int) AS i
        JOIN groups_agentsession AS session ON session.sid = 'bench' || 1 + i %% %(agents)s,
        (SELECT min(id) AS first FROM groups_client) AS clients,
        (SELECT min(id) AS first FROM tokens_relyingparty) AS parties
"""

# What bench/floor.py reads and writes.
FLOOR = """
    CREATE TABLE bench_session (digest varchar(64) PRIMARY KEY, agent_id bigint NOT NULL);
    CREATE TABLE bench_token (
        id bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
        digest varchar(64) NOT NULL UNIQUE, agent_id bigint NOT NULL, issued_at timestamptz NOT NULL
    );
    GRANT SELECT, INSERT ON bench_session, bench_token TO portal
"""
FLOOR_SESSIONS = """
    INSERT INTO bench_session
    SELECT encode(sha256(('as_bench_' || i)::bytea), 'hex'), i
        FROM generate_series(%(first)s::int, %(last)s::int) AS i
"""

# How the indexes of a table are removed, and made again.
UNIQUE = """
    SELECT format('ALTER TABLE %%s DROP CONSTRAINT %%I', conrelid::regclass, conname),
        format('ALTER TABLE %%s ADD CONSTRAINT %%I %%s', conrelid::regclass, conname, pg_get_constraintdef(oid))
    FROM pg_constraint WHERE conrelid = %(table)s::regclass AND contype = 'u'
"""
INDEXES = """
    SELECT format('DROP INDEX %%s', indexrelid::regclass), pg_get_indexdef(indexrelid) FROM pg_index
    WHERE indrelid = %(table)s::regclass AND NOT indisprimary
        AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid AND contype = 'u')
"""


def add_agents(database: Database, name: str, *, first: int, last: int, password: str = "") -> None:
    """Agents of this name and these numbers; those called `agent` are at work, with a session."""
    values = {"group": GROUP, "name": name, "first": first, "last": last, "password": password}
    database.ask(AGENTS, values)
    if name == "agent":
        database.ask(SESSIONS, values)
        database.ask(FLOOR_SESSIONS, values)
    if name == "other":
        database.ask(LISTED_CLIENTS, values)


def add_history(
    database: Database, *, table: str, rows: int, agents: int, name: str, days: tuple[int, int]
) -> None:
    """So many tokens or events, spread over the days from the one so many ago to the other; `name` is theirs alone."""
    oldest, newest = days
    values = {"group": GROUP, "clients": CLIENTS, "rows": rows, "agents": agents, "name": name}
    values |= {"oldest": oldest, "newest": newest}
    statement = TOKENS if table == "tokens_logintoken" else EVENTS
    with _without_indexes(database, table):
        # They refer to rows that are there: no need to look each up.
        database.ask(f"SET session_replication_role = replica; {statement}", values)


def add_waiting(database: Database, *, codes: bool, first: int, count: int, agents: int) -> None:
    """Tokens, or authorization codes, that nobody has redeemed: `lt_bench_7` and on, or `oc_bench_7` and on."""
    terms = f'{{"redirect_uri": "{CALLBACK}", "scope": "openid", "nonce": "n", "challenge": "{CHALLENGE}"}}'
    values = {
        "kind": "code" if codes else "hand_off",
        "secret": "oc_bench_" if codes else "lt_bench_",
        "terms": terms if codes else "{}",
        "group": GROUP,
        "clients": CLIENTS,
        "parties": PARTIES,
        "agents": agents,
        "first": first,
        "last": first + count - 1,
    }
    database.ask(WAITING, values)


def let_seen(database: Database, *, ago: int) -> None:
    """Let everybody at work have been seen so many seconds ago: from a minute on, his next pop notes that he was."""
    database.ask(SEEN, {"ago": ago})


@contextmanager
def _without_indexes(database: Database, table: str) -> Iterator[None]:
    """Meanwhile the table has no index but its primary key's: for many rows at once."""
    removed = [*database.ask(UNIQUE, {"table": table}), *database.ask(INDEXES, {"table": table})]
    for remove, _ in removed:
        database.ask(remove)
    yield
    for _, restore in removed:
        database.ask(restore)
