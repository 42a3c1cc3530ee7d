"""What the tests share: the cast of people, callers, and a SQLite that lets itself be emptied."""

import functools
import gc
import itertools
import os
import sqlite3
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from allauth.account.internal.flows.login import (
    _AUTHENTICATION_METHODS_USER_SESSION_KEY,
    AUTHENTICATION_METHODS_SESSION_KEY,
)
from allauth.mfa.utils import is_mfa_enabled
from django.conf import settings
from django.core.handlers.wsgi import WSGIRequest
from django.core.signals import request_finished, request_started
from django.db import close_old_connections, connection
from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.test import Client
from django.test.client import ClientHandler
from django.utils import timezone, translation
from joserfc.jwk import RSAKey

from accounts import triggers
from accounts.models import Administrator
from sso_portal.express import express
from sso_portal.lib.addresses import parse_address
from sso_portal.lib.afterwards import counting, writing
from sso_portal.lib.hashing import PeopleHasher
from sso_portal.lib.web import Caller
from tests import factories
from tests.environment import DATABASE, wait_until_migrated
from tokens import signing_keys

pytest_plugins = ["tests.running_demo", "tests.secrets_seen"]

PORTAL = "localhost:8000"


def pytest_configure(config: pytest.Config) -> None:
    """Static files are looked up when asked for, or each test's browser would look through all of them first.

    Django asks a SQLite once whether it knows JSON: it does, and no test that counts statements is to see the question.
    """
    settings.WHITENOISE_AUTOREFRESH = True
    connection.features.supports_json_field = True


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out, on SQLite, what needs the real concurrency of PostgreSQL."""
    if connection.vendor != "postgresql":
        left_out = [item for item in items if item.get_closest_marker("postgresql")]
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]


def pytest_collection_finish(session: pytest.Session) -> None:
    """Thousands of tests and modules live to the end: the garbage collector need not look through them again.

    It takes an eighth of the time of a run otherwise.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_modify_db_settings_parallel_suffix: None) -> Iterator[None]:
    """The test database begins as a copy of one that is migrated: Django finds no migration left to run."""
    wait_until_migrated()
    if connection.vendor == "postgresql":
        connection.settings_dict["TEST"]["TEMPLATE"] = DATABASE
        yield
        return
    # In a file, as the portal's own: tables in memory refuse who comes meanwhile, where a file lets him wait.
    migrated = Path(connection.settings_dict["NAME"])
    copied = migrated.with_stem(os.environ.get("PYTEST_XDIST_WORKER", "alone"))
    with closing(sqlite3.connect(migrated)) as original, closing(sqlite3.connect(copied)) as copy:
        original.backup(copy)
    connection.settings_dict["TEST"]["NAME"] = str(copied)
    yield


@pytest.fixture(scope="session")
def django_db_keepdb() -> bool:
    """A copy in a file is there before Django looks for it, and goes with its folder."""
    return connection.vendor == "sqlite"


@pytest.fixture(autouse=True, scope="session")
def _cheap_hashes() -> Iterator[None]:
    """Passwords cost next to nothing to hash; what the portal's hashes cost, tests/lib/test_hashing.py asks."""
    patch = pytest.MonkeyPatch()
    patch.setattr(PeopleHasher, "time_cost", 1)
    patch.setattr(PeopleHasher, "memory_cost", 8)  # KiB, the least there is
    yield
    patch.undo()


class KeptRSAKey(RSAKey):
    """RSA keys take long to make and to read: each test gets those of the tests before it, as many as it asks for."""

    given = itertools.count()
    read = functools.cache(RSAKey.import_key)
    made = functools.cache(lambda number, bits: RSAKey.generate_key(bits))

    @classmethod
    def generate_key(cls, bits: int) -> RSAKey:  # type: ignore[override]
        return cls.made(next(cls.given), bits)

    @classmethod
    def import_key(cls, value: Any) -> RSAKey:  # type: ignore[override]
        return cls.read(value) if isinstance(value, str) else RSAKey.import_key(value)


@pytest.fixture(autouse=True)
def _keep_rsa_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(KeptRSAKey, "given", itertools.count())
    monkeypatch.setattr(signing_keys, "RSAKey", KeptRSAKey)


@pytest.fixture(autouse=True)
def _in_english() -> Iterator[None]:
    """What a test calls without a request speaks English, whichever language the test before asked for."""
    with translation.override("en"):
        yield


@pytest.fixture(autouse=True, scope="session")
def _flush_passes_the_triggers() -> Iterator[None]:
    """SQLite flushes by DELETE, which the audit log refuses: lift its triggers for the flush between tests.

    (PostgreSQL flushes by TRUNCATE, which production denies by grant instead.)
    """
    if connection.vendor != "sqlite":
        yield
        return
    operations = type(connection.ops)
    flush = operations.execute_sql_flush

    def without_triggers(self: Any, statements: list[str]) -> None:
        flush(self, [*triggers.REMOVE["sqlite"], *statements, *triggers.INSTALL["sqlite"]])

    patch = pytest.MonkeyPatch()
    patch.setattr(operations, "execute_sql_flush", without_triggers)
    yield
    patch.undo()


@pytest.fixture(autouse=True, scope="session")
def _clients_arrive_as_at_a_server() -> Iterator[None]:
    """Django's test client goes past what a server serves: what is answered before Django makes a request of it."""
    beyond = ClientHandler.__call__

    def arrive(handler: ClientHandler, environ: dict[str, Any]) -> HttpResponseBase:
        answered: list[HttpResponseBase] = []

        def portal(environ: dict[str, Any], start_response: Any) -> list[bytes]:
            answered.append(beyond(handler, environ))
            return []

        def start_response(status: str, headers: list[tuple[str, str]]) -> None:
            answered.append(HttpResponse(status=int(status[:3]), headers=dict(headers)))

        body = express(portal)(environ, start_response)
        counting.do_all()
        writing.do_all()
        if not hasattr(answered[0], "wsgi_request"):
            answered[0].content = b"".join(body)
            answered[0].wsgi_request = WSGIRequest(environ)
        return answered[0]

    patch = pytest.MonkeyPatch()
    patch.setattr(ClientHandler, "__call__", arrive)
    yield
    patch.undo()


@pytest.fixture
def client() -> Client:
    """A browser at the portal's own host name."""
    return Client(HTTP_HOST=PORTAL)


@pytest.fixture
def _one_connection() -> Iterator[None]:
    """The test's connection, with its transaction, outlives each request that goes straight to the WSGI application."""
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    yield
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


@pytest.fixture(scope="session")
def caller() -> Caller:
    """Somebody at a documentation address."""
    return Caller("TEST-0000-0000", parse_address("203.0.113.9"), "pytest", "test")


@pytest.fixture
def group() -> Any:
    return factories.GroupFactory(name="Northwind", code="northwind")


@pytest.fixture
def client_company() -> Any:
    """demoaws, with campaigns 1 to 3 and department 1."""
    company = factories.ClientFactory(subdomain="demoaws", name="Demo AWS")
    factories.DepartmentFactory(client=company, number=1)
    for number in (1, 2, 3):
        factories.CampaignFactory(client=company, number=number)
    return company


@pytest.fixture
def entitlement(group: Any, client_company: Any) -> Any:
    return factories.EntitlementFactory(group=group, client=client_company)


@pytest.fixture
def agent(group: Any) -> Any:
    """Alice, an active agent of the group; her password is `factories.PASSWORD`."""
    return factories.AgentFactory(group=group, username="alice", full_name="Alice Ames")


@pytest.fixture
def other_group() -> Any:
    return factories.GroupFactory(name="Southgate", code="southgate")


@pytest.fixture
def relying_party(client_company: Any) -> Any:
    """demoaws' CRM; its secret is `factories.SECRET`."""
    return factories.RelyingPartyFactory(client=client_company)


def _administrator(group: Any, role: str) -> Any:
    """An administrator with a second factor, who has this part in the group."""
    administrator = factories.SecondFactorFactory().user
    factories.MembershipFactory(administrator=administrator, group=group, role=role)
    return administrator


@pytest.fixture
def owner(group: Any) -> Any:
    return _administrator(group, "owner")


@pytest.fixture
def manager(group: Any) -> Any:
    return _administrator(group, "manager")


@pytest.fixture
def auditor(group: Any) -> Any:
    return _administrator(group, "auditor")


@pytest.fixture
def stranger(other_group: Any) -> Any:
    """The owner of another group."""
    return _administrator(other_group, "owner")


def visit(administrator: Administrator, *, ago: int = 0) -> Client:
    """A browser in which this administrator is signed in; his second factor was shown `ago` seconds ago."""
    browser = Client(HTTP_HOST=PORTAL)
    browser.force_login(administrator)
    session = browser.session
    if is_mfa_enabled(administrator):
        shown = {"method": "mfa", "at": timezone.now().timestamp() - ago, "type": "totp"}
        session[AUTHENTICATION_METHODS_SESSION_KEY] = [shown]
        session[_AUTHENTICATION_METHODS_USER_SESSION_KEY] = str(administrator.pk)
    session.save()
    return browser


@pytest.fixture
def visit_as() -> Callable[..., Client]:
    return visit


@pytest.fixture
def as_owner(owner: Any, visit_as: Callable[..., Client]) -> Client:
    """The owner's browser; his second factor was shown just now."""
    return visit_as(owner)


@pytest.fixture
def still_clock(time_machine: Any) -> Any:
    """The clock stands at what it shows: no minute ends between two requests. Can be moved by hand."""
    time_machine.move_to(timezone.now(), tick=False)
    return time_machine


@pytest.fixture
def limit_a_minute(settings: Any, still_clock: Any) -> Callable[[str, int], None]:
    """Allows this much of something in the minute at which the clock stands."""

    def limit(name: str, most: int) -> None:
        settings.LIMITS_PER_MINUTE = settings.LIMITS_PER_MINUTE | {name: most}

    return limit


@pytest.fixture
def at_once() -> Callable[[int, Callable[[], Any]], list[Any]]:
    """Do something many times at once, each in a thread with a database connection of its own; all results."""

    def at_once(times: int, do: Callable[[], Any]) -> list[Any]:
        start = threading.Barrier(times)

        def one(_: int) -> Any:
            start.wait()
            try:
                return do()
            finally:
                connection.close()

        with ThreadPoolExecutor(times) as pool:
            return list(pool.map(one, range(times)))

    return at_once


@pytest.fixture
def hashes(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every hash that is computed from now on; the hasher itself goes on working."""
    computed: list[str] = []
    encode, verify = PeopleHasher.encode, PeopleHasher.verify

    def counted_encode(self: PeopleHasher, password: str, salt: str) -> str:
        computed.append("encode")
        return encode(self, password, salt)

    def counted_verify(self: PeopleHasher, password: str, encoded: str) -> bool:
        computed.append("verify")
        return verify(self, password, encoded)

    monkeypatch.setattr(PeopleHasher, "encode", counted_encode)
    monkeypatch.setattr(PeopleHasher, "verify", counted_verify)
    return computed
