"""Who may open a page of a group's console."""

import pytest
from django.http import HttpResponse
from django.urls import include, path, re_path

from accounts.models import Event
from groups.console.access import group_page
from groups.models import Permission

pytestmark = [pytest.mark.django_db, pytest.mark.urls(__name__)]


@group_page(Permission.MANAGE_KEYS)
def managing(request, membership):
    return HttpResponse(f"keys of {membership.group.code}")


@group_page(fresh=True)
def sensitive(request, membership):
    return HttpResponse("exported")


urlpatterns = [
    re_path(r"^groups/(?P<group_id>[0-9]{1,9})/managing/$", managing),
    re_path(r"^groups/(?P<group_id>[0-9]{1,9})/sensitive/$", sensitive),
    path("", include("sso_portal.urls")),
]
handler403 = "sso_portal.views.forbidden"
handler404 = "sso_portal.views.not_found"


def test_owner_may(owner, group, visit_as):
    assert visit_as(owner).get(f"/groups/{group.pk}/managing/").content == b"keys of northwind"


@pytest.mark.parametrize("role", ["manager", "auditor"])
def test_missing_role_is_refused_on_a_page_and_recorded(request, role, group, visit_as):
    administrator = request.getfixturevalue(role)

    response = visit_as(administrator).get(f"/groups/{group.pk}/managing/")

    assert response.status_code == 403
    assert "Your role in this group does not allow this" in response.content.decode()
    event = Event.objects.get(action="console.managing")
    assert (event.outcome, event.reason, event.group_id) == ("refused", "role_missing", group.pk)
    assert event.actor == f"administrator:{administrator.email}"


def test_foreign_group_is_missing(stranger, group, visit_as):
    assert visit_as(stranger).get(f"/groups/{group.pk}/managing/").status_code == 404


def test_nobody_is_sent_to_the_main_door(group, client):
    response = client.get(f"/groups/{group.pk}/managing/")

    assert response.status_code == 302
    assert response["Location"].startswith("/accounts/login/?next=")


def test_fresh_second_factor_opens_a_sensitive_page(auditor, group, visit_as):
    assert visit_as(auditor, ago=299).get(f"/groups/{group.pk}/sensitive/").content == b"exported"


def test_old_second_factor_is_asked_for_again(owner, group, visit_as):
    response = visit_as(owner, ago=301).get(f"/groups/{group.pk}/sensitive/?all=1")

    assert response.status_code == 303
    assert (
        response["Location"]
        == f"/accounts/2fa/reauthenticate/?next=%2Fgroups%2F{group.pk}%2Fsensitive%2F%3Fall%3D1"
    )


def test_stranger_is_not_even_asked_for_his_second_factor(stranger, group, visit_as):
    assert visit_as(stranger, ago=301).get(f"/groups/{group.pk}/sensitive/").status_code == 404


def test_times_are_the_administrators_own(owner, group, visit_as):
    owner.time_zone = "Asia/Kolkata"
    owner.save()

    assert b"keys" in visit_as(owner).get(f"/groups/{group.pk}/managing/").content


def test_session_that_ended_takes_the_whole_page_along(group, client):
    """htmx would put the sign-in page into the part that it asked for."""
    response = client.get(f"/groups/{group.pk}/managing/", headers={"HX-Request": "true"})

    assert response.status_code == 204
    assert response["HX-Redirect"].startswith("/accounts/login/?next=")
