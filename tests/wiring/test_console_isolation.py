"""A guard over the console: every address of a group, with rows that are really there, as everybody it is not for."""

import re
from datetime import timedelta

import pytest
from django.conf import settings
from django.test import Client as Browser
from django.utils import timezone

from accounts.models import Event
from groups.models import AgentImport, Invitation, NumberImport
from sso_portal.lib.secrets import digest_of, new_secret
from tests import factories
from tests.wiring.addresses import every_named_address, variable_parts

pytestmark = pytest.mark.django_db

SECRET_NAME = "Northwind Unmistakable"
UPLOAD = 7701
PART = re.compile(r"%\((\w+)\)s")
# Addresses that an auditor may POST to: nothing is changed there.
HARMLESS_POSTS: set[str] = set()


@pytest.fixture
def northwind(group, entitlement, agent):
    """A group whose every row says so, in words that nobody outside may come to read."""
    group.name = SECRET_NAME
    group.save()
    agent.full_name = f"{SECRET_NAME} agent"
    agent.save()
    return group


@pytest.fixture
def rows(northwind, agent, owner, client_company):
    """One row of each kind, by the name of the address part that leads to it."""
    membership = owner.memberships.get()
    number = factories.DialledNumberFactory(
        group=northwind, client=client_company, note=f"{SECRET_NAME} number"
    )
    invitation = Invitation.objects.create(
        group=northwind,
        email="new@unmistakable.example",
        role="manager",
        digest=digest_of(new_secret()),
        invited_by="administrator:x@y.example",
        expires_at=timezone.now() + timedelta(days=7),
    )
    # Both kinds of import have one number here, for both are `import_id` in addresses.
    told = {"pk": UPLOAD, "group": northwind, "file_name": f"{SECRET_NAME}.csv", "uploaded_by": "x"}
    AgentImport.objects.create(kind="agents", content=b"username", **told)
    NumberImport.objects.create(rows=[[2, "+18005550999", "", "demoaws", None, None]], **told)
    Event.objects.create(
        reference="K7QF-3M2P-X8TA", door="agents", actor=f"agent:{agent.subject}", action="login.issue",outcome="ok",
        group_id=northwind.pk, agent=agent.subject, client="demoaws", details={"note": SECRET_NAME},
    )  # fmt: skip
    # Likewise both kinds of key, which are `key_id` in addresses.
    factories.ApiKeyFactory(pk=UPLOAD, group=northwind, name=f"{SECRET_NAME} key")
    return {
        "subject": agent.subject,
        "subdomain": client_company.subdomain,
        "reference": "K7QF-3M2P-X8TA",
        "member_id": membership.pk,
        "invitation_id": invitation.pk,
        "import_id": UPLOAD,
        "number_id": number.pk,
        "key_id": factories.PlatformKeyFactory(pk=UPLOAD, group=northwind, name=f"{SECRET_NAME} key").pk,
        "rule_id": factories.AddressRuleFactory(group=northwind, note=f"{SECRET_NAME} rule").pk,
        "bus_address_id": factories.BusAddressFactory(
            group=northwind, address="https://unmistakable.example"
        ).pk,
        "act": "disable",
        "section": "group",
        "digest": "0" * 16,
        "form": "csv",
    }


def addresses_of(group, rows) -> list[tuple[str, str]]:
    """Every address of this group's console, leading to these rows, with the name of each."""
    of_group = f"/groups/{group.pk}/"
    return [
        (name, address)
        for name, address in every_named_address(group_id=group.pk, **rows)
        if address.startswith(of_group)
    ]


def as_agent(group) -> Browser:
    browser, secret = Browser(HTTP_HOST="localhost:8000"), new_secret()
    factories.AgentSessionFactory(secret=secret, agent=factories.AgentFactory(group=group))
    browser.cookies[settings.AGENT_COOKIE_NAME] = secret
    return browser


def ask(browser, address, method, *, fragment=False):
    headers = {"HX-Request": "true", "X-Live": "1"} if fragment else {}
    return getattr(browser, method)(address, headers=headers)


def body_of(answer) -> bytes:
    return b"".join(answer.streaming_content) if answer.streaming else answer.content


def test_walk_finds_every_page_that_the_issue_names(northwind, rows):
    names = {name for name, _ in addresses_of(northwind, rows)}

    assert {
        "group",
        "agents",
        "agent",
        "agent_import",
        "group_clients",
        "integration",
        "keys",
        "activity",
    } <= names
    assert {"administrators", "group_settings", "agents_export", "dialled_numbers"} <= names


def test_rows_are_known_for_every_variable_part(northwind, rows):
    """Or the walk would ask for rows that are not there, and find them missing for everybody."""
    parts = {part for name, _ in addresses_of(northwind, rows) for part in variable_parts(name)}

    assert parts - {"group_id"} <= set(rows)


def test_owner_opens_every_page(northwind, rows, owner, visit_as):
    """The rows are right: what is missing for others below is there."""
    browser = visit_as(owner)
    for name, address in addresses_of(northwind, rows):
        answer = browser.get(address)
        assert answer.status_code in (200, 204, 302, 303, 405), (name, address, answer.status_code)


@pytest.mark.parametrize("fragment", [False, True])
@pytest.mark.parametrize("method", ["get", "post"])
def test_group_is_missing_for_the_owner_of_another(northwind, rows, stranger, visit_as, method, fragment):
    browser = visit_as(stranger)
    for name, address in addresses_of(northwind, rows):
        answer = ask(browser, address, method, fragment=fragment)
        assert answer.status_code in (404, 405), (name, address, answer.status_code)
        assert b"nmistakable" not in body_of(answer), address


@pytest.mark.parametrize("method", ["get", "post"])
def test_rows_are_missing_in_another_group(northwind, rows, other_group, stranger, visit_as, method):
    """One's own group in the address, a foreign row behind it."""
    browser = visit_as(stranger)
    everyones = {"act", "section", "digest", "form", "reference"}
    foreign = {part: value for part, value in rows.items() if part not in everyones}
    for name, address in addresses_of(other_group, rows):
        answer = ask(browser, address, method)
        leads_to_a_row = any(
            f"/{value}/" in address.removeprefix(f"/groups/{other_group.pk}") for value in foreign.values()
        )
        assert answer.status_code in ((404, 405) if leads_to_a_row else range(200, 500)), (name, address)
        assert b"nmistakable" not in body_of(answer), (name, address)


@pytest.mark.parametrize("fragment", [False, True])
@pytest.mark.parametrize("method", ["get", "post"])
def test_nobody_and_agents_are_sent_to_the_main_door(northwind, rows, group, method, fragment):
    for browser in (Browser(HTTP_HOST="localhost:8000"), as_agent(group)):
        for name, address in addresses_of(northwind, rows):
            answer = ask(browser, address, method, fragment=fragment)
            where = answer.headers.get("Location", "") or answer.headers.get("HX-Redirect", "")
            assert where.startswith("/accounts/login/"), (name, address, answer.status_code)


def test_auditor_sees_and_changes_nothing(northwind, rows, auditor, visit_as):
    browser, before = visit_as(auditor), fingerprint()
    for name, address in addresses_of(northwind, rows):
        assert browser.get(address).status_code in (200, 204, 302, 303, 403, 405), (name, address)
        if name not in HARMLESS_POSTS:
            assert browser.post(address).status_code in (403, 405), (name, address)
    assert fingerprint() == before


OWNERS_ALONE = re.compile(r"^/groups/\d+/(keys|bus|administrators|settings)/.+")


def test_manager_changes_no_key_no_administrator_and_no_setting(northwind, rows, manager, visit_as):
    browser = visit_as(manager)
    for name, address in addresses_of(northwind, rows):
        assert browser.get(address).status_code in (200, 204, 302, 303, 403, 405), (name, address)
        if OWNERS_ALONE.match(address):
            assert browser.post(address).status_code in (403, 405), (name, address)


def test_missing_role_gets_a_page(northwind, auditor, visit_as):
    answer = visit_as(auditor).get(f"/groups/{northwind.pk}/agents/new/")

    assert answer.status_code == 403
    assert "Your role in this group does not allow this" in answer.content.decode()


@pytest.mark.parametrize("what", ["agents", "activity"])
def test_exports_hold_ones_own_group_alone(northwind, rows, other_group, stranger, visit_as, what):
    answer = visit_as(stranger).get(f"/groups/{other_group.pk}/{what}/export/")

    assert answer.status_code == 200
    assert b"nmistakable" not in body_of(answer)


@pytest.mark.parametrize(
    ("where", "query"),
    [
        ("agents", "q=Unmistakable"),
        ("agents", "client=demoaws"),
        ("activity", "q=alice"),
        ("activity", "q=K7QF-3M2P-X8TA"),
        ("clients/numbers", "q=1800555"),
        ("integration/simulate", "username=alice&client=demoaws"),
    ],
)
def test_searches_find_ones_own_group_alone(northwind, rows, other_group, stranger, visit_as, where, query):
    for headers in ({}, {"HX-Request": "true"}):
        answer = visit_as(stranger).get(f"/groups/{other_group.pk}/{where}/?{query}", headers=headers)
        assert answer.status_code == 200
        assert b"nmistakable" not in answer.content.replace(b"q=Unmistakable", b"").replace(
            b'"Unmistakable"', b""
        )


def test_reference_of_a_foreign_group_is_missing(northwind, rows, stranger, visit_as):
    assert visit_as(stranger).get("/refused/K7QF-3M2P-X8TA/").status_code == 404


def fingerprint() -> list[object]:
    """What a console could change, as it is now."""
    from django.apps import apps

    kept = [model for app in ("groups", "tokens") for model in apps.get_app_config(app).get_models()]
    return [
        list(model._default_manager.order_by("pk").values()) for model in kept if model.__name__ != "HalfHour"
    ]
