"""The demo's sandbox: a group of its own, whose key may do everything, so that a fuzzer can do no harm."""

from django.conf import settings

from groups.models import Agent, AgentStatus, Entitlement, Group, ProvisionedBy
from tokens.demo_world.derived import secret
from tokens.demo_world.making import let_call_from_here, make_client, make_credential
from tokens.models import ApiKey, Scope

GROUP, CODE, NAME = 23, "sandbox", "API sandbox"
SUBDOMAIN = "apisandbox"
AGENTS = {"nora.quist": "Nora Quist", "pavel.ito": "Pavel Ito", "zoe.mensah": "Zoe Mensah"}


def build(northwind: Group) -> None:
    """Make the sandbox and the keys, or restore every row of them; what was made in the sandbox beside stays."""
    group, _ = Group.objects.update_or_create(
        pk=GROUP, defaults={"code": CODE, "name": NAME, "is_active": True}
    )
    client = make_client(
        SUBDOMAIN,
        name="API Sandbox Client",
        departments={1: "Desk"},
        campaigns={1: "Mornings", 2: "Evenings"},
    )
    Entitlement.objects.get_or_create(group=group, client=client)
    for username, full_name in AGENTS.items():
        Agent.objects.update_or_create(
            group=group,
            username_key=username,
            defaults={
                "username": username,
                "full_name": full_name,
                "status": AgentStatus.ACTIVE,
                "ends_at": None,
                "all_clients": True,
                "provisioned_by": ProvisionedBy.API,
            },
        )
    let_call_from_here(group)
    make_credential(ApiKey, _key(), group=group, name="Fuzzer", scopes=list(Scope.values))
    held = secret("api key of northwind", ApiKey.PREFIX)
    scopes = [Scope.AGENTS_READ, Scope.AGENTS_WRITE]
    make_credential(ApiKey, held, group=northwind, name="Staff directory", scopes=scopes)


def values() -> dict[str, str]:
    """The key and the document, for scripts and tests."""
    return {
        "API_BEARER_KEY": _key(),
        "API_GROUP_ID": str(GROUP),
        "API_CLIENT_SUBDOMAIN": SUBDOMAIN,
        "OPENAPI_URL": f"{settings.PORTAL_URL}/api/schema",
    }


def _key() -> str:
    return secret("api key of the sandbox", ApiKey.PREFIX)
