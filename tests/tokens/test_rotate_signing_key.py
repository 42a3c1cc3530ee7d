"""The management command `rotate_signing_key`."""

from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from accounts.models import Event
from tokens import signing_keys
from tokens.models import Purpose, SigningKey

pytestmark = pytest.mark.django_db


def rotate(*arguments: str) -> str:
    out = StringIO()
    call_command("rotate_signing_key", *arguments, stdout=out)
    return out.getvalue()


def published() -> list[str]:
    return [key["kid"] for key in signing_keys.jwks()["keys"]]


def test_next_key_is_published_now_and_signs_in_an_hour():
    present = signing_keys.current(Purpose.TOKENS, "RS256")

    out = rotate()

    made = SigningKey.objects.latest("pk")
    assert out.startswith(f"RS256 {made.kid} signs from ")
    assert made.kid in published()
    assert signing_keys.current(Purpose.TOKENS, "RS256") == present


def test_at_once_the_next_key_signs_and_what_was_signed_is_good_still():
    token = signing_keys.sign({"a": 1})

    rotate("--at-once")

    assert signing_keys.current(Purpose.TOKENS, "RS256").number == 2
    assert SigningKey.objects.get(number=1).kid in published()
    assert signing_keys.read(token) == {"a": 1}


def test_key_that_leaked_is_withdrawn():
    leaked = signing_keys.current(Purpose.TOKENS, "RS256")

    rotate("--withdraw")

    assert signing_keys.current(Purpose.TOKENS, "RS256").number == 2
    assert leaked.kid not in published()


def test_every_algorithm_that_there_are_keys_of_is_rotated():
    signing_keys.jwks()

    out = rotate("--at-once")

    assert [line.split()[0] for line in out.splitlines()] == ["ES256", "RS256"]
    assert SigningKey.objects.filter(purpose=Purpose.ANSWERS).count() == 1


def test_one_algorithm_may_be_rotated_alone():
    signing_keys.jwks()

    rotate("--at-once", "--algorithm", "ES256")

    assert SigningKey.objects.get(number=2).algorithm == "ES256"


def test_key_of_answers_is_rotated_when_it_is_asked_for():
    rotate("--at-once", "--purpose", "answers")

    assert signing_keys.current(Purpose.ANSWERS, "RS256").number == 2
    assert not SigningKey.objects.filter(purpose=Purpose.TOKENS).exists()


def test_answers_know_one_algorithm():
    with pytest.raises(CommandError):
        rotate("--purpose", "answers", "--algorithm", "ES256")


@pytest.mark.parametrize("arguments", [["--purpose", "x"], ["--algorithm", "HS256"], ["--x"]])
def test_anything_else_is_refused(arguments):
    with pytest.raises(CommandError):
        rotate(*arguments)


def test_rotation_is_recorded_with_who_did_it():
    rotate("--at-once")

    event = Event.objects.get(action="signing_key.rotate")
    assert event.actor.startswith("operator:")
    assert event.details["withdrawn"] is False
