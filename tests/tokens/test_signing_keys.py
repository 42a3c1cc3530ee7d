"""The portal's own keys: signing, publishing what others check with, rotating."""

import base64
import hmac
import json
from datetime import timedelta

import pytest
import time_machine
from django.db import IntegrityError
from django.db.models.functions import Now
from django.utils import timezone
from joserfc import jwt
from joserfc.jwk import KeySet

from accounts.models import Event
from tokens import signing_keys
from tokens.models import Algorithm, Purpose, SigningKey

pytestmark = pytest.mark.django_db
TOKENS, ANSWERS = Purpose.TOKENS, Purpose.ANSWERS


@pytest.fixture
def rotate(caller):
    def rotate_one(purpose=TOKENS, algorithm="RS256", *, ahead=timedelta(0), **changed) -> SigningKey:
        return signing_keys.rotate(purpose, algorithm, ahead=ahead, by="test", caller=caller, **changed)

    return rotate_one


def published() -> list[str]:
    return [key["kid"] for key in signing_keys.jwks()["keys"]]


def read_by_published(token: str) -> dict:
    keys = KeySet.import_key_set(signing_keys.jwks())
    return jwt.decode(token, keys, algorithms=list(Algorithm.values)).claims


def part(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


# --- Signing, reading ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("algorithm", Algorithm.values)
def test_what_is_signed_is_read_by_others_and_by_the_portal(algorithm):
    token = signing_keys.sign({"a": 1}, algorithm=algorithm)

    assert read_by_published(token) == {"a": 1}
    assert signing_keys.read(token) == {"a": 1}


def test_one_kind_of_token_never_passes_for_another():
    token = signing_keys.sign({"a": 1}, typ="logout+jwt")

    assert signing_keys.read(token) is None
    assert signing_keys.read(token, typ="logout+jwt") == {"a": 1}


def test_what_has_expired_is_read_still():
    assert signing_keys.read(signing_keys.sign({"exp": 1})) == {"exp": 1}


def test_what_was_signed_by_an_earlier_key_is_read_still(rotate):
    token = signing_keys.sign({"a": 1})
    rotate()
    SigningKey.objects.filter(number=1).update(published_until=timezone.now())

    assert signing_keys.read(token) == {"a": 1}


def test_what_a_withdrawn_key_signed_proves_nothing(rotate):
    leaked = signing_keys.sign({"a": 1})
    rotate(withdraw=True)
    after = signing_keys.sign({"b": 2})

    assert signing_keys.read(leaked) is None
    assert signing_keys.read(after) == {"b": 2}


def hostile_tokens() -> dict[str, str]:
    header, body = {"alg": "RS256", "typ": "JWT"}, part({"a": 1})
    return {
        "empty": "",
        "dots": "..",
        "words": "a.b.c",
        "five-parts": "a.b.c.d.e",
        "not-ascii": "é.é.é",
        "nul": "\x00.\x00.\x00",
        "surrogate": "\ud800.a.b",
        "header-is-a-list": f"{part([])}.{body}.x",
        "header-is-null": f"{part(None)}.{body}.x",
        "no-kid": f"{part(header)}.{body}.eA",
        "unknown-kid": f"{part(header | {'kid': 'x'})}.{body}.eA",
        "kid-is-a-list": f"{part(header | {'kid': [1]})}.{body}.eA",
        "kid-is-an-object": f"{part(header | {'kid': {}})}.{body}.eA",
        "none": f"{part({'alg': 'none', 'typ': 'JWT'})}.{body}.",
        "critical": f"{part(header | {'crit': ['x'], 'x': 1})}.{body}.eA",
        "embedded-key": f"{part(header | {'jwk': {'kty': 'oct', 'k': 'eA'}})}.{body}.eA",
        "long": "a" * 100_000,
    }


@pytest.mark.parametrize("name", hostile_tokens())
def test_what_the_portal_never_signed_is_not_read(name):
    signing_keys.sign({})

    assert signing_keys.read(hostile_tokens()[name]) is None


@pytest.mark.parametrize("changed", [{"alg": "HS256"}, {"alg": "ES256"}, {"alg": "none"}, {"alg": "PS256"}])
def test_header_that_names_another_algorithm_is_not_believed(changed):
    _, body, signature = signing_keys.sign({"a": 1}).split(".")
    kid = SigningKey.objects.get().kid

    forged = f"{part({'alg': 'RS256', 'typ': 'JWT', 'kid': kid} | changed)}.{body}.{signature}"

    assert signing_keys.read(forged) is None


def test_public_key_as_a_shared_secret_signs_nothing():
    signing_keys.sign({})
    key = SigningKey.objects.get()
    signed = f"{part({'alg': 'HS256', 'typ': 'JWT', 'kid': key.kid})}.{part({'a': 1})}"
    mac = hmac.digest(signing_keys.public_pem(TOKENS).encode(), signed.encode(), "sha256")

    forged = f"{signed}.{base64.urlsafe_b64encode(mac).decode().rstrip('=')}"

    assert signing_keys.read(forged) is None


def test_body_that_was_changed_is_not_read():
    header, _, signature = signing_keys.sign({"a": 1}).split(".")

    assert signing_keys.read(f"{header}.{part({'a': 2})}.{signature}") is None


def test_private_half_is_kept_encrypted():
    signing_keys.sign({})

    assert "PRIVATE" not in str(SigningKey.objects.values())
    assert "PRIVATE" in SigningKey.objects.get().private_key


# --- The first key ---------------------------------------------------------------------------------------------------


def test_first_key_is_made_once():
    assert signing_keys.current(TOKENS, "RS256") == signing_keys.current(TOKENS, "RS256")


def test_first_key_signs_at_once_whatever_the_clock_of_the_node_says():
    with time_machine.travel(timezone.now() + timedelta(minutes=1)):
        signing_keys.current(TOKENS, "RS256")

    # By the database's clock: a node whose own is ahead would make a key that signs for nobody yet.
    assert SigningKey.objects.signing(purpose=TOKENS, algorithm="RS256").exists()


def test_tokens_and_answers_have_keys_of_their_own():
    assert signing_keys.current(TOKENS, "RS256") != signing_keys.current(ANSWERS, "RS256")


# --- Rotating --------------------------------------------------------------------------------------------------------


def test_next_key_is_published_before_it_signs(rotate):
    present = signing_keys.current(TOKENS, "RS256")

    made = rotate(ahead=timedelta(hours=1))

    assert signing_keys.current(TOKENS, "RS256") == present
    assert {present.kid, made.kid} <= set(published())


def test_next_key_signs_when_its_time_has_come(rotate):
    made = rotate(ahead=timedelta(hours=1))
    # The database's, which may count in milliseconds: a time of ours may lie ahead of it.
    SigningKey.objects.filter(pk=made.pk).update(signs_from=Now())

    assert signing_keys.current(TOKENS, "RS256") == made


def test_rotated_at_once_the_next_key_signs_and_the_last_is_published_still(rotate):
    token = signing_keys.sign({"a": 1})

    made = rotate()

    assert signing_keys.current(TOKENS, "RS256") == made
    assert read_by_published(token) == {"a": 1}


def test_key_is_published_for_a_day_after_the_next_one_signs(rotate):
    present = signing_keys.current(TOKENS, "RS256")

    made = rotate(ahead=timedelta(hours=1))

    present.refresh_from_db()
    assert abs(present.published_until - made.signs_from - timedelta(days=1)) < timedelta(seconds=1)
    SigningKey.objects.filter(pk=present.pk).update(published_until=timezone.now())
    assert present.kid not in published()


def test_key_that_leaked_is_withdrawn_at_once(rotate):
    present = signing_keys.current(TOKENS, "RS256")

    rotate(withdraw=True)

    assert present.kid not in published()


def test_rotated_twice_no_key_stays_published_for_ever(rotate):
    rotate(ahead=timedelta(hours=1))
    rotate(ahead=timedelta(hours=2))

    rest = SigningKey.objects.filter(purpose=TOKENS, published_until=None)
    assert [key.number for key in rest] == [3]


def test_rotating_leaves_other_keys_alone(rotate):
    others = [signing_keys.current(TOKENS, "ES256"), signing_keys.current(ANSWERS, "RS256")]

    rotate(withdraw=True)

    assert {key.kid for key in others} <= set(published())
    assert signing_keys.current(TOKENS, "ES256") == others[0]


def test_rotating_is_recorded(rotate):
    made = rotate(ahead=timedelta(hours=1))

    event = Event.objects.get(action="signing_key.rotate")
    assert event.object == f"signing_key:{made.kid}"
    assert (event.details["purpose"], event.details["signs_in"]) == ("tokens", 3600)


def test_of_two_keys_with_one_number_one_is_made(rotate):
    made = rotate()

    with pytest.raises(IntegrityError):
        SigningKey.objects.create(
            kid="x",
            purpose=TOKENS,
            algorithm="RS256",
            number=made.number,
            public_key={},
            signs_from=timezone.now(),
        )
