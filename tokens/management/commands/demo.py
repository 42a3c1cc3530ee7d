"""`manage.py demo`: the demo world, for `make run`, scripts and tests."""

from typing import Any

from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value, yield_hotp_counters_from_time
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from groups.models import Group
from tokens import demo_world as world
from tokens.demo_world import bus, native, parties, people, signing, workbench
from tokens.demo_world.derived import relying_party_id, relying_party_secret, secret
from tokens.models import PlatformKey


class Command(BaseCommand):
    help = "Build or restore the demo world. In demo mode only, and never beside real data."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--env", action="store_true", help="only print its names and secrets, as NAME=value lines"
        )
        parser.add_argument(
            "--code", action="store_true", help="only print the second-factor codes of this moment"
        )

    def handle(self, *, env: bool, code: bool, **_: Any) -> None:
        if not settings.DEMO:
            raise CommandError("This is not the demo: DEMO is off.")
        if env:
            self.stdout.write("\n".join(f"{name}={value}" for name, value in environment().items()))
        elif code:
            self._print_codes()
        else:
            if Group.objects.exclude(pk__in=world.GROUPS).exists():
                raise CommandError("There are groups here that are not the demo's. Nothing was changed.")
            world.build()

    def _print_codes(self) -> None:
        counter = next(yield_hotp_counters_from_time())
        for person in (world.ADMIN, world.MANAGER, world.AUDITOR, world.OPERATOR):
            self.stdout.write(f"{person.name:28}{format_hotp_value(hotp_value(person.totp_secret, counter))}")


def environment() -> dict[str, Any]:
    """The demo world's addresses, names and secrets, by the names that scripts and tests know them by."""
    crm = f"http://localhost:{settings.PORT + 1}"
    return {
        "PORTAL_URL": settings.PORTAL_URL,
        "GROUP_ID": world.GROUP,
        "OTHER_GROUP_ID": world.OTHER_GROUP,
        "CUSTOMER_ACCOUNT_CODE": "northwind",
        "OTHER_CUSTOMER_ACCOUNT_CODE": "southgate",
        "CLIENT_SUBDOMAIN": "demoaws",
        "CLIENT_SUBDOMAIN_2": "sandboxdemo",
        "CLIENT_UNLINKED": world.UNLINKED,
        "CLIENT_PAUSED": world.PAUSED,
        **_person("AGENT", world.AGENT),
        "AGENT_EMAIL": world.AGENT.email,
        **_person("AGENT2", world.AGENT2),
        **_person("LOCK_AGENT", world.LOCK_AGENT),
        **_person("LOCKED_AGENT", world.LOCKED_AGENT),
        **_person("DISABLED_AGENT", world.DISABLED_AGENT),
        **_person("ENDED_AGENT", world.ENDED_AGENT),
        **_person("OTHER_GROUP_AGENT", world.OTHER_GROUP_AGENT),
        **_administrator("ADMIN", world.ADMIN),
        **_administrator("MANAGER", world.MANAGER),
        **_administrator("AUDITOR", world.AUDITOR),
        **_administrator("OPERATOR", world.OPERATOR),
        "SESSION_COOKIE": settings.AGENT_COOKIE_NAME,
        "STICKY_SSO_URL": f"{settings.PORTAL_URL}/api/sso",
        "STICKY_HOST": f"demoaws.{settings.CLIENT_DOMAIN}:{settings.PORT}",
        "PLATFORM_KEY": secret(f"platform key of {world.GROUP}", PlatformKey.PREFIX),
        "PLATFORM_KEY_OTHER": secret(f"platform key of {world.OTHER_GROUP}", PlatformKey.PREFIX),
        "DEPARTMENT_ID": 1,
        "DEPARTMENT_ID_OTHER": 7,
        "CAMPAIGN_IDS": "1,2,3",
        "DID": next(iter(world.NUMBERS)),
        "REDEEM_URL": f"{settings.PORTAL_URL}/api/v1/tokens/redeem",
        "REDEEM_ID": relying_party_id("demoaws"),
        "REDEEM_SECRET": relying_party_secret("demoaws"),
        "REDEEM2_ID": relying_party_id("sandboxdemo"),
        "REDEEM2_SECRET": relying_party_secret("sandboxdemo"),
        "REDEEM_BASE": crm,
        "CRM_HOST_TEMPLATE": "{client}.localhost",
        "CRM_CLIENTS": ",".join(
            f"{name}:{relying_party_id(name)}:{relying_party_secret(name)}" for name in world.CLIENTS
        ),
        **parties.values(),
        **people.values(),
        **workbench.values(),
        **signing.values(),
        **native.values(),
        **bus.values(world.GROUP),
    }


def _person(name: str, person: world.Person) -> dict[str, str]:
    return {f"{name}_USERNAME": person.name, f"{name}_PASSWORD": person.password}


def _administrator(name: str, person: world.Person) -> dict[str, str]:
    return {
        f"{name}_EMAIL": person.name,
        f"{name}_PASSWORD": person.password,
        f"{name}_TOTP_SECRET": person.totp_secret,
    }
