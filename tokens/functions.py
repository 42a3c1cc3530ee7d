"""The acts that must be fast, as functions of the database: each decides, writes and tells in one statement.

Planning these joins costs several times what running them does. A function keeps its plans as long as its connection
lasts, behind PgBouncer too, where PREPARE does not. SQLite has no functions: there the plain path does it all.

Each does the usual case whole, or nothing: what is unusual, or refused, is for the plain path, which finds out why. So
there are no reasons here. But what lets an agent in, `groups.entering.why_not_enter`, is said again in SQL, as is what
the plain path writes: tests/tokens/test_at_once.py holds the two together, in every state that there is.

Never change a function that was released: the release before it works beside this one while nodes are replaced. Write
the next one (`…_2`), install it by a migration, and drop the old one a release later (docs/adr/0017).
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import orjson
from django.db import DEFAULT_DB_ALIAS, connections
from django.db.backends.base.base import BaseDatabaseWrapper

# `why_not_enter` finds nothing: agent `a` of group `g` before client `c`, by the entitlement `e`. What takes another
# question is asked by itself, of what was found: PostgreSQL looks through a statement for such questions each time that
# it is run, which costs the more the longer it is; and many need not be asked.
_MAY_ENTER = """
    a.status = 'active' AND (a.ends_at IS NULL OR a.ends_at > STATEMENT_TIMESTAMP())
    AND g.is_active AND c.is_active AND NOT c.is_paused"""
_FOR_FURTHER_QUESTIONS = "a.id AS agent_id, a.all_clients, c.id AS client_id, e.id AS entitlement_id"
_UNLESS_LISTED = """
    IF NOT one.all_clients THEN
        IF NOT EXISTS (
            SELECT FROM groups_agententitlement n
            WHERE n.agent_id = one.agent_id AND n.entitlement_id = one.entitlement_id
        ) THEN
            RETURN NULL;
        END IF;
    END IF;"""

# `Grant`: what is listed narrows, and no list at all means every one. (OFFSET: or each list is asked for at each use.)
_LISTED = """(SELECT
        ARRAY(SELECT d.department_id FROM groups_entitleddepartment d
            WHERE d.entitlement_id = one.entitlement_id) AS department_ids,
        ARRAY(SELECT l.campaign_id FROM groups_entitledcampaign l
            WHERE l.entitlement_id = one.entitlement_id) AS campaign_ids,
        ARRAY(SELECT l.campaign_id FROM groups_agentcampaign l
            JOIN groups_agententitlement n ON n.id = l.narrowing_id
            WHERE n.agent_id = one.agent_id AND n.entitlement_id = one.entitlement_id) AS own_campaign_ids
        OFFSET 0
    ) AS listed"""
_NONE_OR_LISTED = "(CARDINALITY(listed.{list}) = 0 OR o.id = ANY(listed.{list}))"
_DEPARTMENTS = f"""ARRAY(
    SELECT o.number FROM groups_department o
    WHERE o.client_id = one.client_id AND o.is_active AND {_NONE_OR_LISTED.format(list="department_ids")})"""
_CAMPAIGNS = f"""ARRAY(
    SELECT o.number FROM groups_campaign o WHERE o.client_id = one.client_id AND o.is_active
    AND {_NONE_OR_LISTED.format(list="campaign_ids")} AND {_NONE_OR_LISTED.format(list="own_campaign_ids")})"""
_HAS_EVERY_CAMPAIGN = "CARDINALITY(listed.campaign_ids) = 0 AND CARDINALITY(listed.own_campaign_ids) = 0"

# `issued_last_minute` is below the limit: there is no row that would be the last one allowed. Compared as a pair, so
# that only the index of both will do: planners believe that the last minute saw next to nothing, and would look through
# all of it.
_BELOW_LIMIT = """(
        most IS NULL OR most > 0 AND NOT EXISTS (
            SELECT FROM tokens_logintoken t
            WHERE t.{by} = {of} AND (t.{by}, t.issued_at) > ({of}, STATEMENT_TIMESTAMP() - INTERVAL '1 minute') {kinds}
            OFFSET GREATEST(most - 1, 0) LIMIT 1
        )
    )"""
_POPS = "AND t.kind IN ('hand_off', 'launch', 'signed')"
_LIVE_KEY = "k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > STATEMENT_TIMESTAMP())"
# `CredentialQuerySet.touch`. Of many calls at once one writes, and none waits for it.
_NOTE_USE = """
    IF one.is_due THEN
        UPDATE {table} SET last_used_at = STATEMENT_TIMESTAMP()
        WHERE id = (SELECT k.id FROM {table} k WHERE k.id = one.key_id FOR NO KEY UPDATE SKIP LOCKED);
    END IF;"""
_IS_DUE = "COALESCE(k.last_used_at <= STATEMENT_TIMESTAMP() - INTERVAL '1 minute', TRUE) AS is_due"
_RECEIVES_TOKENS = "c.hand_off IN ('redirect', 'form_post')"
_KIND_FOR_SOFTWARE = "CASE one.hand_off WHEN 'redirect' THEN 'hand_off' ELSE 'entrance' END"

# What `issue` writes.
_TOKEN = """
    INSERT INTO tokens_logintoken (
        digest, expires_at, kind, agent_id, group_id, client_id, session_id, platform_key_id, terms,
        departments, campaigns, did, cid, call_id, campaign_id, destination, redeemed_from
    ) VALUES (
        token_digest, STATEMENT_TIMESTAMP() + lifetime, {kind}, one.agent_id, one.group_id, one.client_id,
        {session}, {platform_key}, '{{}}', {departments}, {campaigns}, did, cid, call_id, campaign_id, destination, ''
    );"""
# What `audit.record` writes. Its time is when this INSERT began, not the function: sealing relies on it (ADR 15).
_EVENT = """
    INSERT INTO accounts_event (
        at, reference, door, actor, action, outcome, reason,
        group_id, client, agent, object, address, agent_header, details
    ) VALUES (
        CLOCK_TIMESTAMP(), reference, door, {actor}, '{action}', 'ok', '',
        one.group_id, one.subdomain, one.subject, 'token:' || LEFT(token_digest, 12), address, agent_header, {details}
    );"""

OF_CALLER = {"reference": "text", "door": "text", "address": "text", "agent_header": "text"}
# As CallContext has it.
OF_CALL = {"did": "text", "cid": "text", "call_id": "text", "campaign_id": "text", "destination": "text"}
OF_TOKEN = {"token_digest": "text", "lifetime": "interval", "most": "bigint", "details": "jsonb"}


# How each type of what a function takes is read from the list that it is given.
_READ = {
    "text": "given->>{place}",
    "bigint": "(given->>{place})::bigint",
    "interval": "MAKE_INTERVAL(secs => (given->>{place})::integer)",  # seconds
    "jsonb": "NULLIF(given->{place}, 'null')",
}


@dataclass(frozen=True)
class Function:
    """A function of the database: what it takes, how it does its act, and what it then tells of what it found.

    It is given one list and tells one, both in JSON: values by themselves cost the driver and PostgreSQL more to quote
    and to read.
    """

    name: str
    takes: Mapping[str, str]
    body: str
    tells: tuple[str, ...]

    @property
    def definition(self) -> str:
        """The statement that makes it.

        Whatever PostgreSQL believes of the tables, it looks rows up by their keys, joins them in the order written (the
        wide ones last: what each has is handed on by all after it), and plans once.
        """
        taken = " ".join(
            f"{name} CONSTANT {kind} := {_READ[kind].format(place=place)};"
            for place, (name, kind) in enumerate(self.takes.items())
        )
        return f"""CREATE FUNCTION {self.name}(given jsonb) RETURNS json LANGUAGE plpgsql
            SET enable_seqscan = off SET enable_hashjoin = off
            SET join_collapse_limit = 1 SET plan_cache_mode = force_generic_plan AS $$
            DECLARE one record; granted record; of_call record; {taken}
            BEGIN{self.body}
                RETURN JSON_BUILD_ARRAY({", ".join(self.tells)});
            END$$"""

    @property
    def signature(self) -> str:
        """What it is known by."""
        return f"{self.name}(jsonb)"

    @cached_property
    def call(self) -> str:
        """The statement that asks it."""
        return f"SELECT {self.name}(%s)::text"

    def did(self, *given: Any) -> list[Any] | None:
        """Do it with what it takes, if this is the usual case: what it tells. None: nothing was done."""
        database = connections[DEFAULT_DB_ALIAS]
        if database.vendor != "postgresql":
            return None
        if len(given) != len(self.takes):  # PostgreSQL cannot tell: what is missing would be NULL
            raise TypeError(f"{self.name} takes {len(self.takes)} values")
        _make_ready(database)
        try:
            cursor = _cursor_of(database)
            cursor.execute(self.call, (orjson.dumps(given).decode(),))
            told: str | None = cursor.fetchone()[0]
        except Exception:
            with database.wrap_database_errors:
                raise
        if _is_old(database):
            database.close_if_unusable_or_obsolete()
        found: list[Any] | None = orjson.loads(told) if told else None
        return found


def _cursor_of(database: BaseDatabaseWrapper) -> Any:
    """A cursor; the driver's own, which costs half of Django's, unless somebody listens to statements."""
    if database.execute_wrappers or database.queries_logged:
        return database.cursor()
    return database.connection.cursor()


def _make_ready(database: BaseDatabaseWrapper) -> None:
    """As Django does when a request begins, which this one does not; what is usual in fewer steps."""
    if database.in_atomic_block:
        return
    if database.errors_occurred or _is_old(database):
        database.close_if_unusable_or_obsolete()
    elif database.connection is not None and not database.is_usable():
        database.close()
    if database.connection is None:
        database.ensure_connection()


def _is_old(database: BaseDatabaseWrapper) -> bool:
    """Whether the connection has been kept for as long as it may be (CONN_MAX_AGE)."""
    ends = None if database.in_atomic_block else database.close_at
    return ends is not None and time.monotonic() >= ends


_DID = "IF NOT FOUND THEN RETURN NULL; END IF;"

POP = Function(
    "tokens_pop_3",
    takes={"cookie_digest": "text", "group_number": "bigint", "client_name": "text"}
    | (OF_TOKEN | OF_CALL | OF_CALLER),
    body=f"""
    SELECT s.id AS session_id, s.sid, g.idle_minutes,
        s.last_seen_at <= STATEMENT_TIMESTAMP() - INTERVAL '1 minute' AS is_due,
        {_FOR_FURTHER_QUESTIONS}, a.subject, a.group_id,
        c.subdomain, c.hand_off, c.login_url, c.name, c.further_origins
    INTO one
    FROM groups_agentsession s
    JOIN groups_agent a ON a.id = s.agent_id
    JOIN groups_group g ON g.id = a.group_id
    JOIN groups_client c ON c.subdomain = client_name
    JOIN groups_entitlement e ON e.group_id = g.id AND e.client_id = c.id
    WHERE s.digest = cookie_digest AND s.ended_at IS NULL
    AND s.ends_at > STATEMENT_TIMESTAMP() AND s.idle_at > STATEMENT_TIMESTAMP()
    AND a.group_id = group_number AND {_RECEIVES_TOKENS} AND {_MAY_ENTER};
    {_DID}
    {_UNLESS_LISTED}
    IF NOT {_BELOW_LIMIT.format(by="session_id", of="one.session_id", kinds=_POPS)} THEN
        RETURN NULL;
    END IF;
    IF one.is_due THEN
        UPDATE groups_agentsession s SET last_seen_at = STATEMENT_TIMESTAMP(),
            idle_at = STATEMENT_TIMESTAMP() + MAKE_INTERVAL(mins => one.idle_minutes)
        WHERE s.id = one.session_id;
    END IF;
    {
        _TOKEN.format(
            kind="'hand_off'",
            session="one.session_id",
            platform_key="NULL",
            departments="NULL",
            campaigns="NULL",
        )
    }
    {
        _EVENT.format(
            action="login.issue",
            actor="'agent:' || one.subject",
            details="details || JSONB_BUILD_OBJECT('session', one.sid)",
        )
    }
""",
    tells=("one.hand_off", "one.login_url", "one.name", "one.further_origins"),
)

BY_NAME = Function(
    "tokens_issue_by_name_3",
    takes={
        "key_digest": "text",
        "user_name": "text",
        "person_name": "text",
        "mail": "text",
        "client_name": "text",
    }
    | {"departments": "jsonb", "campaigns": "jsonb"}
    | (OF_TOKEN | OF_CALL | OF_CALLER),
    body=f"""
    SELECT k.id AS key_id, {_IS_DUE}, k.prefix, {_FOR_FURTHER_QUESTIONS}, a.subject, a.group_id,
        c.subdomain, c.hand_off, c.login_url
    INTO one
    FROM tokens_platformkey k
    JOIN groups_group g ON g.id = k.group_id
    JOIN groups_agent a ON a.group_id = g.id AND a.username_key = user_name
    JOIN groups_client c ON c.subdomain = client_name
    JOIN groups_entitlement e ON e.group_id = g.id AND e.client_id = c.id
    WHERE k.digest = key_digest AND {_LIVE_KEY}
    AND (a.provisioned_by <> 'api' OR (a.full_name = person_name AND mail IN ('', a.email)))
    AND {_RECEIVES_TOKENS} AND {_MAY_ENTER};
    {_DID}
    {_UNLESS_LISTED}
    IF NOT (
        EXISTS (SELECT FROM tokens_addressrule r WHERE r.group_id = one.group_id AND address::inet <<= r.network::inet)
        AND EXISTS (
            SELECT FROM {_LISTED}
            WHERE TO_JSONB({_DEPARTMENTS}) @> departments
            AND (campaigns IS NULL OR TO_JSONB({_CAMPAIGNS}) @> campaigns)
        )
        AND {_BELOW_LIMIT.format(by="platform_key_id", of="one.key_id", kinds="")}
    ) THEN
        RETURN NULL;
    END IF;
    {_NOTE_USE.format(table="tokens_platformkey")}
    {
        _TOKEN.format(
            kind=_KIND_FOR_SOFTWARE,
            session="NULL",
            platform_key="one.key_id",
            departments="departments",
            campaigns="campaigns",
        )
    }
    {
        _EVENT.format(
            action="login.issue",
            actor="'key:' || one.prefix",
            details=f"JSONB_BUILD_OBJECT('kind', {_KIND_FOR_SOFTWARE}) || details",
        )
    }
""",
    tells=("one.hand_off", "one.login_url"),
)

REDEEM = Function(
    "tokens_redeem_3",
    takes={"party_name": "text", "secret_digest": "text", "token_digest": "text"} | OF_CALLER,
    body=f"""
    SELECT k.id AS key_id, {_IS_DUE}, p.id AS party_id, p.identifier, {_FOR_FURTHER_QUESTIONS},
        p.backchannel_logout_uri <> '' AND t.session_id IS NOT NULL AS wants_log_outs,
        t.session_id, t.group_id, t.departments, t.campaigns,
        a.subject, a.username, a.full_name, a.email, g.code AS group_code, g.name AS group_name, c.subdomain
    INTO one
    FROM tokens_relyingpartysecret k
    JOIN tokens_relyingparty p ON p.id = k.relying_party_id
    JOIN tokens_logintoken t ON t.digest = token_digest
    JOIN groups_entitlement e ON e.group_id = t.group_id AND e.client_id = t.client_id
    JOIN groups_client c ON c.id = t.client_id
    JOIN groups_group g ON g.id = t.group_id
    JOIN groups_agent a ON a.id = t.agent_id
    WHERE k.digest = secret_digest AND {_LIVE_KEY}
    AND p.identifier = party_name AND p.is_active AND NOT p.is_public
    AND t.group_id = a.group_id AND t.client_id = p.client_id AND {_MAY_ENTER};
    {_DID}
    {_UNLESS_LISTED}
    SELECT {_DEPARTMENTS} AS departments, {_CAMPAIGNS} AS campaigns, {_HAS_EVERY_CAMPAIGN} AS has_every_campaign,
        s.ended_at IS NOT NULL AS is_over, s.methods, COALESCE(s.factor_shown_at, s.started_at) AS proved_at, s.sid
    INTO granted
    FROM {_LISTED} LEFT JOIN groups_agentsession s ON s.id = one.session_id;
    IF granted.is_over THEN  -- or it was renewed, and goes on under the same sid
        IF EXISTS (
            SELECT FROM groups_agentsession o
            WHERE o.sid = granted.sid AND o.ended_at IS NOT NULL AND o.end_reason <> 'renewed'
        ) THEN
            RETURN NULL;
        END IF;
    END IF;
    IF one.departments IS NOT NULL OR one.campaigns IS NOT NULL THEN
        IF NOT (one.departments IS NULL OR TO_JSONB(granted.departments) @> one.departments)
        OR NOT (one.campaigns IS NULL OR TO_JSONB(granted.campaigns) @> one.campaigns) THEN
            RETURN NULL;
        END IF;
    END IF;
    -- The claim, as `LoginTokenQuerySet.claim` has it: own columns only, and whether it changed a row decides.
    UPDATE tokens_logintoken t
    SET redeemed_at = STATEMENT_TIMESTAMP(), redeemed_by_id = one.party_id, redeemed_from = address
    WHERE t.digest = token_digest AND t.redeemed_at IS NULL AND t.expires_at > STATEMENT_TIMESTAMP()
    AND t.kind = 'hand_off' AND t.client_id = one.client_id
    AND (t.issued_to_id IS NULL OR t.issued_to_id = one.party_id)
    RETURNING t.did, t.cid, t.call_id, t.campaign_id, t.destination, t.issued_at INTO of_call;
    {_DID}
    {_NOTE_USE.format(table="tokens_relyingpartysecret")}
    IF one.wants_log_outs THEN  -- `handoffs.remember`
        INSERT INTO tokens_handoff (session_id, relying_party_id, tries, failure)
        VALUES (one.session_id, one.party_id, 0, '') ON CONFLICT DO NOTHING;
    END IF;
    {_EVENT.format(action="login.redeem", actor="'relying_party:' || one.identifier", details="'{}'")}
""",
    tells=(
        *("one.subject", "one.username", "one.full_name", "one.email"),
        *("one.group_id", "one.group_code", "one.group_name", "one.subdomain"),
        *("one.departments", "one.campaigns"),
        *("granted.departments", "granted.campaigns", "granted.has_every_campaign"),
        *("of_call.did", "of_call.cid", "of_call.call_id", "of_call.campaign_id", "of_call.destination"),
        *("granted.methods", "granted.proved_at", "granted.sid", "of_call.issued_at"),
    ),
)

FUNCTIONS = (POP, BY_NAME, REDEEM)
