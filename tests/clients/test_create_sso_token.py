"""Off-the-shelf clients of CreateSsoToken, unchanged: a login of a client company's own person, and errors."""

import pytest

from tests.clients.browsing import Browser
from tests.clients.conversing import Row, run_node, run_python

pytestmark = pytest.mark.clients


@pytest.fixture
def nobodys_browser() -> Browser:
    """A browser in which nobody signs in: the token is all that it needs."""
    return Browser(username="", password="")


def test_whmcspy(said: dict[str, str], row: Row, nobodys_browser: Browser) -> None:
    row.client = "whmcspy"
    run_python("python", "with_whmcspy.py", row=row, said=said, browser=nobodys_browser)


@pytest.mark.node
@pytest.mark.parametrize(("client", "script"), [("whmcs", "whmcs.mjs"), ("whmcs-js", "whmcs_js.mjs")])
def test_whmcs_in_javascript(
    client: str, script: str, said: dict[str, str], row: Row, nobodys_browser: Browser
) -> None:
    row.client = f"{client} (npm)"
    run_node(script, row=row, said=said, browser=nobodys_browser)
