"""Groups, the clients they work for, who may enter what, and the agents with their sessions.

Facts that must agree are constraints of the database; each has a test in tests/groups/test_constraints.py.
"""

from groups.models.agent import Agent, AgentQuerySet, AgentStatus, ProvisionedBy, new_subject
from groups.models.agent_session import AgentSession, AgentSessionQuerySet, EndReason, new_sid, now_of
from groups.models.client import Campaign, Client, Department, HandOff
from groups.models.entitlement import (
    AgentCampaign,
    AgentEntitlement,
    EntitledCampaign,
    EntitledDepartment,
    Entitlement,
)
from groups.models.fields import NAME_LENGTH, USERNAME_LENGTH, validate_text, validate_username
from groups.models.group import Group, Membership, Role

__all__ = [
    "NAME_LENGTH",
    "USERNAME_LENGTH",
    "Agent",
    "AgentCampaign",
    "AgentEntitlement",
    "AgentQuerySet",
    "AgentSession",
    "AgentSessionQuerySet",
    "AgentStatus",
    "Campaign",
    "Client",
    "Department",
    "EndReason",
    "EntitledCampaign",
    "EntitledDepartment",
    "Entitlement",
    "Group",
    "HandOff",
    "Membership",
    "ProvisionedBy",
    "Role",
    "new_sid",
    "new_subject",
    "now_of",
    "validate_text",
    "validate_username",
]
