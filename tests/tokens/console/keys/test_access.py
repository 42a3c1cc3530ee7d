"""Who may look at a group's keys, and who may change them."""

import re

import pytest
from django.utils import timezone

from accounts.models import Event
from tests import factories
from tests.reading import page_of
from tests.tokens.console.keys.reading import another
from tokens.models import PlatformKey

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("role", ["owner", "manager", "auditor"])
def test_page_opens_for_every_role_without_a_fresh_factor(request, role, key, keys_page, visit_as):
    response = visit_as(request.getfixturevalue(role), ago=3000).get(keys_page)

    assert response.status_code == 200
    assert "Dialer" in page_of(response)


@pytest.mark.parametrize("role", ["manager", "auditor"])
def test_page_offers_no_change_to_those_who_may_not(request, role, key, keys_page, visit_as):
    factories.AddressRuleFactory(group=key.group)

    content = visit_as(request.getfixturevalue(role)).get(keys_page).content.decode()

    assert not re.findall(rf'href="{keys_page}(?:new|addresses|\d)', content)


PATHS = ["new/", "{key}/rotate/", "{key}/end/", "{key}/revoke/", "addresses/new/", "addresses/{rule}/remove/"]

PATHS += ["api/new/", "api/{api_key}/rotate/", "api/{api_key}/end/", "api/{api_key}/revoke/"]


@pytest.fixture(params=PATHS)
def change(request, key, keys_page):
    """The address of a page that changes something."""
    rule = factories.AddressRuleFactory(group=key.group)
    api_key = factories.ApiKeyFactory(group=key.group)
    return keys_page + request.param.format(key=key.pk, rule=rule.pk, api_key=api_key.pk)


@pytest.mark.parametrize("method", ["get", "post"])
@pytest.mark.parametrize("role", ["manager", "auditor"])
def test_change_is_refused_without_the_role(request, method, role, change, visit_as):
    assert getattr(visit_as(request.getfixturevalue(role)), method)(change).status_code == 403
    assert Event.objects.get().reason == "role_missing"


@pytest.mark.parametrize("method", ["get", "post"])
def test_change_is_missing_for_a_stranger(method, change, stranger, visit_as):
    assert getattr(visit_as(stranger), method)(change).status_code == 404


@pytest.mark.parametrize("method", ["get", "post"])
def test_change_asks_for_the_second_factor_again(method, change, owner, visit_as):
    response = getattr(visit_as(owner, ago=301), method)(change)

    assert response.status_code == 303
    assert response["Location"].startswith("/accounts/2fa/reauthenticate/")
    assert (PlatformKey.objects.live().count(), Event.objects.count()) == (1, 0)


def test_change_opens_for_the_owner(change, as_owner):
    assert as_owner.get(change).status_code == 200


@pytest.mark.parametrize("act", ["rotate", "end", "revoke"])
@pytest.mark.parametrize("method", ["get", "post"])
def test_key_of_another_group_is_missing(act, method, other_group, keys_page, as_owner):
    foreign = another(other_group)

    assert getattr(as_owner, method)(f"{keys_page}{foreign.pk}/{act}/", {"after": "0"}).status_code == 404
    assert foreign in PlatformKey.objects.live()


@pytest.mark.parametrize("act", ["rotate", "end", "revoke"])
def test_key_that_is_over_is_missing(act, key, keys_page, as_owner):
    PlatformKey.objects.update(revoked_at=timezone.now())

    assert as_owner.get(f"{keys_page}{key.pk}/{act}/").status_code == 404


def test_number_that_no_database_holds_is_missing(keys_page, as_owner):
    assert as_owner.get(f"{keys_page}{'9' * 18}/end/").status_code == 404
    assert as_owner.get(f"{keys_page}{'9' * 19}/end/").status_code == 404
