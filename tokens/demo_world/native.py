"""The demo's sandbox: a group of its own, whose key may do everything, so that a fuzzer can do no harm."""

from django.conf import settings

from groups.models import (
    Agent,
    AgentStatus,
    Campaign,
    Client,
    Department,
    Entitlement,
    Group,
    ProvisionedBy,
)
from sso_portal.lib.secrets import digest_of
from tokens.demo_world.derived import secret
from tokens.models import AddressRule, ApiKey, Scope

GROUP, CODE, NAME = 23, "sandbox", "API sandbox"
SUBDOMAIN = "apisandbox"
AGENTS = {"nora.quist": "Nora Quist", "pavel.ito": "Pavel Ito", "zoe.mensah": "Zoe Mensah"}


def build(northwind: Group) -> None:
    """Make the sandbox and the keys, or restore every row of them; what was made in the sandbox beside stays."""
    group, _ = Group.objects.update_or_create(
        pk=GROUP, defaults={"code": CODE, "name": NAME, "is_active": True}
    )
    Entitlement.objects.get_or_create(group=group, client=_client())
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
    group.address_rules.exclude(network="127.0.0.1/32").delete()
    AddressRule.objects.get_or_create(group=group, network="127.0.0.1/32", defaults={"note": "this machine"})
    _let_show(_key(), group=group, name="Fuzzer", scopes=list(Scope.values))
    held = secret("api key of northwind", ApiKey.PREFIX)
    _let_show(held, group=northwind, name="Staff directory", scopes=[Scope.AGENTS_READ, Scope.AGENTS_WRITE])


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


def _let_show(held: str, *, group: Group, name: str, scopes: list[str]) -> None:
    key = ApiKey.objects.filter(digest=digest_of(held)).first() or ApiKey()
    key.group, key.name, key.scopes = group, name, scopes
    key.expires_at = key.revoked_at = None
    key.take(held)
    key.save()


def _client() -> Client:
    client, _ = Client.objects.update_or_create(
        subdomain=SUBDOMAIN,
        defaults={
            "name": "API Sandbox Client",
            "login_url": f"http://{SUBDOMAIN}.localhost:{settings.PORT + 1}/sso/login",
            "is_active": True,
            "is_paused": False,
        },
    )
    Department.objects.update_or_create(client=client, number=1, defaults={"name": "Desk", "is_active": True})
    for number, name in ((1, "Mornings"), (2, "Evenings")):
        Campaign.objects.update_or_create(
            client=client, number=number, defaults={"name": name, "is_active": True}
        )
    return client
