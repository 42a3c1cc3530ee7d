"""The triggers that keep the audit log append-only, in the words of each database."""

TABLE = "accounts_event"

INSTALL = {
    "sqlite": [
        f"""CREATE TRIGGER event_no_{act.lower()} BEFORE {act} ON {TABLE}
            BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END"""
        for act in ("UPDATE", "DELETE")
    ]
    + [  # REPLACE would change a row without either
        f"""CREATE TRIGGER event_no_replace BEFORE INSERT ON {TABLE}
            WHEN EXISTS (SELECT 1 FROM {TABLE} WHERE id = NEW.id)
            BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END"""  # noqa: S608  (a constant)
    ],
    "postgresql": [
        """CREATE FUNCTION event_is_append_only() RETURNS trigger LANGUAGE plpgsql AS
           $$ BEGIN RAISE EXCEPTION 'the audit log is append-only'; END $$""",
        f"""CREATE TRIGGER event_append_only BEFORE UPDATE OR DELETE ON {TABLE}
            FOR EACH ROW EXECUTE FUNCTION event_is_append_only()""",
    ],
}
REMOVE = {
    "sqlite": [f"DROP TRIGGER event_no_{act}" for act in ("update", "delete", "replace")],
    "postgresql": [f"DROP TRIGGER event_append_only ON {TABLE}", "DROP FUNCTION event_is_append_only()"],
}
