"""What a group's profile demands of its agents' passwords."""

import pytest
from django.contrib.auth.hashers import make_password
from django.core.exceptions import ValidationError

from groups.models import FormerPassword
from groups.password_profiles import remember, rules, validate

pytestmark = pytest.mark.django_db


@pytest.fixture
def pci(group):
    group.password_profile, group.needs_second_factor, group.idle_minutes = "pci", True, 15
    group.save()


@pytest.fixture
def relaxed(group):
    group.password_profile = "relaxed"
    group.save()


def codes_of(error) -> list[str]:
    return [each.code for each in error.value.error_list]


def test_standard_profile_asks_for_length_alone(agent):
    validate("walnut ferry clarinet", agent)


def test_card_industry_asks_for_a_digit(pci, agent):
    with pytest.raises(ValidationError) as error:
        validate("walnut ferry clarinet", agent)
    assert codes_of(error) == ["password_too_plain"]


def test_card_industry_asks_for_a_letter(pci, agent):
    with pytest.raises(ValidationError):
        validate("4821 9930 1174 2260", agent)


def test_card_industry_takes_letters_of_every_script(pci, agent):
    validate("грецкий орех и паром 7", agent)


def test_card_industry_takes_none_of_the_last_four(pci, agent):
    for old in (
        "first walnut ferry 1",
        "second walnut ferry 2",
        "third walnut ferry 3",
        "fourth walnut ferry 4",
    ):
        remember(agent)
        agent.password = make_password(old)

    with pytest.raises(ValidationError) as error:
        validate("first walnut ferry 1", agent)
    assert codes_of(error) == ["password_used"]


def test_card_industry_takes_the_fifth_last(pci, agent):
    for n in range(1, 6):
        remember(agent)
        agent.password = make_password(f"walnut ferry number {n}")

    validate("walnut ferry number 1", agent)


def test_no_more_former_passwords_are_kept_than_needed(agent):
    for n in range(6):
        agent.password = make_password(f"walnut ferry number {n}")
        remember(agent)

    assert FormerPassword.objects.filter(agent=agent).count() == 3


def test_first_password_has_no_predecessor(agent):
    agent.password = ""

    remember(agent)

    assert not FormerPassword.objects.exists()


def test_relaxed_profile_takes_eight_characters(relaxed, agent):
    validate("walnut-7", agent)


def test_relaxed_profile_refuses_what_everybody_uses(relaxed, agent):
    with pytest.raises(ValidationError):
        validate("password1", agent)


def test_rules_are_told_before_the_choice(pci, agent):
    assert "At least one letter and one digit." in rules(agent)
