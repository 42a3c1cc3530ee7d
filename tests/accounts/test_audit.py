"""Writing the audit log."""

from collections import Counter
from datetime import timedelta

import pytest
from django.db.models.functions import Now

from accounts import audit
from accounts.models import Event
from sso_portal.lib.refusals import Refusal, Refused

pytestmark = pytest.mark.django_db
NO = Refusal("malformed", "This cannot be read.", 400, "private detail")


def test_event_tells_who_did_what_from_where(agent, client_company, caller):
    group = agent.group

    audit.record(
        "login.issue",
        caller=caller,
        actor="agent:x",
        group=group,
        client=client_company,
        agent=agent,
        about="key",
    )

    event = Event.objects.get()
    assert (event.action, event.outcome, event.reason, event.actor) == ("login.issue", "ok", "", "agent:x")
    assert (event.group_id, event.client, event.agent, event.object) == (
        group.pk,
        "demoaws",
        agent.subject,
        "key",
    )
    assert (event.reference, event.door) == (caller.reference, caller.door)
    assert (event.address, event.agent_header) == ("203.0.113.9", "pytest")


def test_event_has_the_databases_time(caller):
    audit.record("test.act", caller=caller, actor="test")

    event = Event.objects.annotate(now=Now()).get()
    assert abs(event.now - event.at) < timedelta(seconds=5)


def test_event_of_a_refusal_has_its_reason(caller):
    audit.record("test.act", caller=caller, actor="test", refused_for="paused")

    assert list(Event.objects.values_list("outcome", "reason")) == [("refused", "paused")]


def test_long_texts_are_cut_to_fit(caller):
    audit.record("test.act", caller=caller, actor="a" * 999, client="c" * 999, about="o" * 999)

    event = Event.objects.get()
    assert (len(event.actor), len(event.client), len(event.object)) == (254, 63, 128)


def test_no_text_of_an_event_turns_its_line_round_or_breaks_it(caller):
    audit.record(
        "test.act", caller=caller, actor="a\u202eb", details={"a": ["\u2066x", {"b": "y\0\u2028"}], "n": 1}
    )

    event = Event.objects.get()
    assert (event.actor, event.details) == ("a\ufffdb", {"a": ["\ufffdx", {"b": "y\ufffd\ufffd"}], "n": 1})


def test_refusal_is_recorded_with_its_private_half(caller):
    audit.record_refusal(Refused(NO, {"action": "login.issue", "client": "demoaws"}), caller=caller)

    event = Event.objects.get()
    assert (event.action, event.outcome, event.reason, event.client) == (
        "login.issue",
        "refused",
        "malformed",
        "demoaws",
    )
    assert event.details == {"status": 400, "detail": "private detail"}


def test_refusal_about_nothing_is_a_request_of_nobody(caller):
    audit.record_refusal(Refused(NO), caller=caller)

    assert list(Event.objects.values_list("action", "actor")) == [("request", "anonymous")]


def test_refusal_is_recorded_once(caller):
    refused = Refused(NO)

    audit.record_refusal(refused, caller=caller)
    audit.record_refusal(refused, caller=caller)

    assert Event.objects.count() == 1


def test_refusal_that_the_act_recorded_is_not_recorded_again(caller):
    audit.record_refusal(Refused(NO, recorded=True), caller=caller)

    assert not Event.objects.exists()


def test_recording_leaves_the_refusal_as_it_was(caller):
    refused = Refused(NO, {"action": "login.issue", "details": {"why": "x"}})

    audit.record_refusal(refused, caller=caller)

    assert refused.about == {"action": "login.issue", "details": {"why": "x"}}


TOO_OFTEN = Refusal("too_many_requests", "Wait.", 429)


def test_who_is_known_and_goes_on_after_a_429_is_recorded_up_to_a_limit(agent, caller, limit_a_minute):
    limit_a_minute("recorded throttles", 2)

    for about in [{"actor": "key:pk_1"}] * 4 + [{"actor": "key:pk_2"}, {"agent": agent}]:
        audit.record_refusal(Refused(TOO_OFTEN, {"action": "login.issue"} | about), caller=caller)

    recorded = Counter(Event.objects.values_list("actor", flat=True))
    assert recorded == {"key:pk_1": 2, "key:pk_2": 1, "anonymous": 1}


def test_refusals_of_who_is_known_have_no_such_limit(caller, limit_a_minute):
    limit_a_minute("recorded throttles", 1)

    for _ in range(3):
        audit.record_refusal(Refused(NO, {"actor": "key:pk_1"}), caller=caller)

    assert Event.objects.count() == 3
