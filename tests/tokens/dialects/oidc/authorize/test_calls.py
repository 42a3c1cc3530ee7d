"""The call that the portal began a sign-in with reaches the one it was meant for."""

from datetime import timedelta

import pytest

from accounts.models import Event
from sso_portal.lib.secrets import digest_of
from tests import factories
from tests.tokens.circumstances import age
from tests.tokens.dialects.oidc.authorize.asking import (
    CALL,
    HOSTILE,
    sign_in,
    told,
)
from tests.tokens.dialects.oidc.parties import (
    read_id_token,
)
from tokens.issuing import CallContext
from tokens.models import Kind, LoginToken
from tokens.redeeming import redeem

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("entitlement")]


def code_of(response) -> LoginToken:
    return LoginToken.objects.get(digest=digest_of(told(response)["code"]))


def unspent(issued) -> bool:
    return LoginToken.objects.get(pk=issued.token.pk).redeemed_at is None


def test_launch_gives_its_call_to_the_code(authorize, launch):
    code = code_of(authorize(login_hint=launch.secret))

    assert (code.did, code.cid, code.call_id) == ("+15550100", "+15550199", "c-7")
    assert (code.campaign_id, code.destination) == ("2", "crm:home")
    assert (code.departments, code.campaigns) == ([1], [2])


def test_launch_is_spent_and_written_down_once(authorize, launch):
    response = authorize(login_hint=launch.secret)

    actions = Event.objects.filter(reference=response.headers["X-Request-Id"]).order_by("pk")
    assert not unspent(launch)
    assert list(actions.values_list("action", "actor")) == [
        ("login.redeem", "portal"),
        ("login.issue", f"agent:{launch.token.agent.subject}"),
    ]


def test_launch_that_was_spent_gives_no_call(authorize, launch):
    authorize(login_hint=launch.secret)

    code = code_of(authorize(login_hint=launch.secret))

    assert (code.did, code.departments) == ("", None)


def test_two_tabs_never_swap_their_calls(authorize, issue_to_alice):
    first = issue_to_alice(kind=Kind.LAUNCH, call=CallContext(call_id="first"))
    second = issue_to_alice(kind=Kind.LAUNCH, call=CallContext(call_id="second"))

    calls = [code_of(authorize(login_hint=each.secret)).call_id for each in (second, first)]

    assert calls == ["second", "first"]


@pytest.mark.parametrize("hint", ["alice", "alice@northwind.example", "lt_unknown", HOSTILE, ""])
def test_any_other_hint_is_ignored(authorize, hint):
    assert code_of(authorize(login_hint=hint)).did == ""
    assert Event.objects.get().action == "login.issue"


def test_launch_of_another_agent_is_ignored_and_kept(authorize, launch, group):
    bob = factories.AgentFactory(group=group, username="bob")
    LoginToken.objects.filter(pk=launch.token.pk).update(agent=bob)

    assert code_of(authorize(login_hint=launch.secret)).did == ""
    assert unspent(launch)


def test_launch_of_another_client_is_ignored_and_kept(authorize, launch):
    LoginToken.objects.filter(pk=launch.token.pk).update(client=factories.ClientFactory())

    assert code_of(authorize(login_hint=launch.secret)).did == ""
    assert unspent(launch)


@pytest.mark.parametrize("kind", [Kind.HAND_OFF, Kind.ENTRANCE, Kind.SIGNED, Kind.CODE])
def test_token_of_another_kind_is_ignored_and_kept(authorize, issue_to_alice, kind):
    other = issue_to_alice(kind=kind, call=CALL)

    assert code_of(authorize(login_hint=other.secret)).did == ""
    assert unspent(other)


def test_launch_that_came_too_late_is_ignored(authorize, launch):
    age(launch.token, timedelta(seconds=61))

    assert code_of(authorize(login_hint=launch.secret)).did == ""


def test_launch_is_no_login_by_itself(authorize, somebody, launch):
    response = authorize(somebody, login_hint=launch.secret)

    assert response.headers["Location"].startswith("/sso/sign-in?")
    assert unspent(launch)


def test_launch_survives_the_sign_in_before_it(authorize, somebody, launch):
    answer = told(sign_in(somebody, authorize(somebody, login_hint=launch.secret)))

    assert LoginToken.objects.get(digest=digest_of(answer["code"])).call_id == "c-7"


def test_launch_says_which_group_to_sign_in_to(
    authorize, somebody, launch, group, other_group, client_company
):
    factories.EntitlementFactory(group=other_group, client=client_company)

    response = authorize(somebody, login_hint=launch.secret)

    assert response.headers["Location"].startswith(f"/sso/sign-in?group={group.pk}&")


def test_launch_of_departments_that_were_withdrawn_gives_no_call(authorize, launch, client_company):
    client_company.departments.update(is_active=False)

    code = code_of(authorize(login_hint=launch.secret))

    assert (code.did, code.departments) == ("", None)


def test_relying_party_cannot_redeem_a_launch(launch, party, caller):
    with pytest.raises(Exception, match="invalid_token"):
        redeem(launch.secret, relying_party=party, caller=caller)


def test_token_grant_carries_the_call(by_token, launch):
    answer = told(by_token(login_hint=launch.secret), by="fragment")

    claims = read_id_token(answer["id_token"]).claims
    assert (claims["call"]["call_id"], claims["departments"], claims["campaigns"]) == ("c-7", [1], [2])
    assert claims["destination"] == "crm:home"
