"""The demo's workbench: a group with one agent, and a CRM of your own that he can be taken into, each of the four ways.

The CRM is whatever listens at ADDRESS: one of the examples, or what you write.
"""

from django.contrib.auth.hashers import make_password

from groups.models import Agent, AgentStatus, Campaign, Client, Department, Entitlement, Group, HandOff
from sso_portal.lib.secrets import digest_of
from tokens.demo_world.derived import derived, readable, secret
from tokens.models import RegisteredAddress, RelyingParty, RelyingPartySecret, Use

GROUP = 24
USERNAME, FULL_NAME = "robin.park", "Robin Park"
ADDRESS = "http://127.0.0.1:18600"
WAYS = {  # the hand-off: its client, and where in the CRM its agents arrive
    HandOff.REDIRECT: ("yourcrm-redirect", "/redirect/login"),
    HandOff.FORM_POST: ("yourcrm-post", "/form-post/login"),
    HandOff.SIGNED: ("yourcrm-signed", "/signed/login"),
    HandOff.OIDC: ("yourcrm-oidc", "/oidc/start"),
}


def build() -> None:
    """Make the workbench, or restore every row of it."""
    group, _ = Group.objects.update_or_create(
        pk=GROUP, defaults={"code": "workbench", "name": "Workbench", "is_active": True}
    )
    Agent.objects.update_or_create(
        group=group,
        username_key=USERNAME,
        defaults={
            "username": USERNAME,
            "full_name": FULL_NAME,
            "password": make_password(_password()),
            "status": AgentStatus.ACTIVE,
            "ends_at": None,
            "must_choose_password": False,
            "all_clients": True,
        },
    )
    for way, (subdomain, path) in WAYS.items():
        client, _ = Client.objects.update_or_create(
            subdomain=subdomain,
            defaults={
                "name": f"Your CRM ({way})",
                "hand_off": way,
                "login_url": ADDRESS + path,
                "is_active": True,
                "is_paused": False,
            },
        )
        Department.objects.update_or_create(
            client=client, number=1, defaults={"name": "Desk", "is_active": True}
        )
        Campaign.objects.update_or_create(
            client=client, number=1, defaults={"name": "Calls", "is_active": True}
        )
        Entitlement.objects.get_or_create(group=group, client=client)
        _trust(client)


def values() -> dict[str, str]:
    """What the examples need, for `demo --env`."""
    told = {
        "WORKBENCH_GROUP_ID": str(GROUP),
        "WORKBENCH_USERNAME": USERNAME,
        "WORKBENCH_PASSWORD": _password(),
    }
    for way, (subdomain, _) in WAYS.items():
        told |= {
            f"CRM_{way.name}_CLIENT": subdomain,
            f"CRM_{way.name}_ID": _identifier(subdomain),
            f"CRM_{way.name}_SECRET": _secret(subdomain),
        }
    return told


def _trust(client: Client) -> None:
    party, _ = RelyingParty.objects.update_or_create(
        identifier=_identifier(client.subdomain),
        defaults={
            "client": client,
            "name": "CRM",
            "is_active": True,
            "receives_agents": True,
            "initiate_login_uri": client.login_url if client.hand_off == HandOff.OIDC else "",
        },
    )
    RegisteredAddress.objects.get_or_create(
        relying_party=party, use=Use.REDIRECT, address=f"{ADDRESS}/oidc/callback"
    )
    held = _secret(client.subdomain)
    row = RelyingPartySecret.objects.filter(digest=digest_of(held)).first() or RelyingPartySecret()
    row.relying_party, row.expires_at, row.revoked_at = party, None, None
    row.take(held)
    row.save()


def _password() -> str:
    return readable(f"password of {USERNAME}")


def _identifier(subdomain: str) -> str:
    return f"rp_{derived(f'id of {subdomain}').hex()[:16]}"


def _secret(subdomain: str) -> str:
    return secret(f"secret of {subdomain}", RelyingPartySecret.PREFIX)
