"""Races between two real server processes on one PostgreSQL: a token is won once, a "no" holds everywhere at once."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlencode

import pytest
from django.conf import settings
from django.db import connection

from accounts.models import Event, Outcome
from groups.models import Agent, AgentSession, AgentStatus, ClientSession
from groups.standing import end_sessions, set_status
from tests import factories
from tests.tokens.asking import basic
from tokens.connecting import issue_code
from tokens.dialects.bus.page import Page, seal
from tokens.issuing_to_people import hand_on
from tokens.keys import end_key, revoke_key, rotate_key
from tokens.models import Kind, LoginToken, PersonUse, PlatformKey, TokenFamily

pytestmark = [
    pytest.mark.postgresql,
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("entitlement"),
]

ROOT = Path(__file__).resolve().parent.parent.parent
READY_WITHIN = 30  # seconds
ANSWER_WITHIN = 30
CALLERS, ROUNDS = 200, 5


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    location: str
    body: str

    @property
    def code(self) -> str:
        """The code of a problem; "" on a success."""
        return json.loads(self.body).get("code", "")


@dataclass(frozen=True)
class Ask:
    """One request, ready to be sent."""

    method: str
    path: str
    headers: dict[str, str]
    body: str = ""


@dataclass(frozen=True)
class Server:
    """One portal process with two workers."""

    port: int
    process: subprocess.Popen[bytes]

    def connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=ANSWER_WITHIN)

    def send(self, ask: Ask, *, at: threading.Barrier | None = None) -> Answer:
        """Connect, wait for the others, send."""
        line = self.connect()
        try:
            line.connect()
            if at:
                at.wait(ANSWER_WITHIN)
            line.request(ask.method, ask.path, ask.body or None, ask.headers)
            response = line.getresponse()
            return Answer(response.status, response.headers.get("Location", ""), response.read().decode())
        finally:
            line.close()

    def is_ready(self) -> bool:
        try:
            return self.send(Ask("GET", "/healthz", {})).status == 200
        except OSError:
            return False

    def end(self) -> None:
        """End it, politely at first; its workers are in a process group of its own."""
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(10)


def start(log: Path) -> Server:
    """Start a portal on the database of this test run, without throttles."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    database = connection.settings_dict
    environment = os.environ | {
        "DATABASE_URL": f"postgres://postgres@/{database['NAME']}?host={database['OPTIONS']['host']}",
        "RATE_LIMITS": "off",
    }
    command = [sys.executable, "-m", "granian", "--interface", "wsgi", "sso_portal.wsgi:application"]
    where = ["--host", "127.0.0.1", "--port", str(port), "--workers", "2", "--blocking-threads", "2"]
    with log.open("wb") as out:
        process = subprocess.Popen(
            command + where,
            cwd=ROOT,
            env=environment,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    return Server(port, process)


@pytest.fixture(scope="module")
def servers(django_db_setup, django_db_blocker, tmp_path_factory) -> Iterator[list[Server]]:
    """Two portals side by side; ended whatever happens."""
    folder = tmp_path_factory.mktemp("servers")
    started: list[Server] = []
    try:
        for number in (1, 2):
            started.append(start(folder / f"{number}.log"))
        deadline = time.monotonic() + READY_WITHIN
        while not all(server.is_ready() for server in started):
            logs = "\n".join(path.read_text() for path in folder.iterdir())
            assert time.monotonic() < deadline, f"The servers did not come up.\n{logs}"
            time.sleep(0.1)
        yield started
    finally:
        for server in started:
            server.end()


def all_at_once(servers: Sequence[Server], asks: Sequence[Ask]) -> list[Answer]:
    """Send all of them at the same moment, to one server and the other in turn."""
    barrier = threading.Barrier(len(asks))
    with ThreadPoolExecutor(len(asks)) as threads:
        sent = [threads.submit(servers[i % len(servers)].send, ask, at=barrier) for i, ask in enumerate(asks)]
        return [answer.result() for answer in sent]


def redemption(secret: str, party) -> Ask:
    headers = {
        "Host": "localhost",
        "Content-Type": "application/json",
        "Authorization": basic(party.identifier, factories.SECRET),
    }
    return Ask("POST", "/api/v1/tokens/redeem", headers, json.dumps({"token": secret}))


def test_a_token_redeemed_two_hundred_times_at_once_is_won_once(servers, issue_to_alice, relying_party):
    for number in range(1, ROUNDS + 1):
        ask = redemption(issue_to_alice().secret, relying_party)
        began = time.monotonic()

        answers = all_at_once(servers, [ask] * CALLERS)

        won = [answer for answer in answers if answer.status == 200]
        refused = [answer for answer in answers if (answer.status, answer.code) == (400, "invalid_token")]
        print(f"round {number}: {Counter(a.status for a in answers)} in {time.monotonic() - began:.2f} s")
        assert len(won) == 1
        assert len(refused) == CALLERS - 1


def test_a_race_for_a_token_is_written_down_whole(servers, issue_to_alice, relying_party):
    ask = redemption(issue_to_alice().secret, relying_party)

    all_at_once(servers, [ask] * 50)

    outcomes = Counter(Event.objects.filter(action="login.redeem").values_list("outcome", flat=True))
    assert outcomes == {Outcome.OK: 1, Outcome.REFUSED: 49}


def test_an_entrance_opened_fifty_times_at_once_is_won_once(servers, issue_to_alice):
    entrance = issue_to_alice(kind=Kind.ENTRANCE)
    ask = Ask("GET", f"/sso/enter?token={entrance.secret}", {"Host": "localhost"})

    answers = all_at_once(servers, [ask] * 50)

    assert Counter(answer.status for answer in answers) == {303: 1, 400: 49}
    assert LoginToken.objects.filter(kind=Kind.HAND_OFF).count() == 1


def test_a_persons_entrance_opened_two_hundred_times_at_once_is_won_once(servers, give_entrance, person):
    ask = Ask("GET", f"/oauth/singlesignon.php?access_token={give_entrance(person)}", {"Host": "localhost"})

    answers = all_at_once(servers, [ask] * CALLERS)

    assert Counter(answer.status for answer in answers) == {303: 1, 403: CALLERS - 1}
    assert ClientSession.objects.count() == 1
    outcomes = Counter(Event.objects.filter(action="person.enter").values_list("outcome", flat=True))
    assert outcomes == {Outcome.OK: 1, Outcome.REFUSED: CALLERS - 1}


def test_a_persons_hand_off_redeemed_fifty_times_at_once_is_won_once(
    servers, petras_session, relying_party, caller
):
    issued = hand_on(petras_session, use=PersonUse.HAND_OFF, path="", caller=caller)

    answers = all_at_once(servers, [redemption(issued.secret, relying_party)] * 50)

    assert Counter(answer.status for answer in answers) == {200: 1, 400: 49}


# --- The message bus -------------------------------------------------------------------------------------------------

BUS_HOST = "https://host.example"


def bus_call(group, what: str, body: dict[str, str]) -> Ask:
    """What the script of a registered page sends."""
    headers = {
        "Host": "localhost",
        "Origin": settings.PORTAL_URL,
        "Content-Type": "application/json",
        "X-Bus-Page": seal(Page(group.pk, BUS_HOST)),
    }
    return Ask("POST", f"/bus/api/{what}", headers, json.dumps(body))


@pytest.fixture
def bus_code(session, group, caller) -> str:
    """A code of the message bus that waits to be redeemed."""
    factories.BusAddressFactory(group=group, address=BUS_HOST)
    row = AgentSession.objects.select_related("agent__group").get(pk=session.pk)
    return issue_code(row, redirect_url=f"{BUS_HOST}/in", caller=caller)


def test_a_bus_code_redeemed_two_hundred_times_at_once_is_won_once(servers, group, bus_code):
    ask = bus_call(group, "code", {"code": bus_code, "redirectUrl": f"{BUS_HOST}/in"})

    answers = all_at_once(servers, [ask] * CALLERS)

    assert Counter(answer.status for answer in answers) == {200: 1, 400: CALLERS - 1}
    # The others showed it a second time: whatever it gave is worth nothing.
    assert TokenFamily.objects.get().end_reason == "reused"
    assert Event.objects.filter(action="login.revoke").count() == 1
    outcomes = Counter(Event.objects.filter(action="bus.redeem_code").values_list("outcome", flat=True))
    assert outcomes == {Outcome.OK: 1, Outcome.REFUSED: CALLERS - 1}


def test_a_bus_refresh_token_used_two_hundred_times_at_once_is_won_once_and_ends_its_family(
    servers, group, bus_code
):
    ask = bus_call(group, "code", {"code": bus_code, "redirectUrl": f"{BUS_HOST}/in"})
    given = json.loads(servers[0].send(ask).body)["credentials"]["refreshToken"]

    answers = all_at_once(servers, [bus_call(group, "refresh", {"refreshToken": given})] * CALLERS)

    assert Counter(answer.status for answer in answers) == {200: 1, 400: CALLERS - 1}
    assert TokenFamily.objects.get().end_reason == "reused"


# --- A "no" holds on every process at the next request ---------------------------------------------------------------


@pytest.fixture
def pop_everywhere(servers, session, alices_secret, group):
    """Alice's pop, several times on each process, so that every worker is asked; where each one led."""
    headers = {"Host": "localhost", "Cookie": f"{settings.AGENT_COOKIE_NAME}={alices_secret}"}
    ask = Ask("GET", f"/sso/group/demoaws?{urlencode({'group': group.pk})}", headers)

    def everywhere() -> set[str]:
        answers = [server.send(ask) for server in servers for _ in range(8)]
        return {answer.location.partition("?")[0] for answer in answers}

    return everywhere


@pytest.mark.parametrize("status", [AgentStatus.DISABLED, AgentStatus.SUSPENDED])
def test_stopping_an_agent_ends_his_session_on_every_process(pop_everywhere, agent, caller, status):
    assert pop_everywhere() == {"https://demoaws.crm.example/login"}

    set_status(agent, status, by="test", caller=caller)

    assert pop_everywhere() == {"/sso/sign-in"}


def test_ending_an_agents_sessions_ends_them_on_every_process(pop_everywhere, agent, caller):
    assert pop_everywhere() == {"https://demoaws.crm.example/login"}

    end_sessions(agent, by="test", caller=caller)

    assert pop_everywhere() == {"/sso/sign-in"}


@pytest.mark.parametrize("who", ["person", "client_company"])
def test_stopping_a_person_or_his_client_ends_his_session_on_every_process(
    servers, petras_session, petras_secret, person, client_company, who
):
    headers = {"Host": "localhost", "Cookie": f"{settings.CLIENT_COOKIE_NAME}={petras_secret}"}
    ask = Ask("GET", "/client/demoaws/", headers)
    assert {server.send(ask).status for server in servers for _ in range(8)} == {200}

    type(person).objects.update(is_active=who != "person")
    type(client_company).objects.update(is_paused=who == "client_company")

    assert {server.send(ask).status for server in servers for _ in range(8)} == {403}


def test_pausing_a_client_closes_it_on_every_process(pop_everywhere, client_company):
    assert pop_everywhere() == {"https://demoaws.crm.example/login"}

    type(client_company).objects.update(is_paused=True)

    assert pop_everywhere() == {""}


# --- One agent, however many make him at once ------------------------------------------------------------------------


def login(username: str, *, key: str = factories.PLATFORM_KEY) -> Ask:
    headers = {"Host": "demoaws.localhost", "Content-Type": "application/json", "Platform-Key": key}
    return Ask(
        "POST", "/api/sso", headers, json.dumps({"username": username, "fullname": "N", "department_id": 1})
    )


@pytest.fixture
def platform(group) -> None:
    """The group's platform may call."""
    factories.PlatformKeyFactory(group=group)
    factories.AddressRuleFactory(group=group)


@pytest.mark.usefixtures("platform")
def test_an_agent_provisioned_twenty_times_at_once_is_made_once(servers):
    spellings = ["newcomer", "Newcomer", "NEWCOMER", "ｎewcomer"]

    answers = all_at_once(servers, [login(spellings[i % 4]) for i in range(20)])

    assert Counter(answer.status for answer in answers) == {200: 20}
    assert Agent.objects.filter(username_key="newcomer").count() == 1
    assert Event.objects.filter(action="agent.provision").count() == 1
    assert LoginToken.objects.count() == 20


@pytest.mark.usefixtures("platform")
def test_every_login_of_a_race_has_its_event(servers):
    all_at_once(servers, [login(f"agent{i % 5}") for i in range(40)])

    issued = Event.objects.filter(action="login.issue", outcome=Outcome.OK).values_list("object", flat=True)
    assert sorted(issued) == sorted(f"token:{token.trace}" for token in LoginToken.objects.all())


# --- A key is rotated while software calls ---------------------------------------------------------------------------


class Script:
    """Software that asks for logins without a pause, on one server and the other in turn, until it is stopped."""

    def __init__(self, servers: Sequence[Server], key: str) -> None:
        self.servers, self.key, self.answers = servers, key, list[tuple[str, int]]()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._call)

    def _call(self) -> None:
        while not self._stop.is_set():
            key, server = self.key, self.servers[len(self.answers) % len(self.servers)]
            self.answers.append((key, server.send(login("alice", key=key)).status))

    def __enter__(self) -> "Script":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(ANSWER_WITHIN)

    def go_on(self, calls: int) -> None:
        """Wait until it has called so often again."""
        enough, deadline = len(self.answers) + calls, time.monotonic() + ANSWER_WITHIN
        while len(self.answers) < enough and time.monotonic() < deadline:
            time.sleep(0.01)


@pytest.mark.usefixtures("agent", "platform")
def test_a_key_is_rotated_under_a_calling_script_without_a_failed_call(servers, caller):
    old = PlatformKey.objects.get()

    with Script(servers, factories.PLATFORM_KEY) as script:
        script.go_on(20)
        new = rotate_key(old, overlap=timedelta(hours=1), by="test", caller=caller)
        script.go_on(20)
        script.key = new.secret
        script.go_on(20)
        end_key(old, after=timedelta(0), by="test", caller=caller)
        script.go_on(20)

    print(Counter(script.answers))
    assert {status for _, status in script.answers} == {200}
    assert len([key for key, _ in script.answers if key == factories.PLATFORM_KEY]) >= 40
    assert len([key for key, _ in script.answers if key == new.secret]) >= 40
    after_its_end = [server.send(login("alice")).status for server in servers for _ in range(8)]
    assert set(after_its_end) == {401}


@pytest.mark.usefixtures("agent", "platform")
def test_revoking_a_key_closes_the_door_on_every_process(servers, caller):
    ask = login("alice")
    assert {server.send(ask).status for server in servers for _ in range(8)} == {200}

    revoke_key(PlatformKey.objects.get(), by="test", caller=caller)

    assert {server.send(ask).status for server in servers for _ in range(8)} == {401}
