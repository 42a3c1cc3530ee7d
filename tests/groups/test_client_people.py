"""Client companies' own people: who is meant, and who is let in."""

from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from groups.client_people import find_person, why_not_let_in
from groups.models import Client, ClientSession
from sso_portal.lib.refusals import Refused
from tests import factories

pytestmark = pytest.mark.django_db


@pytest.fixture
def owner_of_it(client_company):
    return factories.ClientPersonFactory(client=client_company, is_owner=True)


@pytest.fixture
def person(client_company):
    return factories.ClientPersonFactory(client=client_company)


@pytest.fixture
def find(client_company):
    """Find among demoaws alone; the code of the refusal where there is one."""

    def find_one(client_id=None, person_id=None):
        try:
            return find_person(
                client_id=client_id, person_id=person_id, among=Client.objects.filter(pk=client_company.pk)
            )
        except Refused as refused:
            return refused.refusal.code

    return find_one


def test_person_is_found_by_both_numbers_or_by_his_own(find, client_company, person):
    assert find(client_company.pk, person.pk) == find(None, person.pk) == person


def test_client_alone_means_its_owner(find, client_company, owner_of_it, person):
    assert find(client_company.pk) == owner_of_it


def test_client_without_an_owner_is_refused(find, client_company, person):
    assert find(client_company.pk) == "no_owner"


def test_nobody_named_is_refused(find):
    assert find() == "nobody_named"


def test_foreign_client_is_as_unknown_as_one_that_is_not_there(find, person):
    foreign = factories.ClientFactory()

    assert find(foreign.pk) == find(foreign.pk, person.pk) == find(foreign.pk + 1) == "unknown_client"


def test_person_of_a_foreign_client_is_as_unknown_as_one_who_is_not_there(find):
    foreign = factories.ClientPersonFactory()

    assert find(None, foreign.pk) == find(None, foreign.pk + 1) == "unknown_person"


def test_person_of_another_client_than_the_one_named_is_refused(find, client_company):
    foreign = factories.ClientPersonFactory()

    assert find(client_company.pk, foreign.pk) == "another_clients_person"
    assert find(client_company.pk, foreign.pk + 1) == "unknown_person"


@pytest.mark.parametrize(
    ("who", "fields", "code", "detail"),
    [
        ("client", {"is_paused": True}, "client_unavailable", "paused"),
        ("client", {"is_active": False}, "client_unavailable", "client inactive"),
        ("person", {"is_active": False}, "person_inactive", "person inactive"),
    ],
)
def test_stopped_person_is_not_let_in(person, who, fields, code, detail):
    for name, value in fields.items():
        setattr(person if who == "person" else person.client, name, value)

    refusal = why_not_let_in(person)

    assert refusal is not None
    assert (refusal.code, refusal.detail) == (code, detail)


def test_person_is_let_in_otherwise(person):
    assert why_not_let_in(person) is None


# --- Sessions --------------------------------------------------------------------------------------------------------


@pytest.fixture
def session(person):
    return factories.ClientSessionFactory(person=person)


def test_session_is_live(session):
    assert list(ClientSession.objects.live()) == [session]


PAST = timezone.now() - timedelta(seconds=1)


@pytest.mark.parametrize("fields", [{"idle_at": PAST}, {"ended_at": PAST}])
def test_session_that_is_over_is_not_live(session, fields):
    ClientSession.objects.update(**fields)

    assert not ClientSession.objects.live().exists()


def test_session_after_its_longest_duration_is_not_live(session):
    started = timezone.now() - timedelta(hours=13)
    ClientSession.objects.update(started_at=started, ends_at=started + timedelta(hours=12))

    assert not ClientSession.objects.live().exists()


def test_session_of_somebody_who_is_stopped_is_not_live(session, person):
    type(person).objects.update(is_active=False)

    assert not ClientSession.objects.live().exists()


@pytest.mark.parametrize("fields", [{"is_paused": True}, {"is_active": False}])
def test_session_at_a_client_that_is_stopped_is_not_live(session, fields):
    Client.objects.update(**fields)

    assert not ClientSession.objects.live().exists()


def test_touch_moves_the_idle_end_when_it_is_due(session):
    ClientSession.objects.update(idle_at=timezone.now() + timedelta(minutes=5))

    ClientSession.objects.touch(session)

    session.refresh_from_db()
    assert session.idle_at > timezone.now() + timedelta(minutes=29)


def test_touch_within_a_minute_writes_nothing(session):
    before = session.idle_at

    ClientSession.objects.touch(session)

    session.refresh_from_db()
    assert session.idle_at == before


def test_second_owner_is_refused_by_the_database(owner_of_it, client_company):
    with pytest.raises(IntegrityError), transaction.atomic():
        factories.ClientPersonFactory(client=client_company, is_owner=True)
