"""Which relying parties learned of which agent's session: those to be told when it ends (`tokens.logging_out`)."""

from groups.models import AgentSession
from tokens.models import Handoff, RelyingParty


def remember(session: AgentSession | None, relying_party: RelyingParty | None) -> None:
    """Note that this party learned the `sid` of this session, if it wants to be told of log-outs.

    One statement, and none where there is nobody to tell. In the transaction in which the party learns it.
    """
    if session and relying_party and relying_party.backchannel_logout_uri:
        Handoff.objects.remember(session, relying_party)
