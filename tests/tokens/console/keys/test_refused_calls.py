"""The refused calls that the page of keys counts."""

import pytest

from tests.reading import page_of
from tests.tokens.console.keys.reading import refuse

pytestmark = pytest.mark.django_db


def test_refused_calls_are_counted_by_reason(group, key, keys_page, as_owner):
    for detail in ("key ended", "key ended", "address not on the list"):
        refuse(group, "unauthorized", detail=detail)
    refuse(group, "agent_disabled", detail="suspended")
    refuse(group, "agent_disabled", detail="disabled")

    response = page_of(as_owner.get(keys_page))

    assert "<strong>2</strong> the key has ended" in response
    assert "<strong>1</strong> the address is not on the list" in response
    assert "<strong>2</strong> the agent is disabled, suspended, or has ended" in response


def test_latest_refused_calls_lead_to_what_happened(group, keys_page, as_owner):
    events = [refuse(group, "unknown_department", hours=n) for n in range(1, 8)]

    content = as_owner.get(keys_page).content.decode()

    assert [f"/refused/{event.reference}/" in content for event in events] == [True] * 5 + [False] * 2


@pytest.mark.parametrize(
    "event",
    [{"hours": 25}, {"door": "agents"}, {"other": True}],
    ids=["of-yesterday", "of-a-pop", "of-others"],
)
def test_refused_calls_are_the_groups_own_of_the_last_day(group, other_group, keys_page, as_owner, event):
    refuse(other_group if event.pop("other", False) else group, "unknown_department", **event)

    assert "Refused calls" not in page_of(as_owner.get(keys_page))
