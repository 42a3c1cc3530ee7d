"""Off-the-shelf clients of OpenID Connect, unchanged: discovery, code with PKCE, userinfo, refresh, revoke, log-out."""

from pathlib import Path

import pytest

from tests.clients.browsing import Browser
from tests.clients.conversing import Row, run_node, run_python

pytestmark = pytest.mark.clients

METHODS = ["client_secret_basic", "client_secret_post", "none"]


def who(
    method: str, said: dict[str, str], *, party: str = "OIDC", algorithm: str = "RS256"
) -> dict[str, str]:
    """What a client is told of the relying party that it is, and of how it says so; `none` is the public one's."""
    is_public = method == "none"
    name = said["OIDC_PUBLIC_CLIENT_ID"] if is_public else said[f"{party}_CLIENT_ID"]
    secret = "" if is_public else said[f"{party}_CLIENT_SECRET"]
    return said | {"METHOD": method, "ID": name, "SECRET": secret, "ALGORITHM": algorithm}


@pytest.fixture(params=METHODS)
def party(request: pytest.FixtureRequest, said: dict[str, str]) -> dict[str, str]:
    """A relying party whose ID tokens are signed by RS256, as those of all are that registered nothing else."""
    return who(request.param, said)


@pytest.fixture
def elliptic(said: dict[str, str]) -> dict[str, str]:
    """A relying party that registered ES256."""
    return who("client_secret_basic", said, party="OIDC_ES256", algorithm="ES256")


@pytest.mark.node
def test_openid_client(party: dict[str, str], row: Row, agent_browser: Browser) -> None:
    row.client = f"openid-client, {party['METHOD']}"
    run_node("openid_client.mjs", row=row, said=party, browser=agent_browser)


@pytest.mark.node
def test_openid_client_with_es256(elliptic: dict[str, str], row: Row, agent_browser: Browser) -> None:
    row.client = "openid-client, ES256"
    run_node("openid_client.mjs", row=row, said=elliptic, browser=agent_browser)


def test_authlib_with_es256(elliptic: dict[str, str], row: Row, agent_browser: Browser) -> None:
    row.client = "Authlib, ES256"
    run_python("python", "with_authlib.py", row=row, said=elliptic, browser=agent_browser)


def test_authlib(party: dict[str, str], row: Row, agent_browser: Browser) -> None:
    row.client = f"Authlib, {party['METHOD']}"
    run_python("python", "with_authlib.py", row=row, said=party, browser=agent_browser)


def test_requests_oauthlib(party: dict[str, str], row: Row, agent_browser: Browser) -> None:
    row.client = f"requests-oauthlib, {party['METHOD']}"
    run_python("python", "with_requests_oauthlib.py", row=row, said=party, browser=agent_browser)


@pytest.mark.parametrize("pkce", ["on", "off"])
def test_mozilla_django_oidc(
    pkce: str, site_port: int, said: dict[str, str], row: Row, agent_browser: Browser, tmp_path: Path
) -> None:
    row.client = f"mozilla-django-oidc, PKCE {pkce}"
    own = {
        "ID": said["OIDC_CLIENT_ID"],
        "SECRET": said["OIDC_CLIENT_SECRET"],
        "METHOD": "client_secret_post" if pkce == "on" else "client_secret_basic",
        "PKCE": pkce,
        "SITE_PORT": str(site_port),
        "SITE_DATABASE": str(tmp_path / "site.sqlite3"),
    }
    run_python("python", "with_mozilla_django_oidc.py", row=row, said=said | own, browser=agent_browser)
