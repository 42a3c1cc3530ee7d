"""Settings that would make the portal unsafe, each of which stops the start with a sentence that says what to do."""

import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import settings as real_settings
from django.core.exceptions import ImproperlyConfigured
from django.db import connection
from django.utils import timezone

from sso_portal.checks import refuse_unsafe_settings, unsafe_database, unsafe_settings
from sso_portal.lib.addresses import parse_networks

ROOT = Path(__file__).resolve().parents[2]
GOOD = "a-good-secret-with-many-characters-0123456789-ABCDEF"
POSTGRESQL = {
    "ENGINE": "sso_portal.lib.postgresql",
    "AUTOCOMMIT": True,
    "ATOMIC_REQUESTS": False,
    "OPTIONS": {"connect_timeout": 3, "options": "-c statement_timeout=5000 -c lock_timeout=2000"},
}
REDIS = {
    "BACKEND": "django.core.cache.backends.redis.RedisCache",
    "LOCATION": "redis://127.0.0.1:6379/0",
    "OPTIONS": {"socket_timeout": 2, "socket_connect_timeout": 3},
}


GOOD_SETTINGS = {
    "DEMO": False,
    "SECRET_KEY": GOOD,
    "SECRET_KEY_FALLBACKS": [],
    "ENCRYPTION_KEYS": ["another-good-secret-0123456789-ABCDEF-abcdef"],
    "PORTAL_URL": "https://portal.example",
    "PORTAL_HOST": "portal.example",
    "HTTPS": True,
    "CLIENT_DOMAIN": "portal.example",
    "OUTGOING_PRIVATE": (),
    "DATABASES": {"default": POSTGRESQL},
    "EMAIL_BACKEND": "django.core.mail.backends.smtp.EmailBackend",
    "EMAIL_HOST": "localhost",
    "EMAIL_HOST_PASSWORD": "",
    "EMAIL_USE_TLS": False,
    "EMAIL_USE_SSL": False,
}


def postgresql(**options: object) -> dict[str, dict[str, object]]:
    return {"default": POSTGRESQL | {"OPTIONS": POSTGRESQL["OPTIONS"] | options}}


def redis(**changed: object) -> dict[str, dict[str, object]]:
    return {"default": REDIS | changed}


@pytest.fixture
def production(monkeypatch):
    """Sets settings, which are without fault and outside the demo to begin with. (Not by pytest-django's fixture: it
    would have Django connect anew.)"""

    def change(**changed: object) -> None:
        for name, value in changed.items():
            monkeypatch.setattr(real_settings, name, value)

    change(**GOOD_SETTINGS)
    return change


def found() -> list[str]:
    return [message.id.removeprefix("portal.") for message in unsafe_settings()]


UNSAFE = [
    ("E001", {"DEMO": True, "PORTAL_HOST": "portal.example"}),
    ("E002", {"HTTPS": False}),
    ("E003", {"RATE_LIMITS": False}),
    ("E004", {"CACHES": {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}}),
    ("E005", {"LOCKOUT_FAILURES": 1}),
    ("E005", {"LOCKOUT_FAILURES": 1000}),
    ("E006", {"TRUSTED_PROXIES": parse_networks(["0.0.0.0/0"])}),
    ("E006", {"TRUSTED_PROXIES": parse_networks(["128.0.0.0/1"])}),
    ("E006", {"TRUSTED_PROXIES": parse_networks(["2000::/3"])}),
    ("E007", {"SECRET_KEY": "short"}),
    ("E007", {"SECRET_KEY": "x" * 64}),
    ("E007", {"SECRET_KEY_FALLBACKS": ["short"]}),
    ("E008", {"OUTGOING_PRIVATE": parse_networks(["::/0"])}),
    ("E009", {"DEBUG": True}),
    ("E010", {"SECRET_KEY_FALLBACKS": [GOOD]}),
    ("E011", {"ENCRYPTION_KEYS": [GOOD]}),
    ("E012", {"ENCRYPTION_KEYS": ["under-test"]}),
    ("E012", {"ENCRYPTION_KEYS": []}),
    ("E013", {"PORTAL_URL": "https://portal.example/sso"}),
    ("E013", {"PORTAL_URL": "https://user@portal.example"}),
    ("E013", {"PORTAL_URL": "https://"}),
    ("E014", {"CLIENT_DOMAIN": ".portal.example"}),
    ("E014", {"CLIENT_DOMAIN": "*.portal.example"}),
    ("E014", {"CLIENT_DOMAIN": "portal.example:8443"}),
    ("E014", {"CLIENT_DOMAIN": "https://portal.example"}),
    ("E014", {"CLIENT_DOMAIN": "192.0.2.1"}),
    ("E014", {"CLIENT_DOMAIN": "com"}),
    ("E014", {"CLIENT_DOMAIN": ""}),
    ("E015", {"LOCKOUT_DURATION": timedelta(0)}),
    ("E015", {"LOCKOUT_WINDOW": timedelta(minutes=1)}),
    ("E016", {"LOGIN_TOKEN_LIFETIME": timedelta(hours=1)}),
    ("E016", {"LOGIN_TOKEN_LIFETIME": timedelta(0)}),
    ("E026", {"EVENTS_KEPT": timedelta(days=89)}),
    ("E017", {"DATABASES": {"default": POSTGRESQL | {"ENGINE": "django.db.backends.mysql"}}}),
    ("E018", {"DATABASES": {"default": POSTGRESQL | {"ATOMIC_REQUESTS": "true"}}}),
    ("E018", {"DATABASES": {"default": POSTGRESQL | {"AUTOCOMMIT": False}}}),
    ("E019", {"DATABASES": postgresql(isolation_level=3)}),
    ("E020", {"DATABASES": postgresql(options="-c statement_timeout=5000")}),
    ("E020", {"DATABASES": postgresql(options="-c statement_timeout=0 -c lock_timeout=2000")}),
    ("E020", {"DATABASES": postgresql(options=f"{POSTGRESQL['OPTIONS']['options']} --lock-timeout=0")}),
    ("E021", {"DATABASES": postgresql(connect_timeout=0)}),
    ("E022", {"CACHES": redis(OPTIONS={"socket_timeout": 2})}),
    ("E023", {"CACHES": redis(LOCATION="redis://:word@cache.example:6379/0")}),
    ("E024", {"EMAIL_HOST": "smtp.example", "EMAIL_HOST_PASSWORD": "word"}),
    ("E025", {"LOG_FORMAT": "jsno"}),
    ("E027", {"METRICS_TOKEN": "short"}),
    ("E028", {"TRACES_GO_TO": "http://localhost:4318", "CAN_TRACE": False}),
]


@pytest.mark.parametrize(("number", "changed"), UNSAFE)
def test_unsafe_setting_stops_the_start(production, number, changed):
    production(**changed)

    assert [one for one in found() if one.startswith("E")] == [number]
    with pytest.raises(ImproperlyConfigured):
        refuse_unsafe_settings()


UNWISE = [
    ("W001", {"CLIENT_DOMAIN": "example.com", "PORTAL_HOST": "portal.example.com"}),
    ("W002", {"PORTAL_HOST": "192.0.2.1"}),
    (
        "W003",
        {"CACHES": redis(), "DATABASES": {"default": POSTGRESQL | {"ENGINE": "django.db.backends.sqlite3"}}},
    ),
    ("W004", {"TRUSTED_PROXIES": parse_networks(["104.16.0.0/13"])}),
    ("W005", {"EMAIL_BACKEND": "django.core.mail.backends.console.EmailBackend"}),
    ("W006", {"LOCKOUT_FAILURES": 15}),
    ("W007", {"SECRET_KEY": GOOD[:40]}),
]


@pytest.mark.parametrize(("number", "changed"), UNWISE)
def test_unwise_setting_is_a_warning_and_starts(production, number, changed):
    production(**changed)

    assert found() == [number]
    refuse_unsafe_settings()


@pytest.mark.usefixtures("production")
def test_good_settings_are_passed_over():
    assert found() == []


@pytest.mark.parametrize("network", ["10.0.0.0/8", "fd00::/8", "203.0.113.7/32", "172.16.0.0/12"])
def test_networks_of_ones_own_may_be_trusted(production, network):
    production(TRUSTED_PROXIES=parse_networks([network]))

    assert found() == []


def test_timeouts_of_redis_and_of_the_database_are_set():
    """What DATABASE_URL and REDIS_URL say beside them stays, and may not take them away."""
    wanted = "s.CACHES['default']['OPTIONS'], s.DATABASES['default']['OPTIONS']['options']"
    told = subprocess.run(
        [sys.executable, "-c", f"from django.conf import settings as s; print({wanted})"],
        cwd=ROOT,
        env=os.environ
        | {
            "DJANGO_SETTINGS_MODULE": "sso_portal.settings",
            "REDIS_URL": "redis://127.0.0.1:1/0",
            "DATABASE_URL": "postgres://u@127.0.0.1:1/n?options=-c%20search_path%3Dportal",
        },
        check=True,
        capture_output=True,
        text=True,
    ).stdout

    assert "'socket_connect_timeout': 3, 'socket_timeout': 2" in told
    assert "statement_timeout=5000 -c lock_timeout=2000 -c idle_in_transaction_session_timeout=30000" in told
    assert "search_path=portal" in told


@pytest.mark.parametrize(
    "changed", [{"LOGIN_TOKEN_SECONDS": "3600"}, {"PORTAL_URL": "http://portal.example"}]
)
def test_server_does_not_start_and_says_why(changed):
    tried = subprocess.run(
        [sys.executable, "-c", "import sso_portal.wsgi"],
        cwd=ROOT,
        env=os.environ | changed,
        check=False,
        capture_output=True,
        text=True,
    )

    assert tried.returncode != 0
    assert "ImproperlyConfigured" in tried.stderr
    assert next(iter(changed)) in tried.stderr


@pytest.mark.postgresql
@pytest.mark.django_db
class TestPostgreSQL:
    def found(self) -> list[str]:
        return [message.id.removeprefix("portal.") for message in unsafe_database(databases=["default"])]

    def test_database_as_it_should_be_is_passed_over(self):
        assert real_settings.DEMO  # where the superuser of the tests may be one
        assert self.found() == []

    def test_superuser_is_refused(self, settings):
        settings.DEMO = False

        assert self.found() == ["E030"]

    def test_timeouts_that_a_pooler_dropped_are_missed(self):
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL statement_timeout = 0")

        assert self.found() == ["E031"]

    def test_clocks_that_are_apart_are_noticed(self, time_machine):
        time_machine.move_to(timezone.now() + timedelta(seconds=7))

        assert self.found() == ["E034"]
