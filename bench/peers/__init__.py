"""Other providers, set up as their documentation says, in the same rounds: an authorization with a live session → code.

They are installed by `make bench PEERS=1`, each in an environment of its own, and have databases of their own in the
same PostgreSQL. Nothing of them is part of the portal.
"""

import contextlib
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from bench import machine
from bench.machine import RESULTS, Failed
from bench.table import Kind
from bench.world import THREADS, WORKERS, Server, World

SESSIONS = 1_000
NAMES = {"toolkit": "django-oauth-toolkit", "node": "node oidc-provider"}
QUERY = (
    "response_type=code&client_id=peer&redirect_uri=https%3A%2F%2Flarge.example%2Fcallback&state=s"
    "&code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM&code_challenge_method=S256"
)
ADDRESSES = {"toolkit": f"/o/authorize/?{QUERY}&scope=read", "node": f"/auth?{QUERY}&scope=openid"}
COOKIES = {"toolkit": "sessionid", "node": "_session"}
READY = {"toolkit": "/o/authorize/", "node": "/.well-known/openid-configuration"}
HOST = {"toolkit": "", "node": "localhost"}  # of the address; the socket is told beside it


@contextlib.contextmanager
def started(world: World, *, wanted: bool) -> Iterator[list[Kind]]:
    """The rows of the table for them, while they run; none where they are not wanted."""
    kinds = []
    try:
        for name in NAMES if wanted else []:
            world.servers[name] = _made(world, name)
            world.servers[name].start()
            further = (ADDRESSES[name], COOKIES[name], str(_sessions_of(name)))
            kinds.append(Kind(f"{NAMES[name]}: session → code", "peer", server=name, further=further))
        yield kinds
    finally:
        for name in NAMES:
            if server := world.servers.pop(name, None):
                server.end()


def _sessions_of(name: str) -> Path:
    """Where the cookies of those who are signed in there are, one a line."""
    return RESULTS / f"{name}.sessions"


def _made(world: World, name: str) -> Server:
    """A peer that may start: its database is there, with everything in it."""
    world.database.ask(f"CREATE DATABASE {name} OWNER portal", database="postgres")
    port, folder = machine.free_port(), RESULTS / name
    if name == "toolkit":
        program = [str(folder / "bin" / "python"), "toolkit.py"]
        serve = machine.granian("toolkit:application", port=port, workers=WORKERS, threads=THREADS)
        fill, serve = [*program, str(SESSIONS)], [program[0], *serve[1:]]
    else:
        program = [shutil.which("node") or "node", "provider.mjs"]
        fill, serve = [*program, "fill", str(SESSIONS)], [*program, "serve", str(port)]
    environment = machine.plain_environment()
    environment["DATABASE_URL"] = f"postgres://portal@{HOST[name]}/{name}?host={world.database.data}"
    filled = subprocess.run(fill, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if filled.returncode:
        raise Failed(f"{NAMES[name]} could not be set up:\n{filled.stderr}")
    _sessions_of(name).write_text(filled.stdout)
    return Server(name, serve, port, READY[name], environment, folder)
