"""From which networks a group's agents may sign in."""

from django.utils.translation import gettext_noop

from groups.models import Group
from sso_portal.lib.addresses import is_within, parse_networks
from sso_portal.lib.refusals import Refusal, Refused
from sso_portal.lib.web import Caller

OUTSIDE = Refusal("outside_networks", gettext_noop("Sign-in is not possible from this network."), 403)


def refuse_outside(group: Group, *, caller: Caller) -> None:
    """Refuse a sign-in from outside the group's networks, whoever asks: before any name or password is looked at.

    A session that has begun goes on anywhere.
    """
    if group.agent_networks and not is_within(caller.address, parse_networks(group.agent_networks)):
        raise Refused(OUTSIDE, {"action": "agent.sign_in", "group": group})
