"""Signing in on the way, or not even that (`prompt=none`)."""

import re
from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.models import Event
from groups import models as groups
from tests import factories
from tests.reading import directives, words_of
from tests.tokens.dialects.oidc.authorize.asking import (
    HOSTILE,
    PATH,
    assert_page,
    assert_sent_back,
    make_older,
    sign_in,
    target_of,
    told,
    usual,
)
from tokens.models import LoginToken
from tokens.signing_keys import sign

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("entitlement")]


# --- Signing in ------------------------------------------------------------------------------------------------------


def test_somebody_signs_in_and_comes_back_with_a_code(authorize, somebody, agent):
    answer = told(sign_in(somebody, authorize(somebody)))

    assert answer["state"] == "a state"
    assert LoginToken.objects.get().agent == agent


def test_sign_in_page_knows_the_way_and_the_client(authorize, somebody, group):
    target = target_of(authorize(somebody))

    assert target.path.startswith(f"{PATH}?client_id=")
    assert (target.client, target.origins) == ("demoaws", ["https://demoaws.crm.example"])


def test_sign_in_form_may_end_at_the_registered_address(authorize, somebody, agent, party):
    factories.RegisteredAddressFactory(relying_party=party, address="https://login.crm.example/callback")
    groups.Client.objects.update(further_origins="https://app.crm.example")
    response = authorize(somebody, redirect_uri="https://login.crm.example/callback")

    page = somebody.get(response.headers["Location"])

    allowed = set(directives(page)["form-action"])
    assert allowed == {
        "'self'",
        "https://demoaws.crm.example",
        "https://app.crm.example",
        "https://login.crm.example",
    }


def test_idle_agent_unlocks_and_comes_back(authorize, session, signed_in):
    groups.AgentSession.objects.update(idle_at=timezone.now() - timedelta(minutes=1))
    response = authorize()

    assert "Welcome back" in words_of(signed_in.get(response.headers["Location"]))
    assert "code" in told(sign_in(signed_in, response))


@pytest.mark.usefixtures("agent")
def test_group_parameter_says_where_to_sign_in(authorize, somebody, other_group):
    response = authorize(somebody, group=str(other_group.pk))

    assert f"group={other_group.pk}" in response.headers["Location"]


def test_session_of_another_group_than_is_asked_for_signs_in_anew(authorize, other_group):
    response = authorize(group=str(other_group.pk))

    assert response.headers["Location"].startswith(f"/sso/sign-in?group={other_group.pk}&")


def test_session_of_the_group_that_is_asked_for_will_do(authorize, group):
    assert "code" in told(authorize(group=str(group.pk)))


@pytest.mark.parametrize("number", ["0", "999999999"])
def test_unknown_group_is_refused_at_the_door(authorize, somebody, number):
    assert_page(somebody.get(authorize(somebody, group=number).headers["Location"]), status=404)


def test_two_groups_entitled_ask_which(authorize, somebody, other_group, client_company):
    factories.EntitlementFactory(group=other_group, client=client_company)

    response = authorize(somebody)

    page = response.content.decode()
    assert "Which group are you in?" in words_of(response)
    assert f'action="{PATH}"' in page
    assert "https://demoaws.crm.example" in directives(response)["form-action"]
    assert "Northwind" not in page


def test_group_that_was_chosen_is_signed_in_to_with_nothing_lost(
    authorize, somebody, group, other_group, client_company, agent, party
):
    factories.EntitlementFactory(group=other_group, client=client_company)
    page = authorize(somebody, state=HOSTILE).content.decode()
    kept = re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)">', page)
    assert {name for name, _ in kept} == usual(party).keys()

    chosen = authorize(somebody, state=HOSTILE, group=str(group.pk))

    assert chosen.headers["Location"].startswith(f"/sso/sign-in?group={group.pk}&")
    assert told(sign_in(somebody, chosen))["state"] == HOSTILE


def test_inactive_group_is_not_one_to_ask_about(authorize, somebody, group, other_group, client_company):
    factories.EntitlementFactory(group=other_group, client=client_company)
    groups.Group.objects.filter(pk=other_group.pk).update(is_active=False)

    assert authorize(somebody).headers["Location"].startswith(f"/sso/sign-in?group={group.pk}&")


# --- prompt=none -----------------------------------------------------------------------------------------------------


def test_silent_without_a_session_needs_a_sign_in(authorize, somebody):
    assert_sent_back(authorize(somebody, prompt="none"), "login_required")


def test_silent_with_an_idle_session_needs_a_sign_in(authorize, session):
    groups.AgentSession.objects.update(idle_at=timezone.now() - timedelta(minutes=1))

    assert_sent_back(authorize(prompt="none"), "login_required")


def test_silent_with_an_ended_session_needs_a_sign_in(authorize, session):
    groups.AgentSession.objects.filter(pk=session.pk).end("signed_out")

    assert_sent_back(authorize(prompt="none"), "login_required")


def test_silent_with_a_session_of_another_group_needs_a_sign_in(authorize, other_group):
    assert_sent_back(authorize(prompt="none", group=str(other_group.pk)), "login_required")


def test_silent_never_asks_for_the_group(authorize, somebody, other_group, client_company):
    factories.EntitlementFactory(group=other_group, client=client_company)

    assert_sent_back(authorize(somebody, prompt="none"), "login_required")


def test_silent_question_whether_somebody_is_there_fills_no_log(authorize, somebody):
    authorize(somebody, prompt="none")

    assert not Event.objects.exists()


def test_silent_with_an_older_session_than_is_asked_for_needs_a_sign_in(authorize, session):
    make_older(session, timedelta(minutes=10))

    assert_sent_back(authorize(prompt="none", max_age="300"), "login_required")


def test_silent_for_the_agent_of_the_hint_is_answered(authorize, agent):
    assert "code" in told(authorize(prompt="none", id_token_hint=sign({"sub": agent.subject})))


@pytest.mark.parametrize("hint", [None, "nonsense", "a.b.c"])
def test_silent_for_somebody_else_than_the_hint_needs_a_sign_in(authorize, hint):
    assert_sent_back(authorize(prompt="none", id_token_hint=hint or sign({"sub": "bob"})), "login_required")


@pytest.mark.parametrize(("prompt", "is_used"), [("none", False), (None, True)])
def test_silent_request_does_not_keep_the_session_from_going_idle(authorize, session, prompt, is_used):
    a_while_ago = timezone.now() - timedelta(minutes=5)
    groups.AgentSession.objects.update(last_seen_at=a_while_ago)

    told(authorize(prompt=prompt))

    session.refresh_from_db()
    assert (session.last_seen_at > a_while_ago) == is_used
