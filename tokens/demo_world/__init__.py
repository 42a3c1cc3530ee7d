"""The demo world: two call centers, four clients, and people with every standing. Built by `manage.py demo`."""

import base64
import random
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from allauth.mfa.models import Authenticator
from django.conf import settings
from django.contrib.auth.hashers import make_password
from django.core.management.color import no_style
from django.db import connection, transaction
from django.db.models.functions import Now
from django.utils import timezone

from accounts.models import Administrator, Attempt, Event
from groups.models import (
    Agent,
    AgentSession,
    AgentStatus,
    Client,
    DialledNumber,
    Entitlement,
    Group,
    HandOff,
    Membership,
    Role,
)
from sso_portal.lib.encryption import encrypt
from sso_portal.lib.secrets import digest_of, new_secret
from sso_portal.lib.text import canonical_name
from tokens.demo_world import bus, history, native, parties, people, signing, workbench
from tokens.demo_world.derived import derived, readable, relying_party_id, relying_party_secret, secret
from tokens.demo_world.making import let_call_from_here, make_client, make_credential
from tokens.models import PlatformKey, RelyingParty, RelyingPartySecret

GROUP, OTHER_GROUP = 21, 22
GROUPS = (GROUP, OTHER_GROUP, native.GROUP, workbench.GROUP)
TIME_ZONE = "America/New_York"
FILLERS = 243  # agents of group 21 beside the named ones
FIRST_NAMES = [
    "Amara",
    "Aoife",
    "Bilal",
    "Bruno",
    "Carla",
    "Chidi",
    "Dana",
    "Diego",
    "Elif",
    "Emil",
    "Farah",
    "Felix",
    "Greta",
    "Hana",
    "Ivo",
    "Jana",
    "Kofi",
    "Lea",
    "Mara",
    "Nils",
]
LAST_NAMES = [
    "Adeyemi",
    "Bauer",
    "Costa",
    "Dubois",
    "Eriksen",
    "Fischer",
    "Garcia",
    "Haddad",
    "Ito",
    "Jensen",
    "Kowalski",
    "Lopez",
    "Mensah",
]


@dataclass(frozen=True)
class Person:
    """Somebody with a name to sign in by, and a password derived from SECRET_KEY."""

    name: str
    full_name: str
    email: str = ""

    @property
    def password(self) -> str:
        return readable(f"password of {self.name}")

    @property
    def totp_secret(self) -> str:
        return base64.b32encode(derived(f"totp of {self.name}")[:20]).decode()


AGENT = Person("amara.chen", "Amara Chen", "amara.chen@northwind.example")
AGENT2 = Person("jonas.weber", "Jonas Weber")
LOCK_AGENT = Person("lena.osei", "Lena Osei")
LOCKED_AGENT = Person("marco.silva", "Marco Silva")
DISABLED_AGENT = Person("dora.nagy", "Dora Nagy")
ENDED_AGENT = Person("tom.fields", "Tom Fields")
OTHER_GROUP_AGENT = Person("sara.lind", "Sara Lind")
ADMIN = Person("admin@portal.example", "Maya Brandt")
MANAGER = Person("manager@portal.example", "Priya Nair")
AUDITOR = Person("auditor@portal.example", "Otto Lang")
OPERATOR = Person("operator@portal.example", "Ines Moreau")

CLIENTS = {  # subdomain: name, hand-off, departments, campaigns
    "demoaws": (
        "Demo AWS",
        HandOff.REDIRECT,
        {1: "Customer care"},
        {1: "Spring billing", 2: "Retention", 3: "Card activation"},
    ),
    "sandboxdemo": (
        "Sandbox Demo",
        HandOff.REDIRECT,
        {1: "Service desk"},
        {1: "Welcome calls", 2: "Renewals"},
    ),
    "acme": ("Acme Industries", HandOff.FORM_POST, {7: "Field service"}, {70: "Recall"}),
    "quietharbor": ("Quiet Harbor", HandOff.REDIRECT, {1: "Claims"}, {1: "Storm season"}),
}
NUMBERS = {  # of group 21: the client that it leads to, the campaign, a note
    "+18005550101": ("demoaws", 1, "printed on the bill"),
    "+18005550102": ("sandboxdemo", None, "web site"),
    "+442071838750": ("demoaws", 2, "London"),
    "+34911234567": ("quietharbor", None, ""),
}
LINKED, UNLINKED, PAUSED = ("demoaws", "sandboxdemo", "quietharbor"), "acme", "quietharbor"


# Where the demo CRM is told of log-outs, whichever client's; by number, for not every machine knows *.localhost.
LOGGED_OUT_URL = "http://127.0.0.1:{port}/sso/logged-out"


@transaction.atomic
def build() -> None:
    """Make the demo world, or restore every row of it."""
    northwind = _group(GROUP, "northwind", "Northwind Collections")
    southgate = _group(OTHER_GROUP, "southgate", "Southgate Services")
    clients = {subdomain: _client(subdomain) for subdomain in CLIENTS}
    _entitle(northwind, [clients[subdomain] for subdomain in LINKED])
    _entitle(southgate, [clients[UNLINKED]])
    _let_numbers_lead(northwind, clients)
    _people(northwind, southgate)
    _machines(northwind, southgate, clients)
    parties.build(clients)
    people.build(clients)
    signing.build()
    bus.build(northwind)
    _agents(northwind, southgate)
    workbench.build()
    native.build(northwind)
    with connection.cursor() as cursor:  # their numbers were chosen: the next group's number comes after them
        for statement in connection.ops.sequence_reset_sql(no_style(), [Group]):
            cursor.execute(statement)
    if not Event.objects.filter(group_id=GROUP).exists():
        _sign_some_in(northwind)
        history.tell(
            northwind,
            clients=LINKED[:2],
            relying_parties={subdomain: relying_party_id(subdomain) for subdomain in CLIENTS},
        )


def _group(number: int, code: str, name: str) -> Group:
    group, _ = Group.objects.update_or_create(
        pk=number,
        defaults={
            "code": code,
            "name": name,
            "is_active": True,
            "time_zone": TIME_ZONE,
            "idle_minutes": 30,
            "longest_session_hours": 12,
            "sessions_per_agent": 3,
        },
    )
    return group


def _client(subdomain: str) -> Client:
    name, hand_off, departments, campaigns = CLIENTS[subdomain]
    return make_client(
        subdomain,
        name=name,
        hand_off=hand_off,
        further_origins="",
        is_paused=subdomain == PAUSED,
        departments=departments,
        campaigns=campaigns,
    )


def _entitle(group: Group, clients: list[Client]) -> None:
    group.entitlements.exclude(client__in=clients).delete()
    for client in clients:
        entitlement, _ = Entitlement.objects.get_or_create(group=group, client=client)
        entitlement.departments.clear()
        entitlement.campaigns.clear()


def _let_numbers_lead(group: Group, clients: dict[str, Client]) -> None:
    for number, (subdomain, campaign, note) in NUMBERS.items():
        client = clients[subdomain]
        DialledNumber.objects.update_or_create(
            group=group,
            number=number,
            defaults={
                "client": client,
                "campaign": client.campaigns.filter(number=campaign).first() if campaign else None,
                "note": note,
            },
        )


def _people(northwind: Group, southgate: Group) -> None:
    for person, roles in (
        (ADMIN, {northwind: Role.OWNER, southgate: Role.OWNER}),
        (MANAGER, {northwind: Role.MANAGER}),
        (AUDITOR, {northwind: Role.AUDITOR}),
        (OPERATOR, {}),
    ):
        administrator, _ = Administrator.objects.update_or_create(
            email=person.name,
            defaults={
                "full_name": person.full_name,
                "password": make_password(person.password),
                "is_active": True,
                "is_staff": person is OPERATOR,
                "is_superuser": person is OPERATOR,
            },
        )
        administrator.memberships.exclude(group__in=roles).delete()
        for group, role in roles.items():
            Membership.objects.update_or_create(
                administrator=administrator, group=group, defaults={"role": role}
            )
        Authenticator.objects.update_or_create(
            user=administrator,
            type=Authenticator.Type.TOTP,
            defaults={"data": {"secret": encrypt(person.totp_secret)}},
        )
        Authenticator.objects.get_or_create(
            user=administrator,
            type=Authenticator.Type.RECOVERY_CODES,
            defaults={"data": {"seed": encrypt(derived(f"recovery of {person.name}").hex()), "used_mask": 0}},
        )
        Attempt.objects.clear(door="main", name=person.name)


def _machines(northwind: Group, southgate: Group, clients: dict[str, Client]) -> None:
    for group in (northwind, southgate):
        held = secret(f"platform key of {group.pk}", PlatformKey.PREFIX)
        make_credential(PlatformKey, held, group=group, name="Dialer")
        let_call_from_here(group)
    for subdomain, client in clients.items():
        party, _ = RelyingParty.objects.update_or_create(
            identifier=relying_party_id(subdomain),
            defaults={
                "client": client,
                "name": "CRM",
                "is_active": True,
                "backchannel_logout_uri": LOGGED_OUT_URL.format(port=settings.PORT + 1),
            },
        )
        make_credential(RelyingPartySecret, relying_party_secret(subdomain), relying_party=party)


def _agents(northwind: Group, southgate: Group) -> None:
    yesterday = timezone.now() - timedelta(days=1)
    for group, person, fields in (
        (northwind, AGENT, {"email": AGENT.email}),
        (northwind, AGENT2, {}),
        (northwind, LOCK_AGENT, {}),
        (northwind, LOCKED_AGENT, {}),
        (northwind, DISABLED_AGENT, {"status": AgentStatus.DISABLED}),
        (northwind, ENDED_AGENT, {"ends_at": yesterday}),
        (southgate, OTHER_GROUP_AGENT, {}),
    ):
        usual: dict[str, Any] = {
            "username": person.name,
            "full_name": person.full_name,
            "email": "",
            "password": make_password(person.password),
            "status": AgentStatus.ACTIVE,
            "ends_at": None,
            "must_choose_password": False,
            "activation_digest": "",
            "activation_expires_at": None,
            "all_clients": True,
        }
        Agent.objects.update_or_create(
            group=group, username_key=canonical_name(person.name), defaults=usual | fields
        )
        Attempt.objects.clear(door=group.door, name=canonical_name(person.name))
    Attempt.objects.update_or_create(
        door=northwind.door,
        name=LOCKED_AGENT.name,
        defaults={
            "failures": settings.LOCKOUT_FAILURES,
            "window_ends_at": Now() + settings.LOCKOUT_WINDOW,
            "locked_until": Now() + settings.LOCKOUT_DURATION,
        },
    )
    nobody_knows = make_password(new_secret())
    Agent.objects.bulk_create(
        [_filler(northwind, i, nobody_knows) for i in range(FILLERS)], ignore_conflicts=True
    )


def _filler(group: Group, i: int, password: str) -> Agent:
    first, last = FIRST_NAMES[i % len(FIRST_NAMES)], LAST_NAMES[i // len(FIRST_NAMES)]
    username = f"{first[0]}.{last}{i:03}".lower()
    return Agent(
        group=group,
        username=username,
        username_key=username,
        full_name=f"{first} {last}",
        password="" if i % 20 == 19 else password,
        status=AgentStatus.SUSPENDED if i % 61 == 60 else AgentStatus.ACTIVE,
    )


def _sign_some_in(group: Group) -> None:
    chance = random.Random(21)  # noqa: S311  (made-up activity, the same each time)
    now = timezone.now()
    working = list(group.agents.working().exclude(password="").order_by("pk"))
    for agent in chance.sample(working, 60):
        started = now - timedelta(minutes=chance.randrange(5, 240))
        address = f"203.0.113.{chance.randrange(1, 200)}"
        AgentSession.objects.create(
            digest=digest_of(new_secret()),
            agent=agent,
            methods=["pwd"],
            started_at=started,
            last_seen_at=now - timedelta(seconds=chance.randrange(5, 600)),
            idle_at=now + timedelta(minutes=chance.randrange(20, 30)),
            ends_at=started + timedelta(hours=12),
            address=address,
        )
        Agent.objects.filter(pk=agent.pk).update(last_signed_in_at=started, last_address=address)
