"""The management command `demo`: where it works at all, and what it prints. (What it builds: test_demo_world.py.)"""

import pytest
import time_machine
from allauth.mfa.totp.internal.auth import validate_totp_code
from django.core.management import CommandError
from django.utils import timezone

from groups.models import Client, Group
from tests.tokens.commands import environment, run

pytestmark = pytest.mark.django_db


def test_demo_outside_demo_mode_is_refused(settings):
    settings.DEMO = False

    with pytest.raises(CommandError, match="DEMO"):
        run("demo")

    assert not Group.objects.exists()


@pytest.mark.parametrize("option", ["--env", "--code"])
def test_demo_tells_nothing_outside_demo_mode(settings, option):
    settings.DEMO = False

    with pytest.raises(CommandError):
        run("demo", option)


def test_demo_beside_real_data_is_refused(group):
    with pytest.raises(CommandError, match="not the demo's"):
        run("demo")

    assert Group.objects.get() == group
    assert not Client.objects.exists()


def test_demo_env_prints_every_name_once():
    names = [line.partition("=")[0] for line in run("demo", "--env").splitlines()]

    assert len(names) == len(set(names))


def test_demo_env_is_the_same_each_time():
    assert environment() == environment()


def test_demo_env_follows_the_port(settings):
    settings.PORT, settings.PORTAL_URL = 9100, "http://localhost:9100"

    told = environment()

    assert told["REDEEM_URL"] == "http://localhost:9100/api/v1/tokens/redeem"
    assert told["REDEEM_BASE"] == "http://localhost:9101"
    assert told["STICKY_HOST"] == "demoaws.localhost:9100"


def test_demo_env_follows_the_secret_key(settings):
    before = environment()
    settings.SECRET_KEY = "another" * 10

    after = environment()

    secret = [
        name for name in before if name.endswith(("_PASSWORD", "_SECRET")) or name.startswith("PLATFORM_KEY")
    ]
    assert [name for name in secret if before[name] == after[name]] == []


def test_demo_env_changes_nothing():
    environment()

    assert not Group.objects.exists()


@pytest.mark.parametrize("who", ["ADMIN", "MANAGER", "AUDITOR", "OPERATOR"])
def test_demo_code_prints_a_code_that_is_accepted(who):
    told = environment()

    with time_machine.travel(timezone.now(), tick=False):
        codes = dict(line.split() for line in run("demo", "--code").splitlines())
        accepted = validate_totp_code(told[f"{who}_TOTP_SECRET"], codes[told[f"{who}_EMAIL"]])

    assert accepted
