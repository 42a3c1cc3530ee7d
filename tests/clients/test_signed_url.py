"""Off-the-shelf clients of the signed SSO URL, unchanged; each checks the answer's signature."""

import pytest

from tests.clients.browsing import Browser
from tests.clients.conversing import Row, run_node, run_python

pytestmark = pytest.mark.clients


@pytest.mark.parametrize("major", ["2", "3", "4"])
def test_licensespring(major: str, said: dict[str, str], row: Row, agent_browser: Browser) -> None:
    row.client = f"licensespring {major}.x"
    run_python(f"licensespring{major}", "with_licensespring.py", row=row, said=said, browser=agent_browser)


@pytest.mark.node
def test_licensespring_node_sdk(said: dict[str, str], row: Row, agent_browser: Browser) -> None:
    row.client = "@licensespring/node-sdk"
    run_node("licensespring.mjs", row=row, said=said, browser=agent_browser)
