"""Groups, the clients they work for, who may enter what, and the agents with their sessions.

Facts that must agree are constraints of the database; each has a test in tests/groups/test_constraints.py.
"""

from groups.models.activity import HalfHour
from groups.models.agent import (
    PASSKEY_NAME_LENGTH,
    Agent,
    AgentFactor,
    AgentPasskey,
    AgentQuerySet,
    AgentStatus,
    FormerPassword,
    ProvisionedBy,
    new_subject,
)
from groups.models.agent_import import AgentImport, ImportKind, ImportState
from groups.models.agent_session import AgentSession, AgentSessionQuerySet, EndReason, new_sid, now_of
from groups.models.client import Campaign, Client, Department, HandOff
from groups.models.client_person import (
    PATH_LENGTH,
    ClientPerson,
    ClientSession,
    ClientSessionQuerySet,
    Destination,
    why_not_path,
)
from groups.models.dialled_number import DialledNumber, NumberImport
from groups.models.entitlement import (
    AgentCampaign,
    AgentEntitlement,
    EntitledCampaign,
    EntitledDepartment,
    Entitlement,
)
from groups.models.fields import NAME_LENGTH, USERNAME_LENGTH, validate_text, validate_username
from groups.models.group import (
    PERMISSIONS,
    Group,
    GroupLogo,
    Invitation,
    Membership,
    PasswordProfile,
    Permission,
    Role,
)

__all__ = [
    "NAME_LENGTH",
    "PASSKEY_NAME_LENGTH",
    "PATH_LENGTH",
    "PERMISSIONS",
    "USERNAME_LENGTH",
    "Agent",
    "AgentCampaign",
    "AgentEntitlement",
    "AgentFactor",
    "AgentImport",
    "AgentPasskey",
    "AgentQuerySet",
    "AgentSession",
    "AgentSessionQuerySet",
    "AgentStatus",
    "Campaign",
    "Client",
    "ClientPerson",
    "ClientSession",
    "ClientSessionQuerySet",
    "Department",
    "Destination",
    "DialledNumber",
    "EndReason",
    "EntitledCampaign",
    "EntitledDepartment",
    "Entitlement",
    "FormerPassword",
    "Group",
    "GroupLogo",
    "HalfHour",
    "HandOff",
    "ImportKind",
    "ImportState",
    "Invitation",
    "Membership",
    "NumberImport",
    "PasswordProfile",
    "Permission",
    "ProvisionedBy",
    "Role",
    "new_sid",
    "new_subject",
    "now_of",
    "validate_text",
    "validate_username",
    "why_not_path",
]
