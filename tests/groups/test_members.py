"""Changing roles and taking administrators out of a group; the last owner stays."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection

from accounts.models import Event
from groups.members import change_role, remove
from groups.models import Invitation, Membership, Role
from sso_portal.lib.refusals import Refused
from tests import factories

pytestmark = pytest.mark.django_db


@pytest.fixture
def membership(owner):
    return owner.memberships.get()


@pytest.fixture
def other_owner(group):
    return factories.MembershipFactory(group=group, role=Role.OWNER)


def refusal_of(act, *args, **kwargs) -> str:
    """The code of the refusal; "" when there was none."""
    try:
        act(*args, **kwargs)
    except Refused as refused:
        return refused.refusal.code
    return ""


def test_change_of_role_is_kept_and_recorded(membership, auditor, caller):
    change_role(auditor.memberships.get(), Role.MANAGER, by=membership, caller=caller)

    event = Event.objects.get(action="administrator.change_role")
    assert auditor.memberships.get().role == Role.MANAGER
    assert event.details == {
        "email": auditor.email,
        "role": ["auditor", "manager"],
        "invitations_withdrawn": 0,
    }
    assert (event.actor, event.group_id) == (membership.actor, membership.group_id)


def test_same_role_again_is_no_event(membership, auditor, caller):
    change_role(auditor.memberships.get(), Role.AUDITOR, by=membership, caller=caller)

    assert not Event.objects.exists()


def test_removal_is_kept_and_recorded(membership, auditor, caller):
    remove(auditor.memberships.get(), by=membership, caller=caller)

    assert not auditor.memberships.exists()
    assert Event.objects.get().action == "administrator.remove"


def test_last_owner_cannot_leave(membership, caller):
    assert refusal_of(remove, membership, by=membership, caller=caller) == "last_owner"
    assert Membership.objects.filter(pk=membership.pk).exists()


def test_last_owner_cannot_become_anything_else(membership, caller):
    assert refusal_of(change_role, membership, Role.AUDITOR, by=membership, caller=caller) == "last_owner"
    assert Membership.objects.get(pk=membership.pk).role == Role.OWNER


def test_owner_may_leave_when_another_remains(membership, other_owner, caller):
    assert refusal_of(remove, membership, by=membership, caller=caller) == ""


def test_owner_whose_account_is_off_does_not_count(membership, other_owner, caller):
    other_owner.administrator.is_active = False
    other_owner.administrator.save()

    assert refusal_of(remove, membership, by=membership, caller=caller) == "last_owner"


def test_removed_owner_takes_his_open_invitations_along(membership, other_owner, caller):
    factories.InvitationFactory(group=membership.group, invited_by=other_owner.actor)
    kept = factories.InvitationFactory(group=membership.group, invited_by=membership.actor)

    remove(other_owner, by=membership, caller=caller)

    assert list(Invitation.objects.all()) == [kept]


def test_owner_who_becomes_a_manager_takes_his_open_invitations_along(membership, other_owner, caller):
    factories.InvitationFactory(group=membership.group, invited_by=other_owner.actor)

    change_role(other_owner, Role.MANAGER, by=membership, caller=caller)

    assert not Invitation.objects.exists()


def test_who_was_removed_meanwhile_changes_nothing(membership, other_owner, auditor, caller):
    Membership.objects.filter(pk=other_owner.pk).delete()

    refusal = refusal_of(remove, auditor.memberships.get(), by=other_owner, caller=caller)

    assert refusal == "role_missing"
    assert auditor.memberships.exists()


def test_member_who_went_meanwhile_is_missing(membership, auditor, caller):
    member = auditor.memberships.get()
    Membership.objects.filter(pk=member.pk).delete()

    assert refusal_of(remove, member, by=membership, caller=caller) == "not_found"


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("act", [remove, lambda member, **by: change_role(member, Role.AUDITOR, **by)])
def test_two_owners_who_remove_each_other_at_once_leave_one(group, caller, act):
    for _ in range(10):
        Membership.objects.all().delete()
        one, two = factories.MembershipFactory.create_batch(2, group=group, role=Role.OWNER)

        def refusal(pair) -> str:
            try:
                return refusal_of(act, pair[0], by=pair[1], caller=caller)
            finally:
                connection.close()

        with ThreadPoolExecutor(2) as pool:
            refusals = list(pool.map(refusal, [(one, two), (two, one)]))

        assert sorted(refusals) == ["", "role_missing"]
        assert Membership.objects.filter(role=Role.OWNER).count() == 1


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
def test_two_owners_who_leave_at_once_leave_one(group, caller):
    for _ in range(10):
        Membership.objects.all().delete()
        owners = factories.MembershipFactory.create_batch(2, group=group, role=Role.OWNER)

        def refusal(owner) -> str:
            try:
                return refusal_of(remove, owner, by=owner, caller=caller)
            finally:
                connection.close()

        with ThreadPoolExecutor(2) as pool:
            refusals = list(pool.map(refusal, owners))

        assert sorted(refusals) == ["", "last_owner"]
        assert Membership.objects.filter(role=Role.OWNER).count() == 1
