"""The pages of the administrators, and the page that an invitation leads to."""

import re

import pytest
from django.conf import settings
from django.core import mail
from django.test import Client, override_settings
from django.utils import timezone

from accounts.models import Administrator, Event
from groups.models import Invitation, Membership, Role
from tests import factories
from tests.conftest import PORTAL
from tests.groups.test_inviting import CHOSEN, NEWCOMER, secret_in
from tests.reading import page_of

pytestmark = pytest.mark.django_db
HOSTILE = "<script>alert(1)</script>"


@pytest.fixture
def address(group):
    return lambda rest="": f"/groups/{group.pk}/administrators/{rest}"


@pytest.fixture
def invitation(group):
    return factories.InvitationFactory(group=group, email=NEWCOMER, secret="iv_secret")


@pytest.fixture
def inviter(group):
    """The owner who invites; without him an invitation is void."""
    return factories.MembershipFactory(group=group, administrator__email="owner@portal.example")


@pytest.fixture
def link(invitation):
    return "/invitations/iv_secret/"


def pages_of(group, member, invitation):
    """Every page that changes something."""
    return [
        f"/groups/{group.pk}/administrators/{rest}"
        for rest in (
            "invite/",
            f"{member.pk}/role/",
            f"{member.pk}/remove/",
            f"invitations/{invitation.pk}/resend/",
            f"invitations/{invitation.pk}/withdraw/",
        )
    ]


# --- The list ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("who", ["owner", "manager", "auditor"])
def test_every_role_sees_who_looks_after_the_group(request, who, owner, manager, auditor, address, visit_as):
    page = page_of(visit_as(request.getfixturevalue(who)).get(address()))

    assert all(person.email in page for person in (owner, manager, auditor))


def test_list_says_who_has_a_second_factor(as_owner, group, address):
    factories.MembershipFactory(group=group, administrator__full_name="Zoe Zero")

    page = page_of(as_owner.get(address()))

    assert (page.count("> On <"), page.count("> Not yet <")) == (1, 1)


def test_list_shows_open_invitations_alone(as_owner, group, invitation, address):
    factories.InvitationFactory(group=group, email="gone@portal.example", spent_at=timezone.now())
    factories.InvitationFactory(email="foreign@portal.example")
    factories.InvitationFactory(group=group, email="late@portal.example", expires_at=timezone.now())

    page = page_of(as_owner.get(address()))

    assert NEWCOMER in page
    assert "Expired" in page
    assert "gone@" not in page
    assert "foreign@" not in page


def test_only_owners_are_offered_changes(auditor, invitation, address, visit_as):
    page = visit_as(auditor).get(address()).content.decode()

    assert "/remove/" not in page
    assert "invite/" not in page


def test_list_shows_hostile_names_as_text(as_owner, group, address):
    factories.MembershipFactory(group=group, administrator__full_name=HOSTILE)

    assert HOSTILE not in as_owner.get(address()).content.decode()


def test_list_asks_the_database_few_questions(as_owner, group, address, django_assert_max_num_queries):
    factories.MembershipFactory.create_batch(60, group=group)
    factories.InvitationFactory.create_batch(50, group=group)

    with django_assert_max_num_queries(10):
        as_owner.get(address())


def test_strangers_find_nothing(stranger, address, visit_as):
    assert visit_as(stranger).get(address()).status_code == 404


@pytest.mark.parametrize("method", ["get", "post"])
def test_changes_are_not_for_other_roles(method, group, owner, manager, auditor, invitation, visit_as):
    for who in (manager, auditor):
        for page in pages_of(group, owner.memberships.get(), invitation):
            assert getattr(visit_as(who), method)(page).status_code == 403


@pytest.mark.parametrize("method", ["get", "post"])
def test_changes_are_missing_for_strangers(method, group, owner, stranger, invitation, visit_as):
    for page in pages_of(group, owner.memberships.get(), invitation):
        assert getattr(visit_as(stranger), method)(page).status_code == 404


@pytest.mark.parametrize("method", ["get", "post"])
def test_members_and_invitations_of_other_groups_are_missing(method, stranger, as_owner, group):
    foreign = factories.InvitationFactory()
    for page in pages_of(group, stranger.memberships.get(), foreign)[1:]:
        assert getattr(as_owner, method)(page).status_code == 404


@pytest.mark.parametrize("method", ["get", "post"])
def test_changes_ask_for_the_second_factor_again(method, group, owner, manager, invitation, visit_as):
    later = visit_as(owner, ago=301)

    for page in pages_of(group, manager.memberships.get(), invitation):
        assert "/accounts/2fa/reauthenticate/" in getattr(later, method)(page).headers["Location"]
    assert Membership.objects.count() == 2


# --- Inviting ----------------------------------------------------------------------------------------------------


def test_invite_sends_and_says_so(as_owner, address):
    response = as_owner.post(
        address("invite/"), {"email": " Nora@Northwind.example ", "role": "auditor"}, follow=True
    )

    assert response.redirect_chain == [(address(), 303)]
    assert f"The invitation to {NEWCOMER} is on its way." in page_of(response)
    assert (Invitation.objects.get().role, mail.outbox[0].to) == ("auditor", [NEWCOMER])


@pytest.mark.parametrize(
    ("email", "role", "says"),
    [
        ("", "auditor", "required"),
        ("nobody", "auditor", "valid email"),
        ("a@b.example\nBcc: c@d.example", "auditor", "valid email"),
        ("x" * 250 + "@b.example", "auditor", "254"),
        (HOSTILE, "auditor", "valid email"),
        (NEWCOMER, "", "choose a role"),
        (NEWCOMER, "god", "valid choice"),
    ],
)
def test_invite_refuses_what_is_no_address_or_role(as_owner, address, email, role, says):
    response = as_owner.post(address("invite/"), {"email": email, "role": role})

    assert says in page_of(response)
    assert HOSTILE not in response.content.decode()
    assert not Invitation.objects.exists()


def test_invite_says_when_somebody_is_in_already(as_owner, auditor, address):
    response = as_owner.post(address("invite/"), {"email": auditor.email, "role": "owner"})

    assert "looks after the group already" in page_of(response)


def test_invite_says_when_the_mail_server_is_away(as_owner, address):
    with override_settings(EMAIL_BACKEND="tests.groups.test_inviting.BrokenMailServer"):
        response = as_owner.post(address("invite/"), {"email": NEWCOMER, "role": "auditor"})

    assert "The mail could not be sent, so the invitation was not made." in page_of(response)
    assert not Invitation.objects.exists()


def test_invite_keeps_what_was_typed_while_the_second_factor_is_asked(owner, address, visit_as):
    later = visit_as(owner, ago=301)
    later.post(address("invite/"), {"email": NEWCOMER, "role": "manager"})

    fresh = visit_as(owner)
    fresh.cookies = later.cookies
    session = later.session
    session["account_authentication_methods"] = [
        {"method": "mfa", "at": timezone.now().timestamp(), "type": "totp"}
    ]
    session.save()

    assert f'value="{NEWCOMER}"' in page_of(later.get(address("invite/")))


def test_send_again_asks_and_sends(as_owner, invitation, address):
    page = address(f"invitations/{invitation.pk}/resend/")

    assert as_owner.get(page).status_code == 200
    assert not mail.outbox
    assert as_owner.post(page).status_code == 303
    assert mail.outbox[0].to == [NEWCOMER]


def test_withdraw_asks_and_withdraws(as_owner, invitation, address):
    page = address(f"invitations/{invitation.pk}/withdraw/")

    assert as_owner.get(page).status_code == 200
    assert Invitation.objects.exists()
    assert as_owner.post(page).status_code == 303
    assert not Invitation.objects.exists()


# --- Roles, removal ----------------------------------------------------------------------------------------------


def test_role_is_changed(as_owner, auditor, address):
    response = as_owner.post(
        address(f"{auditor.memberships.get().pk}/role/"), {"role": "manager"}, follow=True
    )

    assert "the role is manager now" in page_of(response)
    assert auditor.memberships.get().role == "manager"


def test_role_of_the_last_owner_stays_and_the_page_says_why(as_owner, owner, address):
    response = as_owner.post(address(f"{owner.memberships.get().pk}/role/"), {"role": "auditor"})

    assert "A group needs an owner." in page_of(response)
    assert Event.objects.filter(action="administrator.change_role", reason="last_owner").exists()


def test_removal_asks_first(as_owner, auditor, group, address):
    factories.InvitationFactory(group=group, invited_by=auditor.memberships.get().actor, email="x@y.example")

    response = as_owner.get(address(f"{auditor.memberships.get().pk}/remove/"))

    assert "Remove Ada Admin?" in page_of(response)
    assert "The open invitation to x@y.example is withdrawn." in page_of(response)
    assert auditor.memberships.exists()


def test_removed_administrator_loses_the_group_at_his_next_request(
    as_owner, auditor, group, address, visit_as
):
    his = visit_as(auditor)
    assert his.get(f"/groups/{group.pk}/").status_code == 200

    as_owner.post(address(f"{auditor.memberships.get().pk}/remove/"))

    assert his.get(f"/groups/{group.pk}/").status_code == 404


@pytest.mark.parametrize("method", ["get", "post"])
def test_last_owner_cannot_leave(method, as_owner, owner, address):
    response = getattr(as_owner, method)(address(f"{owner.memberships.get().pk}/remove/"), follow=True)

    assert "A group needs an owner." in page_of(response)
    assert owner.memberships.exists()


def test_owner_leaves_when_another_remains(as_owner, owner, group, address):
    factories.MembershipFactory(group=group)

    response = as_owner.post(address(f"{owner.memberships.get().pk}/remove/"))

    assert response.headers["Location"] == "/groups/"
    assert not owner.memberships.exists()


# --- Following an invitation -------------------------------------------------------------------------------------

ACCOUNT = {"full_name": "Nora New", "new_password": CHOSEN, "repeated": CHOSEN}


def test_link_shows_who_invites_to_what(client, link, group):
    page = page_of(client.get(link))

    assert all(text in page for text in ("Look after Northwind", NEWCOMER, "owner@portal.example", "manager"))


@pytest.mark.parametrize("method", ["get", "head"])
def test_looking_at_the_link_spends_nothing(client, link, method):
    for _ in range(3):
        assert getattr(client, method)(link).status_code == 200

    assert Invitation.objects.get().spent_at is None
    assert not Administrator.objects.exists()


def test_link_leaks_nowhere(client, link):
    response = client.get(link)

    assert response.headers["Cache-Control"] == "no-store"
    assert response.headers["Referrer-Policy"] == "same-origin"
    assert not re.findall(r'(?:src|href|action)="(?:https?:)?//', response.content.decode())


def test_newcomer_is_signed_in_and_must_set_up_a_second_factor(inviter, client, link, group):
    response = client.post(link, ACCOUNT)

    assert response.headers["Location"] == f"/groups/{group.pk}/"
    assert client.get(f"/groups/{group.pk}/").headers["Location"].startswith(("/accounts/2fa/", "/profile/"))
    assert client.get("/accounts/2fa/totp/activate/").status_code == 200


def test_newcomer_gets_a_new_session(inviter, client, link):
    client.get("/accounts/login/")
    before = client.cookies.get(settings.SESSION_COOKIE_NAME)

    client.post(link, ACCOUNT)

    after = client.cookies[settings.SESSION_COOKIE_NAME].value
    assert before is None or before.value != after


def test_newcomers_way_in_is_recorded(inviter, client, link):
    client.post(link, ACCOUNT)

    actions = list(Event.objects.order_by("pk").values_list("action", "actor"))
    assert actions == [
        (action, f"administrator:{NEWCOMER}") for action in ("administrator.join", "administrator.sign_in")
    ]


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"full_name": ""}, "required"),
        ({"full_name": "Eve\u202eliw"}, "cannot be shown"),
        ({"full_name": "x" * 5000}, "at most 200 characters"),
        ({"new_password": "short", "repeated": "short"}, "too short"),
        ({"new_password": "northwind1234", "repeated": "northwind1234"}, "others would guess"),
        ({"repeated": "another password"}, "The two passwords differ"),
    ],
)
def test_newcomer_is_told_what_is_wrong(client, link, changed, says):
    response = client.post(link, ACCOUNT | changed)

    assert says in page_of(response)
    assert not Administrator.objects.exists()
    assert Invitation.objects.get().spent_at is None


def test_newcomers_hostile_name_is_text(inviter, client, link, group):
    client.post(link, ACCOUNT | {"full_name": HOSTILE})

    assert Administrator.objects.get(email=NEWCOMER).full_name == HOSTILE


def test_administrator_is_sent_to_sign_in_first(client, link):
    factories.AdministratorFactory(email=NEWCOMER)

    page = client.get(link).content.decode()

    assert f'href="/accounts/login/?next={link}"' in page
    assert "new_password" not in page


def test_nobody_joins_for_an_administrator_who_is_not_signed_in(client, link):
    factories.AdministratorFactory(email=NEWCOMER)

    client.post(link, ACCOUNT)

    assert not Membership.objects.exists()
    assert Administrator.objects.get().check_password(factories.PASSWORD)


def test_signed_in_administrator_joins_by_a_button(inviter, link, group, visit_as):
    administrator = factories.SecondFactorFactory(user__email=NEWCOMER).user
    as_owner = visit_as(administrator)
    assert "Join the group" in page_of(as_owner.get(link))

    response = as_owner.post(link, follow=True)

    assert response.redirect_chain == [(f"/groups/{group.pk}/", 303)]
    assert "Welcome to Northwind. Your role: manager." in page_of(response)
    assert administrator.memberships.get().role == Role.MANAGER


def test_somebody_else_is_asked_to_sign_out(link, stranger, visit_as):
    as_owner = visit_as(stranger)

    assert "Sign out and come back here" in page_of(as_owner.get(link))
    assert "Sign out and come back here" in page_of(as_owner.post(link, ACCOUNT))
    assert not Administrator.objects.filter(email=NEWCOMER).exists()


def test_sign_out_comes_back_to_the_invitation(link, stranger, visit_as):
    response = visit_as(stranger).post("/accounts/logout/", {"next": link})

    assert response.headers["Location"] == link


def test_member_keeps_his_role_and_is_told(inviter, group, auditor, visit_as):
    factories.InvitationFactory(group=group, email=auditor.email, role="owner", secret="iv_secret")

    response = visit_as(auditor).post("/invitations/iv_secret/", follow=True)

    assert "your role is still auditor" in page_of(response)
    assert auditor.memberships.get().role == "auditor"


@pytest.mark.parametrize("state", ["spent", "expired", "withdrawn", "unknown"])
@pytest.mark.parametrize("method", ["get", "post"])
def test_every_invalid_link_meets_the_same_page(client, link, invitation, state, method):
    if state == "spent":
        Invitation.objects.update(spent_at=timezone.now())
    elif state == "expired":
        Invitation.objects.update(expires_at=timezone.now())
    elif state == "withdrawn":
        Invitation.objects.all().delete()

    response = getattr(client, method)("/invitations/iv_unknown/" if state == "unknown" else link)

    assert response.status_code == 404
    assert "This invitation is no longer valid" in page_of(response)
    assert "Northwind" not in page_of(response)


@pytest.mark.parametrize("secret", ["x", "%F0%9F%98%80", "x" * 100, "..%2f"])
def test_any_other_link_meets_that_page_too(client, secret):
    assert client.get(f"/invitations/{secret}/").status_code == 404


def test_whole_way_from_the_mail_to_the_group(as_owner, address, group):
    as_owner.post(address("invite/"), {"email": NEWCOMER, "role": "owner"})
    newcomer = Client(HTTP_HOST=PORTAL)

    newcomer.post(f"/invitations/{secret_in(mail.outbox[0])}/", ACCOUNT)

    assert Membership.objects.get(administrator__email=NEWCOMER).role == "owner"
