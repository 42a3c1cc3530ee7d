"""The database is put back to what a backup has: what ended since must not come back to life."""

import json
import time
from datetime import UTC, datetime, timedelta

from tests.faults.test_rotation import ROTATE_PLATFORM_KEY
from tests.live import books
from tests.live.load import Line, Load, call_api, pop, redeem, sign_in, token_of
from tests.live.report import Table
from tests.live.world import OWNER, World

REVOKE_NEWEST_KEY = """
from sso_portal.lib.web import Caller
from tokens.keys import revoke_key
from tokens.models import PlatformKey
caller = Caller("FAULTS", None, "", "command")
assert revoke_key(PlatformKey.objects.live().latest("pk"), by="operator:faults", caller=caller)
"""


def test_a_backup_is_restored(world: World, table: Table) -> None:
    """Sessions and unspent tokens end, what was revoked since the backup is revoked again, people can sign in."""
    line, backup = Line(world), world.folder / "backup"
    key = world.command("shell", "-c", ROTATE_PLATFORM_KEY).rpartition("secret ")[2]
    assert call_api(line, key).status == 200
    session = world.people["sessions"][0]
    unspent = token_of(pop(line, session))
    before = books.check(world)
    world.database.tool("pg_dump", "--format=custom", f"--file={backup}", "portal")
    with Load(world, agents=4) as load:
        load.go_on(2)
        world.command("shell", "-c", REVOKE_NEWEST_KEY)
        assert call_api(line, key).status == 401
        load.go_on(1)
    exported = world.folder / "events.jsonl"
    yesterday = datetime.now(UTC) - timedelta(days=1)
    exported.write_text(world.command("audit", "export", "--since", f"{yesterday:%Y-%m-%d}"))
    for node in world.nodes:
        node.stop()
    away = line.ask("GET", "/healthz")
    assert away.is_honest_no, away
    began = time.monotonic()
    world.database.ask("DROP DATABASE portal WITH (FORCE)", database="postgres")
    world.database.ask(f"CREATE DATABASE portal OWNER {OWNER} TABLESPACE small_disk", database="postgres")
    world.database.tool("pg_restore", "--dbname=portal", "--exit-on-error", str(backup))
    said = world.as_owner("restored", "--events", str(exported))
    for node in world.nodes:
        node.start()
    took = time.monotonic() - began
    assert pop(line, session).location.startswith("/sso/sign-in"), "a session came back to life"
    assert redeem(line, unspent).status == 400, "a token came back to life"
    assert call_api(line, key).status == 401, f"a key came back to life\n{said}"
    world.people["sessions"] = json.loads(world.python("-m", "tests.live.people", "sessions"))
    _, again = sign_in(line, world.people["newcomers"][0])
    fresh = token_of(pop(line, again))
    assert redeem(line, fresh).status == 200
    seen = "session, unspent token and revoked key of before: refused; after a new sign-in: pop and redemption good"
    table.add("restored from a backup", seen, before, books.check(world), f"{took:.0f} s, restore included")
