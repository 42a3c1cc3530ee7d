"""What is done to a session at the group's door, and read of its pages."""

import re

from django.db.models.functions import Now

from groups.models import AgentSession

POP = "/sso/group/demoaws?group={}&cid=%2B15550199"


def go_idle() -> None:
    AgentSession.objects.update(idle_at=Now())


def action_of(response) -> str:
    """Where the form of this page is sent."""
    (action,) = re.findall(r'<form class="form" method="post" action="([^"]*)"', response.content.decode())
    return action.replace("&amp;", "&")
