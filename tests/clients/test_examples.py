"""The example CRMs (examples/), run as they are: an agent of the demo is popped into each, in every way there is."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from urllib.parse import urlencode

import pytest
import requests

from tests.clients.browsing import Browser
from tests.environment import ROOT
from tests.running_demo import Manage, free_pair_of_ports, is_free

pytestmark = pytest.mark.clients
WAYS = ("REDIRECT", "FORM_POST", "SIGNED", "OIDC")
READY_WITHIN = 20  # seconds
COMMANDS = {
    "python": lambda port: [sys.executable, "examples/python/crm.py"],
    "php": lambda port: ["php", "-S", f"127.0.0.1:{port}", "examples/php/crm.php"],
    "node": lambda port: ["node", "examples/node/crm.mjs"],
}
# At another port than the workbench's, so that tests may run beside each other.
MOVE = """
from django.db.models import F, Value
from django.db.models.functions import Replace
from groups.models import Client
from tokens.models import RegisteredAddress, RelyingParty
for model, field in ((Client, "login_url"), (RelyingParty, "initiate_login_uri"), (RegisteredAddress, "address")):
    rows = model.objects.filter(**{f"{field}__startswith": "http://127.0.0.1:18600/"})
    rows.update(**{field: Replace(field, Value(":18600/"), Value(":%s/"))})
"""


@pytest.fixture(
    scope="module",
    params=[
        "python",
        pytest.param("php", marks=pytest.mark.php),
        pytest.param("node", marks=pytest.mark.node),
    ],
)
def crm(request, demo: dict[str, str], manage: Manage) -> Iterator[str]:
    """The address of a running example."""
    port = free_pair_of_ports()
    manage("demo")  # back to the workbench's own port
    manage("shell", "--no-imports", "-c", MOVE % port)
    process = subprocess.Popen(
        COMMANDS[request.param](port),
        cwd=ROOT,
        env={name: value for name, value in os.environ.items() if name in ("PATH", "HOME")}
        | demo
        | {"CRM_PORT": str(port)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + READY_WITHIN
        while is_free(port) and time.monotonic() < deadline:
            time.sleep(0.1)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(READY_WITHIN)


@pytest.fixture
def robin(demo: dict[str, str]) -> Browser:
    """The workbench's agent."""
    return Browser(username=demo["WORKBENCH_USERNAME"], password=demo["WORKBENCH_PASSWORD"])


def pop_of(demo: dict[str, str], way: str, **call: str) -> str:
    query = urlencode({"group": demo["WORKBENCH_GROUP_ID"], **call})
    return f"{demo['PORTAL_URL']}/sso/group/{demo[f'CRM_{way}_CLIENT']}?{query}"


@pytest.mark.parametrize("way", WAYS)
def test_agent_is_taken_into_the_example(crm, demo, robin, way):
    ends = robin.visit(pop_of(demo, way, did="+18005550101", cid="+12125550142"))

    assert ends == f"{crm}/"
    page = robin.session.get(ends, timeout=20).text
    assert "Welcome, Robin Park" in page
    assert "+18005550101" in page


def test_example_lets_nobody_in_twice(crm, demo, robin, monkeypatch):
    """What arrived at the example arrives there again, as if somebody had read it on the way."""
    sent = []
    with closing(requests.Session()) as thief:
        thief.trust_env = False
        for way in WAYS:
            seen = _arrivals(robin, crm, monkeypatch)
            robin.visit(pop_of(demo, way))
            sent.append((way, seen[-1]))
        for way, (method, address, form) in sent:
            headers = {"Origin": demo["PORTAL_URL"]}
            answer = thief.request(
                method, address, data=form, headers=headers, allow_redirects=False, timeout=20
            )
            assert answer.status_code == 403, way


def test_example_takes_nobody_from_another_page(crm, demo, robin, monkeypatch):
    """A page elsewhere posts a login of its own into somebody's browser: he would work as whom he is not."""
    seen = _arrivals(robin, crm, monkeypatch)
    robin.visit(pop_of(demo, "FORM_POST"))
    robin.visit(pop_of(demo, "SIGNED"))

    for _, address, form in list(seen):  # these requests are seen, too
        answer = requests.post(address, form, headers={"Origin": "https://evil.example"}, timeout=20)
        assert answer.status_code == 403


def _arrivals(browser: Browser, crm: str, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str, object]]:
    """Every request that this browser sends to the example with something in it, from now on."""
    seen: list[tuple[str, str, object]] = []
    send = requests.Session.request

    def noted(self, method, url, data=None, **more):
        if url.startswith(crm) and (data or "?" in url):
            seen.append((method, url, data))
        return send(self, method, url, data=data, **more)

    monkeypatch.setattr(requests.Session, "request", noted)
    return seen
