"""The world that is measured: PostgreSQL, the portal set up as docs/operating.md says, a large call center in it."""

import contextlib
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bench import machine, rows
from bench.database import Database
from bench.load import Load, send
from bench.machine import RESULTS, ROOT, Failed

TOKENS, EVENTS = 200_000, 1_000_000  # of the last 30 days, to begin with
# Blocking threads of a worker: with a machine's every core at work, more of them only take turns.
WORKERS, THREADS = 2, 2
AFTER_A_MINUTE = "_after_a_minute"  # of the agent's last one: noting that he was seen comes on top
READY_WITHIN = 60  # seconds


@dataclass
class Server:
    """One server that is asked, the portal's or another to compare with."""

    name: str
    command: list[str]
    port: int
    ready_path: str
    environment: dict[str, str]
    folder: Path = ROOT
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and return as soon as it answers."""
        log = RESULTS / f"{self.name}.log"
        self.process = machine.start(self.command, environment=self.environment, log=log, folder=self.folder)
        is_ready = lambda: machine.is_answered(self.port, self.ready_path)  # noqa: E731
        machine.wait_until(is_ready, within=READY_WITHIN, what=f"{self.name} answers; see {log}")

    def end(self) -> None:
        """End it, if it runs."""
        if self.process is not None:
            machine.end(self.process)
            self.process = None

    @property
    def pid(self) -> int:
        if self.process is None:
            raise Failed(f"{self.name} does not run.")
        return self.process.pid


@dataclass(frozen=True)
class Run:
    """A load, and what it cost: processor time of the server and of PostgreSQL, in seconds."""

    load: Load
    server_time: float
    database_time: float


@dataclass
class World:
    """Everything there is to measure."""

    database: Database
    environment: dict[str, str]
    servers: dict[str, Server] = field(default_factory=dict)
    owner: str = ""  # his cookie
    password: str = ""  # hash of every newcomer's
    agents: int = rows.WORKING
    next: int = 1  # number that nothing was asked for with
    given: int = 0  # tokens that nobody issued

    def run(
        self,
        kind: str,
        *,
        seconds: int,
        connections: int,
        server: str = "portal",
        further: Sequence[str] = (),
    ) -> Run:
        """Prepare what this kind of request needs, and send it. Raises Failed for any wrong answer."""
        agents = rows.NEWCOMERS if kind == "sign_in" else self.agents
        self._prepare(kind, seconds=seconds)
        asked = self.servers[server]
        before = [machine.processor_time_of(pid) for pid in (asked.pid, self.database.pid)]
        load = send(
            kind.removesuffix(AFTER_A_MINUTE),
            port=asked.port,
            first=self.next,
            agents=agents,
            seconds=seconds,
            connections=connections,
            further=[*further, self.owner] if kind == "page" else further,
        )
        after = [machine.processor_time_of(pid) for pid in (asked.pid, self.database.pid)]
        self.next += rows.MOST_A_SECOND * seconds
        return Run(load, after[0] - before[0], after[1] - before[1])

    def _prepare(self, kind: str, *, seconds: int) -> None:
        if kind.startswith("pop"):
            rows.let_seen(self.database, ago=120 if kind.endswith(AFTER_A_MINUTE) else 0)
        elif kind in ("redeem", "token"):
            most = rows.MOST_A_SECOND * seconds
            self.given += most
            rows.add_waiting(
                self.database, codes=kind == "token", first=self.next, count=most, agents=self.agents
            )
        elif kind == "sign_in":
            self.database.ask(rows.ENDED)
        elif kind == "page":
            self.database.ask(rows.OWNER_SEEN)

    def unwritten(self) -> int:
        """How many more tokens than events of their issue there are: whatever it is, it must stay the same."""
        tokens = self.database.number("SELECT count(*) FROM tokens_logintoken") - self.given
        return tokens - self.database.number(
            "SELECT count(*) FROM accounts_event WHERE action = 'login.issue' AND outcome = 'ok'"
        )

    def manage(self, *arguments: str, role: str = "portal") -> str:
        """Run `manage.py …`; what it prints."""
        return machine.run("manage.py", *arguments, environment=self.environment_of(role))

    def environment_of(self, role: str) -> dict[str, str]:
        """The settings of the portal, working as this role."""
        return self.environment | {"DATABASE_URL": self.database.url_as(role)}


@contextlib.contextmanager
def started() -> Iterator[World]:
    """The world with portal and floor running; ended, and its rows removed, whatever happens."""
    RESULTS.mkdir(parents=True, exist_ok=True)
    # Not the usual folder, which may be in memory: what counts is how long a disk takes.
    folder = Path(tempfile.mkdtemp(prefix="portal-bench-", dir="/var/tmp"))
    folder.chmod(0o755)  # PostgreSQL runs as a user of its own where the bench runs as root
    database = Database(folder)
    world = World(database, _environment(folder))
    try:
        database.begin()
        _fill(world)
        for server in _servers(world):
            world.servers[server.name] = server
            server.start()
        yield world
    finally:
        for server in world.servers.values():
            server.end()
        database.end()
        shutil.rmtree(folder, ignore_errors=True)


def _environment(folder: Path) -> dict[str, str]:
    """As in production, behind a proxy: limits, audit log and secure cookies are on."""
    kept = machine.plain_environment()
    secrets = machine.run("scripts/new_secrets.py", environment=kept)
    return (
        kept
        | dict(line.split("=", 1) for line in secrets.split())
        | {
            "DJANGO_SETTINGS_MODULE": "sso_portal.settings",
            "PYTHONPATH": str(ROOT),
            "ENV_FILE": os.devnull,
            "PORTAL_URL": "https://portal.test",
            "CLIENT_DOMAIN": "clients.portal.test",
            "TRUSTED_PROXIES": "127.0.0.1/32",
            "STATIC_ROOT": str(folder / "static"),
            "LOG_FORMAT": "json",
        }
    )


def _fill(world: World) -> None:
    database = world.database
    world.manage("migrate", "--verbosity", "0", role="owner")
    world.manage("createcachetable", role="owner")
    world.manage("database_roles", "portal", role="owner")
    world.manage("collectstatic", "--noinput", "--verbosity", "0")
    told = json.loads(machine.run("-m", "bench.people", environment=world.environment_of("owner")))
    database.ask(rows.FLOOR)
    world.owner, world.password = told["owner"], told["password"]
    for name, number in (("agent", rows.WORKING), ("newcomer", rows.NEWCOMERS), ("other", rows.OTHERS)):
        rows.add_agents(database, name, first=1, last=number, password=world.password)
    for table, number in (("tokens_logintoken", TOKENS), ("accounts_event", EVENTS)):
        rows.add_history(database, table=table, rows=number, agents=rows.WORKING, name="month", days=(29, 0))
    database.ask("VACUUM ANALYZE")


def _servers(world: World) -> Iterator[Server]:
    environment = world.environment_of("portal")
    for name, target, ready in (
        ("portal", "sso_portal.wsgi:application", "/healthz"),
        ("floor", "bench.floor:application", "/bare"),
    ):
        port = machine.free_port()
        command = machine.granian(target, port=port, workers=WORKERS, threads=THREADS)
        yield Server(name, command, port, ready, environment)
