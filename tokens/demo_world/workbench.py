"""The demo's workbench: a group with one agent, and a CRM of your own that he can be taken into, each of the four ways.

The CRM is whatever listens at ADDRESS: one of the examples, or what you write.
"""

from django.contrib.auth.hashers import make_password

from groups.models import Agent, AgentStatus, Client, Entitlement, Group, HandOff
from tokens.demo_world.derived import readable, relying_party_id, relying_party_secret
from tokens.demo_world.making import make_client, make_credential
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
        client = make_client(
            subdomain,
            name=f"Your CRM ({way})",
            hand_off=way,
            login_url=ADDRESS + path,
            departments={1: "Desk"},
            campaigns={1: "Calls"},
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
            f"CRM_{way.name}_ID": relying_party_id(subdomain),
            f"CRM_{way.name}_SECRET": relying_party_secret(subdomain),
        }
    return told


def _trust(client: Client) -> None:
    party, _ = RelyingParty.objects.update_or_create(
        identifier=relying_party_id(client.subdomain),
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
    make_credential(RelyingPartySecret, relying_party_secret(client.subdomain), relying_party=party)


def _password() -> str:
    return readable(f"password of {USERNAME}")
