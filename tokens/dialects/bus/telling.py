"""What the host is told of an agent and his group, and the credentials that it gets."""

from typing import Any

from django.conf import settings
from django.utils import timezone

from groups.entering import entries_of, why_not_enter
from groups.models import Agent, Group
from sso_portal.lib.secrets import digest_of
from tokens import signing_keys
from tokens.connecting import Connected


def user_told(agent: Agent) -> dict[str, Any]:
    """`currentUser`: the agent, and the clients that he may enter now."""
    clients = [entry.asked for entry in entries_of(agent) if why_not_enter(entry) is None]
    return {
        "id": agent.subject,
        "username": agent.username,
        "name": agent.full_name,
        "email": agent.email or None,
        "groupId": agent.group_id,
        "clients": clients,
    }


def company_told(group: Group) -> dict[str, Any]:
    """`company`: the group."""
    return {"id": group.pk, "code": group.code, "name": group.name}


def told(connected: Connected) -> dict[str, Any]:
    """What the script hands on to the host, and when (in seconds) to ask again."""
    user = user_told(connected.agent)
    return {
        "credentials": _credentials(connected, user),
        "currentUser": user,
        "company": company_told(connected.agent.group),
        "expiresIn": int(connected.tokens.access_lifetime.total_seconds()),
        "endsIn": int(connected.ends_in.total_seconds()),
    }


def audience_of(group: Group) -> str:
    """The `aud` of ID tokens that the bus of a group gives."""
    return f"bus:{group.pk}"


def _credentials(connected: Connected, user: dict[str, Any]) -> dict[str, str]:
    if connected.is_legacy:
        return {"legacy_token": connected.tokens.access}
    return {"idToken": _id_token(connected, user), "refreshToken": connected.tokens.refresh}


def _id_token(connected: Connected, user: dict[str, Any]) -> str:
    family, tokens = connected.family, connected.tokens
    now = int(timezone.now().timestamp())
    claims = {
        "iss": settings.PORTAL_URL,
        "sub": connected.agent.subject,
        "aud": audience_of(connected.agent.group),
        "iat": now,
        "exp": now + int(tokens.access_lifetime.total_seconds()),
        # Names the row beside it, which is asked whether it is worth something still.
        "jti": digest_of(tokens.access),
        "sid": family.sid,
        "auth_time": int(family.authenticated_at.timestamp()),
        "amr": family.methods,
    }
    return signing_keys.sign(claims | user)
