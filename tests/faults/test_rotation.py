"""Keys and secrets change while everybody works: nobody notices."""

import itertools
import json
import threading
import time
from collections import Counter
from dataclasses import dataclass, field

from joserfc import jwt
from joserfc.jwk import KeySet

from tests import factories
from tests.live.load import Answer, Line, call_api
from tests.live.report import Table
from tests.live.world import World, new_secrets

NOTICED_WITHIN = 2  # seconds: nginx tries a node again, a second after it found it closed

ROTATE_PLATFORM_KEY = """
from datetime import timedelta
from sso_portal.lib.web import Caller
from tokens.keys import rotate_key
from tokens.models import PlatformKey
caller = Caller("FAULTS", None, "", "command")
key = PlatformKey.objects.live().get()
print("secret", rotate_key(key, overlap=timedelta(hours=1), by="operator:faults", caller=caller).secret)
"""
END_OLDEST_KEY = """
from datetime import timedelta
from sso_portal.lib.web import Caller
from tokens.keys import end_key
from tokens.models import PlatformKey
caller = Caller("FAULTS", None, "", "command")
end_key(PlatformKey.objects.live().earliest("pk"), after=timedelta(0), by="operator:faults", caller=caller)
"""


def test_the_signing_key_is_rotated_under_load(world: World, table: Table) -> None:
    """What was signed before and after is good by the keys that are published."""
    with table.row(world, "signing key rotated twice under load", well_within=1, signed=True) as case:
        for _ in range(2):
            world.command("rotate_signing_key", "--at-once")
            case.load.go_on(1.5)
        case.fault_ended()
        assert not case.load.ledger.bad, case.load.ledger.bad[:3]
    published = json.loads(Line(world).ask("GET", "/.well-known/jwks.json").body)
    keys = KeySet.import_key_set(published)
    signed = [jwt.decode(token, keys, algorithms=["RS256"]) for token in case.load.ledger.signed]
    by_key = Counter(token.header["kid"] for token in signed)
    assert len(by_key) == 3
    assert {token.claims["aud"] for token in signed} == {world.people["receiver"]}


@dataclass
class Callers:
    """Programs of the group that ask for logins, each with the key it was given."""

    world: World
    keys: list[str]
    answers: list[Answer] = field(default_factory=list)
    stopping: threading.Event = field(default_factory=threading.Event)

    def work(self, number: int) -> None:
        line = Line(self.world)
        for call in itertools.count():
            if self.stopping.is_set():
                return
            self.answers.append(call_api(line, self.keys[number], f"worker{call % 10}"))
            self.stopping.wait(0.3)


def test_the_platform_key_is_rotated_under_load(world: World, table: Table) -> None:
    """Two live at once: each program takes the new one when it can, and no call fails."""
    callers = Callers(world, [factories.PLATFORM_KEY] * 2)
    threads = [threading.Thread(target=callers.work, args=(number,)) for number in range(2)]
    with table.row(world, "Platform-Key rotated under load", well_within=1, agents=4) as case:
        for thread in threads:
            thread.start()
        time.sleep(1)
        said = world.command("shell", "-c", ROTATE_PLATFORM_KEY)
        new = said.rpartition("secret ")[2]
        for number in range(2):  # one after the other
            time.sleep(1)
            callers.keys[number] = new
        time.sleep(1)
        world.command("shell", "-c", END_OLDEST_KEY)
        time.sleep(1)
        callers.stopping.set()
        for thread in threads:
            thread.join()
        case.fault_ended()
        told = Counter(answer.status for answer in callers.answers)
        assert set(told) == {200}, told
        assert call_api(Line(world), factories.PLATFORM_KEY).status == 401
        case.note(f"{told[200]} calls with old and new key: all 200; the old one afterwards: 401")
        assert not case.load.ledger.bad, case.load.ledger.bad[:3]


def test_the_secrets_are_rotated_under_load(world: World, table: Table) -> None:
    """First every node learns the new ones, then every node uses them, then the old ones are dropped."""
    old = {name: world.environment[name] for name in ("SECRET_KEY", "ENCRYPTION_KEY")}
    new = new_secrets()
    steps = (
        {
            "SECRET_KEY_FALLBACKS": new["SECRET_KEY"],
            "ENCRYPTION_KEY": f"{old['ENCRYPTION_KEY']},{new['ENCRYPTION_KEY']}",
        },
        {
            "SECRET_KEY": new["SECRET_KEY"],
            "SECRET_KEY_FALLBACKS": old["SECRET_KEY"],
            "ENCRYPTION_KEY": f"{new['ENCRYPTION_KEY']},{old['ENCRYPTION_KEY']}",
        },
        {"SECRET_KEY_FALLBACKS": "", "ENCRYPTION_KEY": new["ENCRYPTION_KEY"]},
    )
    fault = "SECRET_KEY and ENCRYPTION_KEY rotated, node by node"
    with table.row(world, fault, well_within=1, agents=4, signed=True) as case:
        for number, step in enumerate(steps, 1):
            if number == len(steps):  # while every node still reads both
                said = world.command("reencrypt").splitlines()[-1]
                case.note(f"reencrypt: “{said}”")
            world.environment |= step
            for node in world.nodes:
                node.restart(**step)
                time.sleep(NOTICED_WITHIN)
        case.fault_ended()
        case.load.go_on(1)
        assert not case.load.ledger.bad, case.load.ledger.bad[:3]
        case.note(f"{len(steps) * len(world.nodes)} restarts of a node")
