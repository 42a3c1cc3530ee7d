"""Redeeming: once, at the right client, in time."""

import pytest

from groups.entering import client_at, entry_of, with_entry
from groups.models import Agent
from sso_portal.lib.refusals import Refused
from tokens.issuing import CallContext, IssuedLogin, issue
from tokens.models import Kind
from tokens.redeeming import redeem

pytestmark = pytest.mark.django_db


@pytest.fixture
def issued(agent, entitlement, caller) -> IssuedLogin:
    row = with_entry(Agent.objects.filter(pk=agent.pk), client=client_at("demoaws"), grant=True).get()
    entry = entry_of(row, agent=row, asked="demoaws")
    return issue(entry, kind=Kind.HAND_OFF, actor="test", caller=caller, call=CallContext(did="+15550100"))


def test_redeem_tells_who_came(issued, relying_party, caller):
    redemption = redeem(issued.secret, relying_party=relying_party, caller=caller)

    assert redemption.token.agent.username == "alice"
    assert redemption.token.did == "+15550100"


def test_redeem_twice_is_refused(issued, relying_party, caller):
    redeem(issued.secret, relying_party=relying_party, caller=caller)

    with pytest.raises(Refused, match="invalid_token"):
        redeem(issued.secret, relying_party=relying_party, caller=caller)
