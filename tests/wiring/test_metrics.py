"""What Prometheus reads: who may, what is counted, what the database is asked; never a word of a stranger's."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from http.client import HTTPConnection, HTTPException
from pathlib import Path

import pytest
from django.conf import settings as real_settings
from django.db import OperationalError, connection
from django.test import Client
from django.utils import timezone

from accounts.models import Attempt
from groups.models import AgentSession, EndReason
from tests import factories
from tests.conftest import PORTAL
from tests.environment import ROOT
from tokens.models import Handoff, JobRun

TOKEN = "a-token-for-prometheus-0123456789-ABCDEF"
READY_WITHIN = 60  # seconds


@pytest.fixture
def watched(settings):
    """A portal that tells what it counts."""
    settings.METRICS_TOKEN = TOKEN


def read(token: str = TOKEN) -> dict[str, float]:
    """Every series and its value, as Prometheus reads them: a node by its address, without a host name."""
    page = Client(HTTP_HOST="10.0.0.7").get("/metrics", headers={"Authorization": f"Bearer {token}"})
    assert page.status_code == 200
    return series_in(page.content.decode())


def series_in(page: str) -> dict[str, float]:
    lines = [line.rpartition(" ") for line in page.splitlines() if not line.startswith("#")]
    return {name: float(value) for name, _, value in lines}


def grown(before: dict[str, float], name: str, **labels: str) -> float:
    """By how much a series has grown."""
    whole = name + "{" + ",".join(f'{label}="{value}"' for label, value in sorted(labels.items())) + "}"
    return read().get(whole, 0) - before.get(whole, 0)


# --- Who may read it --------------------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_page_is_not_there_without_a_token_of_its_own(client):
    assert client.get("/metrics", headers={"Authorization": "Bearer "}).status_code == 404


@pytest.mark.django_db
@pytest.mark.parametrize(
    "shown",
    ["", "Bearer", "Bearer ", "Bearer wrong", f"Basic {TOKEN}", TOKEN, f"Bearer {TOKEN}x", "Bearer é"],
)
def test_wrong_token_is_told_nothing(client, watched, shown):
    answer = client.get("/metrics", headers={"Authorization": shown} if shown else {})

    assert (answer.status_code, answer["WWW-Authenticate"]) == (401, 'Bearer realm="metrics"')
    assert b"portal_" not in answer.content


@pytest.mark.django_db
def test_right_token_is_told_what_was_counted(client, watched):
    before = read()

    client.get("/healthz")

    assert (
        grown(before, "portal_requests_total", door="main", method="GET", route="healthz", status="200") == 1
    )


# --- What is counted --------------------------------------------------------------------------------------------------


@pytest.fixture
def signed_in(agent, entitlement):
    """The browser of an agent whom pops take into demoaws."""
    browser = Client(HTTP_HOST=PORTAL)
    secret = "as_" + "s" * 40
    factories.AgentSessionFactory(secret=secret, agent=agent)
    browser.cookies[real_settings.AGENT_COOKIE_NAME] = secret
    return browser


@pytest.mark.django_db(transaction=True)
def test_pops_are_counted_by_outcome(signed_in, client, watched, group):
    before = read()

    signed_in.get(f"/sso/group/demoaws?group={group.pk}")
    signed_in.get(f"/sso/group/acme?group={group.pk}")
    client.get(f"/sso/group/demoaws?group={group.pk}")

    assert grown(before, "portal_pops_total", outcome="ok", reason="") == 1
    assert grown(before, "portal_pops_total", outcome="refused", reason="client_unavailable") == 1
    assert grown(before, "portal_pops_total", outcome="sign_in", reason="") == 1


@pytest.mark.django_db(transaction=True)
def test_sign_ins_are_counted_and_those_of_locked_names_apart(client, watched, agent, settings):
    before = read()
    form = {"username": agent.username, "password": "not the right one"}

    for _ in range(settings.LOCKOUT_FAILURES + 2):
        client.post(f"/sso/sign-in?group={agent.group_id}", form)

    wrong = {"outcome": "refused", "reason": "wrong_credentials", "who": "agent"}
    assert grown(before, "portal_sign_ins_total", **wrong) == settings.LOCKOUT_FAILURES + 2
    assert read()["portal_locked_tries_total"] - before["portal_locked_tries_total"] == 2


@pytest.mark.django_db(transaction=True)
def test_refusals_that_nobody_writes_down_any_more_still_count(client, watched, limit_a_minute):
    limit_a_minute("recorded refusals", 1)
    before = read()

    for _ in range(3):
        client.post("/api/v1/tokens/redeem", "{}", content_type="application/json")

    refused = {"door": "api", "outcome": "refused", "reason": "unauthorized"}
    assert grown(before, "portal_redemptions_total", **refused) == 3


HOSTILE = [
    ("GET", "/zzz-{}", {}),
    ("ZZZ{}", "/sso/sign-in?group=1", {}),
    ("GET", "/sso/group/zzz{}?group=1{}&did=zzz{}", {}),
    ("GET", "/groups/{}/agents/", {}),
    ("GET", "/static/zzz{}.css", {}),
    ("GET", "/sso/sign-in", {"Host": "zzz{}.example"}),
    ("GET", "/api/sso/zzz{}", {"Host": "zzz{}.localhost:8000"}),
    ("POST", "/api/v1/zzz{}", {"Authorization": "Bearer zzz{}", "X-Request-Id": "zzz{}"}),
    ("POST", "/accounts/login/", {"User-Agent": "zzz{}", "Referer": "http://zzz{}/"}),
    ("GET", "/oauth/authorize?client_id=zzz{}&response_type=zzz{}", {}),
]


@pytest.mark.django_db
def test_strangers_choose_no_label(client, watched, django_capture_on_commit_callbacks):
    def send(number: int) -> set[str]:
        for method, path, headers in HOSTILE:
            own = {name: value.replace("{}", str(number)) for name, value in headers.items()}
            client.generic(method.replace("{}", str(number)), path.replace("{}", str(number)), headers=own)
        return set(read())

    read()  # which is counted, too
    with django_capture_on_commit_callbacks(execute=True):
        first, second = send(1), send(2)

    assert second == first
    assert not [name for name in second if "zzz" in name.lower()]


# --- What the database is asked ---------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_age_of_what_is_not_sealed_is_told(watched):
    factories.EventFactory(at=timezone.now() - timedelta(hours=1))

    assert 3600 <= read()["portal_seal_lag_seconds"] < 4000


@pytest.mark.django_db
def test_log_outs_that_wait_are_told(watched, agent, relying_party):
    sessions = factories.AgentSessionFactory.create_batch(4, agent=agent)
    for session in sessions:
        Handoff.objects.remember(session, relying_party)
    AgentSession.objects.filter(pk__in=[session.pk for session in sessions[1:]]).end(EndReason.SIGNED_OUT)
    AgentSession.objects.filter(pk=sessions[1].pk).update(ended_at=timezone.now() - timedelta(minutes=20))
    Handoff.objects.filter(session=sessions[2]).update(next_try_at=timezone.now(), tries=1)
    Handoff.objects.filter(session=sessions[3]).update(given_up_at=timezone.now())

    told = read()

    assert told['portal_log_outs_waiting{state="untried"}'] == 1
    assert told['portal_log_outs_waiting{state="failed"}'] == 1
    assert 1200 <= told["portal_log_outs_oldest_seconds"] < 1300
    assert told["portal_log_outs_given_up"] == 1
    assert told['portal_sessions_live{who="agent"}'] == 1


@pytest.mark.django_db
def test_locked_names_and_jobs_of_the_worker_are_told(watched):
    now = timezone.now()
    locked = {"window_ends_at": now + timedelta(minutes=10), "locked_until": now + timedelta(minutes=20)}
    Attempt.objects.create(door="main", name="a", failures=5, **locked)
    Attempt.objects.create(door="main", name="b", failures=5, **(locked | {"locked_until": now}))
    JobRun.objects.create(job="sealing", begun_at=now, done_at=now - timedelta(minutes=3))

    told = read()

    assert told["portal_names_locked"] == 1
    assert 180 <= told['portal_job_age_seconds{task="sealing"}'] < 240


@pytest.mark.django_db
def test_what_was_counted_is_told_while_the_database_is_away(watched, monkeypatch):
    def away() -> None:
        raise OperationalError("could not connect to server")

    with monkeypatch.context() as without, contextlib.suppress(OperationalError):
        without.setattr(connection, "cursor", away)
        told = read()

    assert told["portal_database_up"] == 0
    assert "portal_seal_lag_seconds" not in told
    assert any(name.startswith("portal_requests_total") for name in told)


# --- Several processes ------------------------------------------------------------------------------------------------


class Served:
    """A server with two processes, in a folder of its own, without a database behind it."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.folder = folder
        own = {
            "METRICS_TOKEN": TOKEN,
            "TMPDIR": str(folder),
            "DATABASE_URL": f"sqlite:///{folder}/none.sqlite3",
        }
        command = [sys.executable, "-m", "granian", "--interface", "wsgi", "sso_portal.wsgi:application"]
        where = [
            "--host",
            "127.0.0.1",
            "--port",
            str(self.port),
            "--workers",
            "2",
            "--respawn-failed-workers",
        ]
        self.process = subprocess.Popen(
            command + where, cwd=ROOT, env=os.environ | own, stdout=subprocess.DEVNULL, start_new_session=True
        )

    def get(self, path: str, **headers: str) -> str:
        line = HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            line.request("GET", path, headers=headers)
            return line.getresponse().read().decode()
        finally:
            line.close()

    def counted(self) -> float:
        told = series_in(self.get("/metrics", Authorization=f"Bearer {TOKEN}"))
        return told.get('portal_requests_total{door="main",method="GET",route="healthz",status="200"}', 0)

    def counted_by_all(self) -> float:
        """What any process tells, once what was asked for last is counted: that takes a moment."""
        until = time.monotonic() + READY_WITHIN
        while len(told := {self.counted() for _ in range(20)}) > 1:
            assert time.monotonic() < until, told
            time.sleep(0.3)
        return told.pop()

    def processes(self) -> set[int]:
        """Those that count."""
        return {
            int(file.stem.partition("_")[2]) for file in self.folder.glob("agent-portal-*/*/counter_*.db")
        }

    def wait_until_two_count(self, *, but_not: int = 0) -> None:
        until = time.monotonic() + READY_WITHIN
        while not (len(self.processes() - {but_not}) == 2 and self.is_well()):
            assert time.monotonic() < until, "The server is not ready."
            time.sleep(0.1)

    def is_well(self) -> bool:
        with contextlib.suppress(OSError, HTTPException):
            return self.get("/healthz") == "ok\n"
        return False

    def end(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(30)


def test_any_process_tells_what_all_have_counted_one_that_died_included(tmp_path):
    served = Served(tmp_path)
    try:
        served.wait_until_two_count()
        before = served.counted_by_all()
        with ThreadPoolExecutor(8) as many:
            list(many.map(served.get, ["/healthz"] * 200))
        assert served.counted_by_all() == before + 200

        died = min(served.processes())
        os.kill(died, signal.SIGKILL)
        served.wait_until_two_count(but_not=died)

        assert died not in served.processes()  # who came after it goes on in its file
        assert served.counted() >= before + 200
    finally:
        served.end()
