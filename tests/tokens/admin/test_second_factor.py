"""The back office asks for the second factor again before a form."""

import pytest

pytestmark = pytest.mark.django_db

ADD = "/backoffice/tokens/platformkey/add/"


@pytest.mark.parametrize(("ago", "shown", "taken"), [(0, 200, 200), (200, 303, 200), (400, 303, 303)])
def test_second_factor_is_asked_for_before_a_form_and_as_it_is_sent(operator, visit_as, ago, shown, taken):
    """Before it already when the five minutes would hardly do for filling it in."""
    browser = visit_as(operator, ago=ago)

    assert (browser.get(ADD).status_code, browser.post(ADD, {}).status_code) == (shown, taken)


@pytest.mark.parametrize("address", ["/backoffice/", "/backoffice/tokens/platformkey/"])
def test_looking_needs_no_fresh_second_factor(operator, visit_as, address):
    assert visit_as(operator, ago=400).get(address).status_code == 200
