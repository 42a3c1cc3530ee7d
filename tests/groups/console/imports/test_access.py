"""Who may import agents."""

import pytest
from django.urls import reverse

from groups.models import AgentImport
from tests import factories
from tests.groups.console.imports.uploaded import GOOD, last

pytestmark = pytest.mark.django_db

PAGES = [
    ("agent_import", "get"),
    ("agent_import_template", "get"),
    ("agent_roster", "get"),
    ("agent_import_page", "get"),
    ("agent_import_report", "get"),
    ("agent_import_check", "post"),
    ("agent_import_apply", "post"),
    ("agent_import_codes", "post"),
]


@pytest.fixture(params=PAGES, ids=[name for name, _ in PAGES])
def each_page(request, group, upload):
    """Each page of an import that was applied; its address and method."""
    upload(GOOD)
    AgentImport.objects.update(state="applied")
    name, method = request.param
    named = [] if name in ("agent_import", "agent_import_template", "agent_roster") else [last().pk]
    return reverse(name, args=[group.pk, *named]), method


@pytest.mark.parametrize("role", ["owner", "manager"])
def test_owner_and_manager_may(request, role, each_page, visit_as):
    url, method = each_page

    response = getattr(visit_as(request.getfixturevalue(role)), method)(url)

    assert response.status_code in (200, 303)


def test_auditor_may_not(auditor, each_page, visit_as):
    url, method = each_page

    assert getattr(visit_as(auditor), method)(url).status_code == 403


def test_foreign_group_is_missing(stranger, each_page, visit_as):
    url, method = each_page

    assert getattr(visit_as(stranger), method)(url).status_code == 404


def test_import_of_another_group_is_missing(owner, other_group, each_page, group, visit_as):
    url, method = each_page
    factories.MembershipFactory(administrator=owner, group=other_group)
    foreign = url.replace(f"/groups/{group.pk}/", f"/groups/{other_group.pk}/")

    status = getattr(visit_as(owner), method)(foreign).status_code

    assert status == (404 if "/imports/" in url else 200)


def test_nobody_is_sent_to_sign_in(client, each_page):
    url, method = each_page

    assert getattr(client, method)(url)["Location"].startswith("/accounts/login/")


@pytest.mark.parametrize("number", ["0", "999999999999999999"])
def test_unknown_import_is_missing(as_owner, address, number):
    assert as_owner.get(address(f"imports/{number}/")).status_code == 404
