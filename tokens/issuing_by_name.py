"""Logins that a group's software asks for: it names the agent, and shows a key in place of his session."""

from typing import Any

from django.db import transaction

from groups.entering import client_at, entry_of, with_entry
from groups.models import Agent, Group
from groups.provisioning import find_or_provision
from sso_portal.lib.web import Caller
from tokens.handing_off import kind_for_software
from tokens.issuing import IssuedLogin, issue


def issue_by_name(
    group: Group,
    *,
    username: str,
    full_name: str,
    email: str,
    client: str,
    by: str,
    caller: Caller,
    **asked: Any,
) -> IssuedLogin:
    """A login for the group's agent of this name at the client with this subdomain; an agent who is new is made.

    `asked` is what `issue` takes beside. Where it refuses, no agent is made either.
    """
    with transaction.atomic():
        agent = find_or_provision(
            group=group, username=username, full_name=full_name, email=email, by=by, caller=caller
        )
        rows = with_entry(Agent.objects.filter(pk=agent.pk), client=client_at(client), grant=True)
        row = rows.get()
        entry = entry_of(row, agent=row, asked=client)
        kind = kind_for_software(entry, actor=by)
        return issue(entry, kind=kind, actor=by, caller=caller, **asked)
