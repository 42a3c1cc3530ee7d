"""Off-the-shelf clients of OpenID Connect, unchanged: discovery, code with PKCE, userinfo, refresh, revoke, log-out."""

from pathlib import Path

import pytest

from tests.clients.browsing import Browser
from tests.clients.conversing import Row, run_node, run_python

pytestmark = pytest.mark.clients

METHODS = ["client_secret_basic", "client_secret_post", "none"]


@pytest.fixture(params=METHODS)
def party(request: pytest.FixtureRequest, said: dict[str, str]) -> dict[str, str]:
    """What a client is told that says who it is in this way; `none` is the public relying party's."""
    if request.param == "none":
        return said | {"METHOD": request.param, "ID": said["OIDC_PUBLIC_CLIENT_ID"], "SECRET": ""}
    return said | {
        "METHOD": request.param,
        "ID": said["OIDC_CLIENT_ID"],
        "SECRET": said["OIDC_CLIENT_SECRET"],
    }


@pytest.mark.node
def test_openid_client(party: dict[str, str], row: Row, agent_browser: Browser) -> None:
    row.client = f"openid-client, {party['METHOD']}"
    run_node("openid_client.mjs", row=row, said=party, browser=agent_browser)


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
