"""Hashing people's passwords, and the gate before it."""

import pytest
from django.contrib.auth.hashers import check_password, make_password

from sso_portal.lib import hashing
from sso_portal.lib.refusals import Refused

# Read while the tests are collected: before they run, and run cheaply.
FULL_COST = {figure: getattr(hashing.PeopleHasher, figure) for figure in ("time_cost", "memory_cost")}


@pytest.fixture
def crowd(monkeypatch):
    """Everybody signs in at once: the gate is full, and its patience short."""
    monkeypatch.setattr(hashing, "GATE_WAIT", 0.05)
    held = 0
    while hashing._gate.acquire(blocking=False):
        held += 1
    yield held
    for _ in range(held):
        hashing._gate.release()


@pytest.fixture
def at_full_cost(monkeypatch):
    """What people's hashes cost outside of tests."""
    for figure, cost in FULL_COST.items():
        monkeypatch.setattr(hashing.PeopleHasher, figure, cost)


@pytest.mark.usefixtures("at_full_cost")
def test_hash_is_argon2id_with_the_figures_of_the_policy():
    assert make_password("correct horse battery").startswith("argon2$argon2id$v=19$m=19456,t=2,p=1$")


def test_password_is_compared_in_nfkc():
    encoded = make_password("caf\u00e9 correct horse")

    assert check_password("cafe\u0301 correct horse", encoded)


def test_wrong_password_is_wrong():
    assert not check_password("correct horse batterz", make_password("correct horse battery"))


def test_hash_with_the_gate_full_is_refused_as_busy(crowd):
    with pytest.raises(Refused) as caught:
        make_password("correct horse battery")

    assert caught.value.refusal.status == 503
    assert caught.value.retry_after


def test_check_with_the_gate_full_is_refused_as_busy(crowd):
    encoded = "argon2$argon2id$v=19$m=8,t=1,p=1$c2FsdA$aGFzaA"

    with pytest.raises(Refused, match="busy"):
        check_password("correct horse battery", encoded)


def test_gate_lets_two_a_core_through(crowd):
    assert crowd == 2 * (hashing.os.cpu_count() or 1)


def test_gate_is_free_again_after_a_broken_hash():
    before = hashing._gate._value
    with pytest.raises(AttributeError):
        hashing.PeopleHasher().encode("correct horse battery", salt=None)

    assert hashing._gate._value == before


def test_what_is_no_text_is_wrong_and_no_error():
    assert not check_password("\ud800abc", make_password("?abc"))
