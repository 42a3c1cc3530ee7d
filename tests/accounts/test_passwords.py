"""The password policy."""

import pytest
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError

from accounts.passwords import verify
from sso_portal.lib.hashing import LONGEST_PASSWORD as LONGEST
from tests import factories


def why_not(password: str, user=None) -> list[str]:
    try:
        validate_password(password, user)
    except ValidationError as error:
        return [each.code for each in error.error_list]
    return []


@pytest.fixture
def alice():
    group = factories.GroupFactory.build(name="Northwind Collections", code="northwind")
    return factories.AgentFactory.build(group=group, username="alice.ames", full_name="Alice Ames-Hartley")


@pytest.mark.parametrize(
    "good",
    [
        "correct horse battery",
        "zwölf Boxkämpfer jagen",
        "十二個字以上的密碼就可以了",
        "x7!Kd09$qLm2",
        " padded with spaces ",
    ],
)
def test_password_of_any_script_is_taken(good, alice):
    assert why_not(good, alice) == []


def test_password_of_eleven_characters_is_too_short():
    assert "password_too_short" in why_not("x7!Kd09$qLm")


def test_password_of_the_longest_length_is_taken():
    assert why_not("x7!Kd09$" * (LONGEST // 8)) == []


def test_password_longer_than_the_longest_is_refused():
    assert "password_too_long" in why_not("x7!Kd09$" * (LONGEST // 8) + "x")


@pytest.mark.parametrize("common", ["password1234", "Password1234", "qwertyuiop12"])
def test_common_password_is_refused(common):
    assert why_not(common)


@pytest.mark.parametrize(
    "own",
    [
        "alice.ames1234",
        "ALICE AMES 99!",
        "Northwind-2026",
        "northwindnorthwind",
        "collections!!1",
        "ａｌｉｃｅ.ａｍｅｓ１２",
    ],
)
def test_password_of_the_persons_or_groups_words_is_refused(own, alice):
    assert "password_of_own_words" in why_not(own, alice)


@pytest.mark.parametrize("product", ["AgentPortal2026", "call-center-1234", "switchboard99"])
def test_password_of_the_products_words_is_refused(product):
    assert "password_of_own_words" in why_not(product)


def test_password_that_only_mentions_a_name_is_taken(alice):
    assert why_not("northwind correct horse battery", alice) == []


def test_administrators_name_and_email_are_his_own_words():
    ada = factories.AdministratorFactory.build(email="lovelace@portal.example", full_name="Augusta Byron")

    assert "password_of_own_words" in why_not("lovelace-1815", ada)
    assert "password_of_own_words" in why_not("Augusta 1815!", ada)


def test_right_password_is_verified():
    assert verify("correct horse battery", factories.encoded("correct horse battery"))


@pytest.mark.parametrize(
    ("password", "encoded"),
    [("wrong", True), ("correct horse battery", False), ("", True), ("", False), ("x" * (LONGEST + 1), True)],
)
def test_whatever_is_verified_costs_one_hash(hashes, password, encoded):
    of = factories.encoded("correct horse battery") if encoded else ""
    hashes.clear()

    assert verify(password, of) is False
    assert len(hashes) == 1
