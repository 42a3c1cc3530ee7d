"""The demo's client companies' own people, where in their CRMs they may go, and the credential of a billing system."""

from dataclasses import dataclass

from groups.models import Client, ClientPerson, Destination
from tokens.demo_world.derived import derived, secret
from tokens.demo_world.making import HERE, HERE_NOTE, make_credential
from tokens.models import ApiCredential, CredentialAddress

BLOCKED = "quietharbor"  # its sign-ins are paused
SERVICE_ID = 417


@dataclass(frozen=True)
class Staff:
    """Somebody of a client company."""

    subdomain: str
    email: str
    full_name: str
    is_owner: bool = False
    is_active: bool = True


OWNER = Staff("demoaws", "rosa.delgado@demoaws.example", "Rosa Delgado", is_owner=True)
USER = Staff("demoaws", "henry.okafor@demoaws.example", "Henry Okafor")
FORMER = Staff("demoaws", "tomasz.zielinski@demoaws.example", "Tomasz Zielinski", is_active=False)
OTHER_USER = Staff("sandboxdemo", "ingrid.solberg@sandboxdemo.example", "Ingrid Solberg", is_owner=True)
BLOCKED_OWNER = Staff(BLOCKED, "yusuf.demir@quietharbor.example", "Yusuf Demir", is_owner=True)
STAFF = (OWNER, USER, FORMER, OTHER_USER, BLOCKED_OWNER)
DESTINATIONS = {
    "demoaws": {
        "clientarea:profile": "account/profile",
        "clientarea:invoices": "billing/invoices",
        "clientarea:tickets": "support/tickets",
        "clientarea:submit_ticket": "support/tickets/new",
        "clientarea:services": "services",
        "clientarea:product_details": "services/{service_id}",
        "clientarea:domain_details": "domains/{domain_id}",
        "desk:monthly_report": "reports?period=month",
    },
    "sandboxdemo": {"clientarea:invoices": "invoices"},
}


def build(clients: dict[str, Client]) -> None:
    """Make the people, their destinations and the credential, or restore every row of them."""
    ClientPerson.objects.filter(client__in=clients.values()).update(
        is_owner=False
    )  # a client has one at most
    for staff in STAFF:
        ClientPerson.objects.update_or_create(
            client=clients[staff.subdomain],
            email=staff.email,
            defaults={
                "full_name": staff.full_name,
                "is_owner": staff.is_owner,
                "is_active": staff.is_active,
            },
        )
    for subdomain, paths in DESTINATIONS.items():
        for name, path in paths.items():
            Destination.objects.update_or_create(
                client=clients[subdomain], name=name, defaults={"path": path}
            )
    _let_ask([clients[OWNER.subdomain], clients[BLOCKED]])


def values() -> dict[str, object]:
    """Their numbers, and the credential."""
    return {
        "CLIENT_ID": _client_id(OWNER.subdomain),
        "USER_ID": _person_id(USER),
        "OTHER_USER_ID": _person_id(OTHER_USER),
        "BLOCKED_CLIENT_ID": _client_id(BLOCKED),
        "SERVICE_ID": SERVICE_ID,
        "WHMCS_IDENTIFIER": identifier(),
        "WHMCS_SECRET": _secret(),
    }


def identifier() -> str:
    """The public half of the credential."""
    return f"wi_{derived('identifier of the billing system').hex()[:32]}"


def _secret() -> str:
    return secret("secret of the billing system", ApiCredential.PREFIX)


def _let_ask(clients: list[Client]) -> None:
    """The credential of demoaws' billing system: for these clients, from this machine."""
    row = make_credential(ApiCredential, _secret(), identifier=identifier(), name="Billing")
    row.clients.set(clients)
    row.addresses.exclude(network=HERE).delete()
    CredentialAddress.objects.get_or_create(credential=row, network=HERE, defaults={"note": HERE_NOTE})


def _client_id(subdomain: str) -> int | str:
    return Client.objects.filter(subdomain=subdomain).values_list("pk", flat=True).first() or ""


def _person_id(staff: Staff) -> int | str:
    people = ClientPerson.objects.filter(client__subdomain=staff.subdomain, email=staff.email)
    return people.values_list("pk", flat=True).first() or ""
