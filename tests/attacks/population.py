"""Who is in the portal that is attacked over HTTP: `python -m tests.attacks.population` fills it, and says as JSON."""

import json
import sys

import django

django.setup()

from groups.models import AgentStatus  # noqa: E402
from tests import factories  # noqa: E402

LISTED = "127.0.0.3"  # from where alone the group's software may call
TRIES = 40  # of each kind of name, each name once: none is locked


def populate() -> dict[str, object]:
    """A group, by what is the matter with them names at its door, and a key; nobody's password is a wrong one."""
    group, other = factories.GroupFactory(), factories.GroupFactory()
    factories.AddressRuleFactory(group=group, network=f"{LISTED}/32")
    factories.ApiKeyFactory(group=group)
    names = {
        why: [f"{why}{number}" for number in range(TRIES)]
        for why in ("unknown", "wrong", "disabled", "foreign")
    }
    for number in range(TRIES):
        factories.AgentFactory(group=group, username=names["wrong"][number])
        factories.AgentFactory(group=group, username=names["disabled"][number], status=AgentStatus.DISABLED)
        factories.AgentFactory(group=other, username=names["foreign"][number])
    return {"group": group.pk, "names": names}


if __name__ == "__main__":
    json.dump(populate(), sys.stdout)
