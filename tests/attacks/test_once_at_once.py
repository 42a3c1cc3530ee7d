"""Whatever may be used once is used six times at the same moment: one use is worth something."""

import pytest

from tests.attacks.test_once import (
    activation_code,
    code_of_an_app,
    invitation,
    link_to_a_new_password,
    proof_of_a_password,
    recovery_code,
)

# What is decided in the portal by one statement is raced across processes elsewhere (test_races.py, for every token);
# what passes through several steps, here.
IN_STEPS = [
    activation_code,
    proof_of_a_password,
    invitation,
    code_of_an_app,
    recovery_code,
    link_to_a_new_password,
]


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("thing", IN_STEPS, ids=lambda thing: thing.__name__)
def test_six_uses_at_once_are_worth_one(own_world, caller, at_once, thing):
    use = thing(own_world, caller)

    assert sorted(at_once(6, use)) == [False] * 5 + [True]
