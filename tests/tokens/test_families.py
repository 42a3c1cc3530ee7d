"""Families of tokens: what grows from one sign-in is renewed, looked up and revoked as one."""

from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.utils import timezone

from accounts.models import Event, Outcome
from groups.models import Agent, AgentSession, EndReason
from sso_portal.lib.refusals import Refused
from tests import factories
from tests.tokens.circumstances import STOPS, name_of
from tests.tokens.statements import Statements
from tokens import families
from tokens.issuing import CallContext
from tokens.models import AccessToken, FamilyEnd, Kind, RefreshToken, RelyingParty, TokenFamily
from tokens.redeeming import redeem

pytestmark = pytest.mark.django_db
SCOPE = "openid profile"


@pytest.fixture
def start(issue_to_alice, relying_party, session, caller):
    """Begin a family of Alice at demoaws' relying party."""

    def start_one(**changed) -> TokenFamily:
        issued = issue_to_alice(kind=Kind.CODE, session=session, issued_to=relying_party, **changed)
        redemption = redeem(issued.secret, kind=Kind.CODE, relying_party=relying_party, caller=caller)
        return families.start(redemption, relying_party=relying_party, scope=SCOPE, nonce="n-1")

    return start_one


@pytest.fixture
def family(start) -> TokenFamily:
    return start()


@pytest.fixture
def tokens(family) -> families.Tokens:
    return families.give(family, refresh=True)


@pytest.fixture
def renew(relying_party, caller):
    def renew_one(secret: str, **changed) -> families.Renewed:
        return families.renew(secret, **{"relying_party": relying_party, "caller": caller} | changed)

    return renew_one


def why_of_last_refresh() -> str:
    event = Event.objects.filter(action="login.refresh").latest("pk")
    assert (event.outcome, event.reason) == (Outcome.REFUSED, "invalid_grant")
    return event.details["why"]


# --- Begun -----------------------------------------------------------------------------------------------------------


def test_start_keeps_what_the_session_and_the_code_say(start, session, agent, relying_party):
    family = start(departments=[1], campaigns=[2])
    family.refresh_from_db()
    session.refresh_from_db()

    assert (family.agent, family.group, family.client) == (agent, agent.group, relying_party.client)
    assert (family.sid, family.methods, family.authenticated_at) == (session.sid, ["pwd"], session.started_at)
    assert (family.departments, family.campaigns, family.scope) == ([1], [2], SCOPE)


def test_start_keeps_the_time_of_the_oldest_proof(start, session):
    long_ago = timezone.now() - timedelta(hours=5)
    AgentSession.objects.update(methods=["pwd", "otp", "mfa"], factor_shown_at=long_ago)

    assert start().authenticated_at == long_ago


def test_start_sets_an_end_that_the_relying_party_registered(start, relying_party):
    RelyingParty.objects.update(refresh_hours=5)
    relying_party.refresh_from_db()

    family = start()
    family.refresh_from_db()

    assert abs(family.ends_at - family.started_at - timedelta(hours=5)) < timedelta(seconds=2)


def test_give_keeps_digests_alone(family):
    given = families.give(family, refresh=True)

    kept = str([*AccessToken.objects.values(), *RefreshToken.objects.values()])
    assert given.access not in kept
    assert given.refresh not in kept


def test_give_without_a_refresh_token_makes_none(family):
    assert families.give(family, refresh=False).refresh == ""
    assert not RefreshToken.objects.exists()


# --- Renewed ---------------------------------------------------------------------------------------------------------


def test_renew_gives_the_next_tokens(tokens, renew):
    renewed = renew(tokens.refresh)

    assert renewed.tokens.access != tokens.access
    assert renewed.tokens.refresh not in ("", tokens.refresh)
    assert renew(renewed.tokens.refresh)


def test_renew_tells_who_he_is_now(tokens, renew, agent):
    Agent.objects.filter(pk=agent.pk).update(full_name="Alice Newname")

    login = renew(tokens.refresh).login

    assert login.who.full_name == "Alice Newname"
    assert (login.departments, login.campaigns, login.call.did) == ([1], "all", "+15550100")


def test_renew_is_recorded(tokens, renew, relying_party, agent):
    renew(tokens.refresh)

    event = Event.objects.get(action="login.refresh")
    assert (event.outcome, event.actor, event.agent) == (Outcome.OK, relying_party.named, agent.subject)


def test_renewing_twice_with_one_token_revokes_the_family(tokens, renew):
    renewed = renew(tokens.refresh)

    with pytest.raises(Refused):
        renew(tokens.refresh)

    assert why_of_last_refresh() == "already used"
    assert TokenFamily.objects.get().end_reason == FamilyEnd.REUSED
    assert families.standing_of_access(renewed.tokens.access) is None
    with pytest.raises(Refused):
        renew(renewed.tokens.refresh)
    assert why_of_last_refresh() == "revoked"


def test_a_family_is_revoked_for_re_use_once(tokens, renew):
    renew(tokens.refresh)
    for _ in range(3):
        with pytest.raises(Refused):
            renew(tokens.refresh)

    assert Event.objects.filter(action="login.revoke").count() == 1


def test_renewing_another_partys_token_does_not_spend_it(tokens, renew):
    stranger = factories.RelyingPartyFactory(secret="rs_stranger")

    with pytest.raises(Refused):
        renew(tokens.refresh, relying_party=stranger)

    assert why_of_last_refresh() == "unknown"
    assert renew(tokens.refresh)


def test_renewing_what_nobody_knows_is_refused(renew):
    with pytest.raises(Refused) as refused:
        renew("rt_nothing")

    assert (refused.value.refusal.code, refused.value.refusal.status) == ("invalid_grant", 400)
    assert why_of_last_refresh() == "unknown"


def test_renewing_with_an_access_token_is_refused(tokens, renew):
    with pytest.raises(Refused):
        renew(tokens.access)


def test_renewing_after_the_end_is_refused(tokens, renew):
    TokenFamily.objects.update(ends_at=timezone.now() - timedelta(seconds=1))
    RefreshToken.objects.update(expires_at=timezone.now() - timedelta(seconds=1))

    with pytest.raises(Refused):
        renew(tokens.refresh)

    assert why_of_last_refresh() == "expired"


def test_renewing_never_moves_the_end(tokens, renew):
    ends_at = TokenFamily.objects.get().ends_at

    renew(renew(tokens.refresh).tokens.refresh)

    assert TokenFamily.objects.get().ends_at == ends_at
    assert set(RefreshToken.objects.values_list("expires_at", flat=True)) == {ends_at}


def test_the_last_access_token_ends_with_its_family(tokens, renew):
    TokenFamily.objects.update(ends_at=timezone.now() + timedelta(minutes=2))

    renewed = renew(tokens.refresh)

    assert timedelta(seconds=100) < renewed.tokens.access_lifetime <= timedelta(minutes=2)
    left = AccessToken.objects.latest("pk").expires_at - timezone.now()
    assert left <= timedelta(minutes=2)


def test_what_speaks_against_it_is_written_down_and_refused(tokens, renew):
    with pytest.raises(Refused):
        renew(tokens.refresh, why_not=lambda family: f"scope {family.scope}")

    assert why_of_last_refresh() == "scope openid profile"


def test_renewing_by_an_inactive_party_is_refused(tokens, renew):
    RelyingParty.objects.update(is_active=False)

    with pytest.raises(Refused):
        renew(tokens.refresh)

    assert why_of_last_refresh() == "relying party inactive"


# --- Who may no longer enter -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("stop", STOPS, ids=name_of)
def test_who_may_not_enter_any_more_gets_nothing_from_any_token(tokens, renew, agent, entitlement, stop):
    stop.act(agent, entitlement)

    assert families.standing_of_access(tokens.access) is None
    assert families.standing_of_refresh(tokens.refresh) is None
    with pytest.raises(Refused):
        renew(tokens.refresh)
    assert why_of_last_refresh() == stop.why


def test_who_moved_to_another_group_gets_nothing(tokens, renew, agent, other_group, client_company):
    factories.EntitlementFactory(group=other_group, client=client_company)
    Agent.objects.filter(pk=agent.pk).update(group=other_group)

    assert families.standing_of_access(tokens.access) is None
    with pytest.raises(Refused):
        renew(tokens.refresh)
    assert why_of_last_refresh() == "agent moved"


@pytest.mark.parametrize("reason", sorted(set(EndReason.values) - {EndReason.RENEWED}))
def test_a_session_that_ended_ends_what_grew_from_it(tokens, renew, session, reason):
    AgentSession.objects.filter(pk=session.pk).end(reason)

    assert families.standing_of_access(tokens.access) is None
    with pytest.raises(Refused):
        renew(tokens.refresh)
    assert why_of_last_refresh() == "session ended"


def test_a_session_that_was_renewed_goes_on(tokens, renew, session):
    AgentSession.objects.filter(pk=session.pk).end(EndReason.RENEWED)

    assert families.standing_of_access(tokens.access)
    assert renew(tokens.refresh)


def test_the_end_of_the_session_that_renewed_the_first_ends_it_too(tokens, renew, session, agent):
    AgentSession.objects.filter(pk=session.pk).end(EndReason.RENEWED)
    later = factories.AgentSessionFactory(agent=agent, sid=session.sid)
    assert families.standing_of_access(tokens.access)

    AgentSession.objects.filter(pk=later.pk).end(EndReason.SIGNED_OUT)

    assert families.standing_of_access(tokens.access) is None
    assert families.standing_of_refresh(tokens.refresh) is None


def test_campaigns_taken_away_end_what_was_granted_for_them(start, client_company):
    given = families.give(start(campaigns=[3]), refresh=True)
    assert families.standing_of_access(given.access)

    client_company.campaigns.filter(number=3).update(is_active=False)

    assert families.standing_of_access(given.access) is None


def test_a_login_token_that_was_cleaned_up_takes_its_call_along_and_nothing_else(tokens, renew, family):
    type(family.login_token).objects.all().delete()

    login = renew(tokens.refresh).login

    assert login.call == CallContext()
    assert login.methods == ["pwd"]


# --- Looked up -------------------------------------------------------------------------------------------------------


def test_standing_of_is_worth_the_right_kind(tokens):
    assert isinstance(families.standing_of(tokens.access).token, AccessToken)
    assert isinstance(families.standing_of(tokens.refresh).token, RefreshToken)


@pytest.mark.parametrize("secret", ["", "at_", "rt_", "lt_x", "at_\x00", "rt_\ud800", "x" * 5000])
def test_standing_of_what_is_no_token_is_none(secret):
    assert families.standing_of(secret) is None


def test_standing_does_not_spend(tokens, renew):
    families.standing_of(tokens.refresh)

    assert renew(tokens.refresh)


@pytest.mark.parametrize("field", ["revoked_at", "expires_at"])
def test_an_access_token_that_ended_is_worth_nothing(tokens, field):
    AccessToken.objects.update(**{field: timezone.now()})

    assert families.standing_of_access(tokens.access) is None


def test_a_spent_refresh_token_is_worth_nothing(tokens, renew):
    renew(tokens.refresh)

    assert families.standing_of_refresh(tokens.refresh) is None


def test_a_family_of_the_bus_goes_on_without_a_client(session, renew):
    with transaction.atomic():
        family = families.start_for_bus(session, lasts=timedelta(hours=1))
        given = families.give(family, refresh=True)

    renewed = renew(given.refresh, relying_party=None)

    assert families.standing_of_access(renewed.tokens.access).login is None


# --- Written down ----------------------------------------------------------------------------------------------------


def test_a_spent_token_shown_again_and_again_does_not_fill_the_log(tokens, renew, limit_a_minute):
    limit_a_minute("recorded refusals", 2)
    renew(tokens.refresh)

    for _ in range(5):
        with pytest.raises(Refused):
            renew(tokens.refresh)

    # The one that revoked, and two more.
    assert Event.objects.filter(action="login.refresh", outcome=Outcome.REFUSED).count() == 3


@pytest.mark.parametrize("is_public", [False, True])
def test_what_a_public_party_makes_up_does_not_fill_the_log(renew, relying_party, limit_a_minute, is_public):
    limit_a_minute("recorded refusals", 2)
    relying_party.is_public = is_public

    for _ in range(5):
        with pytest.raises(Refused):
            renew("rt_nothing")

    assert Event.objects.filter(action="login.refresh").count() == (2 if is_public else 5)


def test_a_public_party_is_not_named_as_who_acts(tokens, renew, relying_party):
    relying_party.is_public = relying_party.needs_pkce = True
    relying_party.save()

    renew(tokens.refresh)

    event = Event.objects.get(action="login.refresh")
    assert (event.actor, event.details) == ("anonymous", {"relying_party": relying_party.identifier})


def test_a_public_partys_revocation_does_not_name_it_as_who_acts(tokens, relying_party, caller):
    relying_party.is_public = relying_party.needs_pkce = True
    relying_party.save()

    families.give_back(tokens.refresh, relying_party=relying_party, caller=caller)

    event = Event.objects.get(action="login.revoke")
    assert (event.actor, event.details["relying_party"]) == ("anonymous", relying_party.identifier)


# --- Given back ------------------------------------------------------------------------------------------------------


def test_giving_an_access_token_back_ends_it_alone(tokens, relying_party, caller):
    assert families.give_back(tokens.access, relying_party=relying_party, caller=caller)

    assert families.standing_of_access(tokens.access) is None
    assert families.standing_of_refresh(tokens.refresh)


def test_giving_a_refresh_token_back_ends_all_of_its_family(tokens, renew, relying_party, caller):
    renewed = renew(tokens.refresh)

    assert families.give_back(tokens.refresh, relying_party=relying_party, caller=caller)

    assert families.standing_of_access(renewed.tokens.access) is None
    assert TokenFamily.objects.get().end_reason == FamilyEnd.REVOKED


def test_giving_back_is_recorded_once(tokens, relying_party, caller):
    again = [families.give_back(tokens.access, relying_party=relying_party, caller=caller) for _ in range(2)]

    assert again == [True, False]
    assert Event.objects.get(action="login.revoke").actor == relying_party.named


def test_giving_anothers_token_back_changes_nothing(tokens, caller):
    stranger = factories.RelyingPartyFactory(secret="rs_stranger")

    assert not families.give_back(tokens.refresh, relying_party=stranger, caller=caller)
    assert families.standing_of_refresh(tokens.refresh)


# --- Queries ---------------------------------------------------------------------------------------------------------


def test_looking_a_token_up_is_one_select(tokens):
    with Statements(connection) as statements:
        families.standing_of_access(tokens.access)

    assert statements.by_kind == {"SELECT": 1}


def test_renewing_is_one_select_one_update_and_three_inserts(tokens, renew):
    with Statements(connection) as statements:
        renew(tokens.refresh)

    assert statements.by_kind == {"SELECT": 1, "UPDATE": 1, "INSERT": 3}
