"""The triggers that keep the audit log append-only, in the words of each database.

They let a row be deleted when its day was released, and let a day be released when it is sealed to its end and long
over. A seal must follow the last one and be of a time that is over: the role that the portal works as may add seals,
and one of the year 2099 would end sealing for good. Whoever may drop a trigger may do anything: that is what seals are
for, and grants (`manage.py database_roles`).
"""

from datetime import timedelta

KEPT_AT_LEAST = timedelta(days=90)  # whatever the settings say
TABLES = {"event": "accounts_event", "seal": "accounts_seal", "release": "accounts_release"}
_KEY = {"event": "id", "seal": "number", "release": "day"}
_DAY = {"event": "OLD.at", "seal": "OLD.since"}  # by which a row is released
_REFUSED = "the audit log is append-only"
_OUT_OF_TURN = "a seal of the audit log follows the last one, and is of one day and of a time that is over"
_FOLLOWS = """
    NOT EXISTS (SELECT 1 FROM {schema}accounts_seal WHERE number >= {seal}.number)
    AND NOT EXISTS (SELECT 1 FROM {schema}accounts_release WHERE number >= {seal}.number)
    AND (
        ({seal}.number = 1 AND {seal}.previous = '{nothing}')
        OR EXISTS (SELECT 1 FROM {schema}accounts_seal
            WHERE number = {seal}.number - 1 AND anchor = {seal}.previous AND until = {seal}.since)
        OR EXISTS (SELECT 1 FROM {schema}accounts_release
            WHERE number = {seal}.number - 1 AND anchor = {seal}.previous AND {midnight} = {seal}.since)
    )"""
_NOTHING = "0" * 64  # accounts.sealing.NOTHING
_TOO_EARLY = "a day of the audit log is released when it is sealed to its end and long over"


def _sqlite() -> list[str]:
    made = []
    for name, table in TABLES.items():
        released = f"SELECT 1 FROM accounts_release WHERE day = DATE({_DAY.get(name, 'NULL')})"
        there = f"SELECT 1 FROM {table} WHERE {_KEY[name]} = NEW.{_KEY[name]}"
        for act, event, when in (
            ("update", "UPDATE", ""),
            ("delete", "DELETE", f"WHEN NOT EXISTS ({released})"),
            ("replace", "INSERT", f"WHEN EXISTS ({there})"),  # REPLACE would change a row without either
        ):
            made.append(
                f"""CREATE TRIGGER {name}_no_{act} BEFORE {event} ON {table} {when}
                    BEGIN SELECT RAISE(ABORT, '{_REFUSED}'); END"""
            )
    made.append(
        f"""CREATE TRIGGER release_in_time BEFORE INSERT ON accounts_release
            WHEN NEW.day >= DATE('now', '-{KEPT_AT_LEAST.days} days') OR NOT EXISTS (
                SELECT 1 FROM accounts_seal WHERE number = NEW.number AND anchor = NEW.anchor
                AND until = DATE(NEW.day, '+1 day') || ' 00:00:00')
            BEGIN SELECT RAISE(ABORT, '{_TOO_EARLY}'); END"""
    )
    midnight = "DATE(day, '+1 day') || ' 00:00:00'"
    follows = _FOLLOWS.format(schema="", seal="NEW", midnight=midnight, nothing=_NOTHING)
    made.append(
        f"""CREATE TRIGGER seal_in_turn BEFORE INSERT ON accounts_seal
            WHEN NEW.until > DATETIME('now', '-4 minutes')
            OR NEW.until > DATE(NEW.since, '+1 day') || ' 00:00:00'
            OR NEW.sealed_at < DATETIME('now', '-1 hour')
            OR NEW.sealed_at > DATETIME('now', '+1 minute')
            OR NOT ({follows})
            BEGIN SELECT RAISE(ABORT, '{_OUT_OF_TURN}'); END"""
    )
    return made


def _postgresql() -> list[str]:
    made = []
    for name, table in TABLES.items():
        released = ""
        if name in _DAY:
            released = f"""IF TG_OP = 'DELETE' AND EXISTS (
                SELECT 1 FROM accounts_release WHERE day = ({_DAY[name]} AT TIME ZONE 'UTC')::date
            ) THEN RETURN OLD; END IF;"""
        made += [
            f"""CREATE FUNCTION {name}_is_append_only() RETURNS trigger LANGUAGE plpgsql AS
                $$ BEGIN {released} RAISE EXCEPTION '{_REFUSED}'; END $$""",
            f"""CREATE TRIGGER {name}_append_only BEFORE UPDATE OR DELETE ON {table}
                FOR EACH ROW EXECUTE FUNCTION {name}_is_append_only()""",
        ]
    made += [
        f"""CREATE FUNCTION release_is_in_time() RETURNS trigger LANGUAGE plpgsql AS
            $$ BEGIN
            IF NEW.day >= (NOW() AT TIME ZONE 'UTC')::date - {KEPT_AT_LEAST.days} OR NOT EXISTS (
                SELECT 1 FROM accounts_seal WHERE number = NEW.number AND anchor = NEW.anchor
                AND until = (NEW.day + 1)::timestamp AT TIME ZONE 'UTC'
            ) THEN RAISE EXCEPTION '{_TOO_EARLY}'; END IF;
            RETURN NEW; END $$""",
        """CREATE TRIGGER release_in_time BEFORE INSERT ON accounts_release
           FOR EACH ROW EXECUTE FUNCTION release_is_in_time()""",
    ]
    # With the schema's name: else whoever inserts could put a temporary table of this name before the real one.
    midnight = "(day + 1)::timestamp AT TIME ZONE 'UTC'"
    follows = _FOLLOWS.format(schema="THIS.", seal="($1)", midnight=midnight, nothing=_NOTHING)
    made += [
        f"""CREATE FUNCTION seal_is_in_turn() RETURNS trigger LANGUAGE plpgsql AS
            $$ DECLARE follows boolean;
            BEGIN
            EXECUTE REPLACE($q$ SELECT {follows} $q$, 'THIS', QUOTE_IDENT(TG_TABLE_SCHEMA)) INTO follows USING NEW;
            IF NEW.until > STATEMENT_TIMESTAMP() - INTERVAL '4 minutes'
            OR NEW.until > (DATE_TRUNC('day', NEW.since AT TIME ZONE 'UTC') + INTERVAL '1 day') AT TIME ZONE 'UTC'
            OR NEW.sealed_at < STATEMENT_TIMESTAMP() - INTERVAL '1 hour'
            OR NEW.sealed_at > STATEMENT_TIMESTAMP() + INTERVAL '1 minute'
            OR NOT follows
            THEN RAISE EXCEPTION '{_OUT_OF_TURN}'; END IF;
            RETURN NEW; END $$""",
        """CREATE TRIGGER seal_in_turn BEFORE INSERT ON accounts_seal
           FOR EACH ROW EXECUTE FUNCTION seal_is_in_turn()""",
    ]
    return made


INSTALL = {"sqlite": _sqlite(), "postgresql": _postgresql()}
REMOVE = {  # also what an earlier version of the portal made, which had fewer
    "sqlite": [
        *(
            f"DROP TRIGGER IF EXISTS {name}_no_{act}"
            for name in TABLES
            for act in ("update", "delete", "replace")
        ),
        "DROP TRIGGER IF EXISTS release_in_time",
        "DROP TRIGGER IF EXISTS seal_in_turn",
    ],
    "postgresql": [
        *(f"DROP TRIGGER IF EXISTS {name}_append_only ON {table}" for name, table in TABLES.items()),
        "DROP TRIGGER IF EXISTS release_in_time ON accounts_release",
        "DROP TRIGGER IF EXISTS seal_in_turn ON accounts_seal",
        *(f"DROP FUNCTION IF EXISTS {name}_is_append_only()" for name in TABLES),
        "DROP FUNCTION IF EXISTS release_is_in_time()",
        "DROP FUNCTION IF EXISTS seal_is_in_turn()",
    ],
}
