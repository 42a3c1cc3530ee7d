"""What each client is told, where its browser comes from, and the row it leaves in the table."""

import shutil
import subprocess
from collections.abc import Iterator

import pytest

from tests.clients.browsing import Browser
from tests.clients.conversing import Row
from tests.running_demo import Manage, free_pair_of_ports

LEFT_OUT = "Left out: the tests of clients that need {}, which is not on PATH."
NODE, PHP = "Node 20 or newer with npm", "PHP"
NODE_IS_TOO_OLD = 'process.exit(process.versions.node.split(".")[0] < 20 ? 1 : 0)'
MISSING = pytest.StashKey[list[str]]()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what needs Node, or PHP, where there is none."""
    config.stash[MISSING] = []
    for marker, what, is_there in (("node", NODE, node_is_there), ("php", PHP, php_is_there)):
        left_out = [item for item in items if item.get_closest_marker(marker)]
        if left_out and not is_there():
            config.stash[MISSING].append(what)
            config.hook.pytest_deselected(items=left_out)
            items[:] = [item for item in items if item not in left_out]


def pytest_report_collectionfinish(config: pytest.Config) -> list[str]:
    return [LEFT_OUT.format(what) for what in config.stash.get(MISSING, [])]


def php_is_there() -> bool:
    """Whether the example in PHP can run here."""
    return shutil.which("php") is not None


def node_is_there() -> bool:
    """Whether the clients in JavaScript can run here (scripts/node_clients.sh asks the same)."""
    if not shutil.which("node") or not shutil.which("npm"):
        return False
    return subprocess.run(["node", "-e", NODE_IS_TOO_OLD], check=False).returncode == 0


@pytest.fixture
def row() -> Iterator[Row]:
    """The row that this test's client leaves in the table."""
    row = Row()
    yield row
    row.keep()


@pytest.fixture(scope="session")
def base_url(demo: dict[str, str]) -> str:
    """Paths are the portal's. (The plugin's own fixture is a bound method, which pytest 9.2 warns of.)"""
    return demo["PORTAL_URL"]


@pytest.fixture
def agent_browser(demo: dict[str, str]) -> Browser:
    """A browser that signs in as the demo's first agent."""
    return Browser(username=demo["AGENT_USERNAME"], password=demo["AGENT_PASSWORD"])


@pytest.fixture
def said(demo: dict[str, str]) -> dict[str, str]:
    """What every client is told: the demo's values, and the libraries' own options for http on this machine."""
    return demo | {
        "LOGGED_OUT_URI": demo["REDIRECT_URI"].replace("/oidc/callback/", "/logged-out/"),
        "AUTHLIB_INSECURE_TRANSPORT": "1",
        "OAUTHLIB_INSECURE_TRANSPORT": "1",
    }


@pytest.fixture
def site_port(manage: Manage, demo: dict[str, str]) -> int:
    """A free port, registered for a site of the demo's relying parties as their owner would do it in the console.

    (The demo's own REDIRECT_URI names one port, and two tests at once could not both listen there.)
    """
    port = free_pair_of_ports()
    paths = {"redirect": ["/oidc/callback/", "/oidc/silent/"], "logged_out": ["/logged-out/"], "origin": [""]}
    addresses = [
        (use, f"http://{host}:{port}{path}")
        for host in ("127.0.0.1", "localhost")
        for use, of_use in paths.items()
        for path in of_use
    ]
    parties = [demo["OIDC_CLIENT_ID"], demo["OIDC_PUBLIC_CLIENT_ID"]]
    manage(
        "shell",
        "--no-imports",
        "-c",
        "from tokens.models import RelyingParty; "
        f"[party.addresses.create(use=use, address=address) for use, address in {addresses!r} "
        f"for party in RelyingParty.objects.filter(identifier__in={parties!r})]",
    )
    return port
