"""The audit log in words for people."""

import re
from pathlib import Path

import pytest

from accounts.models import Event
from groups.wording import ACTS, Family, actions_of, tell, why_of, worded, worded_details, worded_reason
from tests import factories

ROOT = Path(__file__).resolve().parents[2]
ACTION = re.compile(
    r"\"((?:agent|sign_in|person|administrator|login|key|address_rule|group|activity|entitlement|dialled_number)\.[a-z_]+)\""
)
NO_ACTION = {
    "agent.pending",
    "agent.target",
    "login.mjs",
    "login.php",
    "login.py",
    "login.sh",
    "sign_in.py",
}  # salts, files


def actions_in_the_code() -> set[str]:
    """Whatever looks like an action, in the apps' modules."""
    modules = [path for app in ("accounts", "groups", "tokens") for path in (ROOT / app).rglob("*.py")]
    return {found for path in modules for found in ACTION.findall(path.read_text())} - NO_ACTION


def test_every_action_of_the_code_is_worded():
    assert not {action for action in actions_in_the_code() if action not in ACTS}


@pytest.mark.parametrize(
    ("action", "refused", "client", "words"),
    [
        ("login.issue", False, "demoaws", "Login issued for demoaws"),
        ("login.issue", True, "demoaws", "Login for demoaws refused"),
        ("login.issue", True, "", "Login for a client refused"),
        ("agent.sign_in", True, "", "Sign-in refused"),
        ("key.rotate", False, "", "Key rotated"),
        ("console.keys", True, "", "A page of the console"),
        ("spaceship.land_softly", False, "", "spaceship: land softly"),
        ("100%.s", False, "", "100%: s"),
    ],
)
def test_action_is_worded(action, refused, client, words):
    assert worded(action, refused=refused, client=client) == words


@pytest.mark.parametrize("action", ACTS)
@pytest.mark.parametrize("refused", [True, False])
def test_no_wording_leaves_a_placeholder(action, refused):
    assert "%" not in worded(action, refused=refused, client="demoaws")


def test_every_action_is_of_one_family():
    assert sorted(action for family in Family.values for action in actions_of(family)) == sorted(ACTS)


def test_unknown_reason_is_told_as_it_is():
    assert worded_reason("left_the_planet") == "left the planet"


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        (
            {"reason": "client_unavailable", "details": {"detail": "paused"}},
            "The client has paused all sign-ins",
        ),
        ({"reason": "client_unavailable"}, "No access to this client"),
        (
            {"action": "agent.sign_in", "reason": "wrong_credentials", "details": {"why": "unknown"}},
            "Unknown username",
        ),
        (
            {"action": "login.redeem", "reason": "invalid_token", "details": {"why": "unknown"}},
            "Nobody knows this login",
        ),
        ({"reason": "client_unavailable", "details": ["no", "object"]}, "No access to this client"),
        ({"reason": "client_unavailable", "details": {"why": ["odd"]}}, "No access to this client"),
        ({}, ""),
    ],
)
def test_reason_is_told_as_exactly_as_it_is_known(fields, why):
    assert why_of(factories.EventFactory.build(**fields)) == why


def test_change_tells_what_was_and_what_is():
    event = Event(action="agent.update", details={"full_name": ["Al", "Alice"], "clients": [[], ["demoaws"]]})

    assert worded_details(event) == [("full name", "Al → Alice"), ("clients", "– → demoaws")]


def test_list_of_two_is_no_change_elsewhere():
    assert worded_details(Event(action="key.create", details={"names": ["a", "b"]})) == [("names", "a, b")]


def test_long_detail_is_cut():
    ((_name, value),) = worded_details(Event(action="x.y", details={"text": "x" * 5000}))

    assert len(value) < 400


@pytest.mark.django_db
def test_agents_are_named_by_one_query(group, agent, django_assert_num_queries):
    others = factories.AgentFactory.create_batch(5, group=group)
    events = [factories.EventFactory.build(agent=each.subject) for each in [agent, *others]]

    with django_assert_num_queries(1):
        told = tell(events, groups=[group.pk])

    assert told[0].who == "alice"


@pytest.mark.django_db
def test_agent_of_another_group_is_not_named(other_group, agent):
    (told,) = tell([factories.EventFactory.build(agent=agent.subject)], groups=[other_group.pk])

    assert told.who == "a former agent"
    assert told.who_subject == ""


@pytest.mark.parametrize(
    ("actor", "who"),
    [
        ("administrator:a@b.example", "a@b.example"),
        ("key:pk_12345678", "Key pk_12345678…"),
        ("relying_party:rp_1", "CRM of demoaws"),
        ("operator:root", "Operator root"),
        ("portal", "The portal"),
        ("anonymous", "Nobody signed in"),
        ("<b>", "<b>"),
    ],
)
@pytest.mark.django_db
def test_who_did_it_is_named(actor, who):
    (told,) = tell([factories.EventFactory.build(actor=actor)], groups=[])

    assert told.who == who
