"""Agents made on the fly, when software of their group asks for their first login."""

from django.db import IntegrityError, transaction

from accounts import audit
from groups.models import Agent, Group, ProvisionedBy
from sso_portal.lib.web import Caller


def find_or_provision(
    *, group: Group, username: str, full_name: str, email: str, by: str, caller: Caller
) -> Agent:
    """The group's agent of this name; a new one, without a password, where there is none. In a transaction.

    Name and e-mail address are brought up to date for agents that were made this way, and for no others.
    """
    agent = Agent.objects.named(username, group_id=group.pk).first()
    if agent is None:
        return _provision(group, username, full_name, email, by, caller)
    if agent.provisioned_by == ProvisionedBy.API and (agent.full_name, agent.email) != (
        full_name,
        email or agent.email,
    ):
        agent.full_name, agent.email = full_name, email or agent.email
        agent.save(update_fields=["full_name", "email"])
        audit.record("agent.update", caller=caller, actor=by, group=group, agent=agent)
    return agent


def _provision(group: Group, username: str, full_name: str, email: str, by: str, caller: Caller) -> Agent:
    try:
        with transaction.atomic():
            agent = Agent.objects.create(
                group=group,
                username=username,
                full_name=full_name,
                email=email,
                provisioned_by=ProvisionedBy.API,
            )
            audit.record("agent.provision", caller=caller, actor=by, group=group, agent=agent)
            return agent
    except IntegrityError:  # another request made the same agent a moment ago
        return Agent.objects.named(username, group_id=group.pk).get()
