"""Reminders of keys by mail: to whom, of what, once."""

from datetime import timedelta

import pytest
from django.core import mail
from django.core.mail.backends.locmem import EmailBackend
from django.db.models.functions import Now
from django.test import override_settings
from django.utils import timezone

from accounts.models import Event
from groups.inviting import in_mail
from tests import factories
from tokens.models import PlatformKey, Reminder
from tokens.reminding import Reminded, remind

pytestmark = pytest.mark.django_db
SOON, OLD = timedelta(days=6), timedelta(days=-336)


class BrokenMailServer(EmailBackend):
    def send_messages(self, messages):
        raise ConnectionRefusedError


@pytest.fixture
def made():
    """Make a credential, at the moments that are given as from now."""

    def make(factory, **fields):
        moments = {n: timezone.now() + d for n, d in fields.items() if isinstance(d, timedelta)}
        row = factory(**{name: value for name, value in fields.items() if name not in moments})
        type(row).objects.filter(pk=row.pk).update(**moments)
        row.refresh_from_db()
        return row

    return make


@pytest.fixture
def old_key(made, group) -> PlatformKey:
    return made(factories.PlatformKeyFactory, group=group, name="Dialer", created_at=OLD)


@pytest.fixture
def operator():
    return factories.AdministratorFactory(is_staff=True)


def recipients() -> list[str]:
    return [address for message in mail.outbox for address in message.to]


def test_owners_of_the_group_are_told_of_an_old_key(old_key, owner, manager, auditor, stranger, operator):
    assert remind() == Reminded(sent=1, failed=0)

    (message,) = mail.outbox
    assert message.to == [owner.email]
    assert message.subject == "Keys of Northwind to look after"
    assert f"Dialer ({old_key.prefix}…)" in message.body
    assert f"It was made on {old_key.created_at:%-d %B %Y}." in message.body
    assert f"http://localhost:8000/groups/{old_key.group_id}/keys/" in message.body


def test_key_that_ends_soon_is_told_with_its_end(made, group, owner):
    key = made(factories.ApiKeyFactory, group=group, expires_at=SOON)

    remind()

    assert f"It ends on {key.expires_at:%-d %B %Y}." in mail.outbox[0].body


@pytest.mark.parametrize("factory", [factories.RelyingPartySecretFactory, factories.SigningPairFactory])
def test_operators_are_told_of_secrets_of_clients_systems(made, owner, operator, factory):
    secret = made(factory, created_at=OLD)

    remind()

    (message,) = mail.outbox
    assert message.to == [operator.email]
    assert in_mail(f"{secret.relying_party.client}, {secret.relying_party.name}: {secret}") in message.body


def test_operators_are_told_of_a_billing_systems_credential(made, operator, client_company):
    made(factories.ApiCredentialFactory, clients=[client_company], created_at=OLD)

    remind()

    assert recipients() == [operator.email]


def test_several_keys_are_one_mail(old_key, made, group, owner):
    made(factories.ApiKeyFactory, group=group, name="Import", expires_at=SOON)

    remind()

    (message,) = mail.outbox
    assert "Dialer" in message.body
    assert "Import" in message.body


def test_nobody_is_told_twice(old_key, owner):
    remind()

    assert remind() == Reminded(sent=0, failed=0)
    assert len(mail.outbox) == 1


def test_another_end_is_told_again(made, group, owner):
    key = made(factories.PlatformKeyFactory, group=group, expires_at=SOON)
    remind()
    PlatformKey.objects.filter(pk=key.pk).update(expires_at=Now() + timedelta(days=3))
    remind()

    assert len(mail.outbox) == 2


@pytest.mark.parametrize(
    "changed", [{}, {"created_at": OLD, "revoked_at": timedelta()}, {"expires_at": timedelta(days=-1)}]
)
def test_key_that_needs_nothing_is_told_to_nobody(made, group, owner, changed):
    made(factories.PlatformKeyFactory, group=group, **changed)

    assert remind() == Reminded(sent=0, failed=0)


def test_key_that_has_an_heir_is_told_to_nobody(old_key, group, owner):
    factories.PlatformKeyFactory(group=group, name="Dialer", secret="pk_heir")

    remind()

    assert not mail.outbox


def test_secret_that_has_an_heir_is_told_to_nobody(made, operator):
    secret = made(factories.RelyingPartySecretFactory, created_at=OLD)
    factories.RelyingPartySecretFactory(relying_party=secret.relying_party, secret="rs_heir")

    remind()

    assert not mail.outbox


def test_group_that_is_switched_off_hears_nothing(old_key, group, owner):
    group.is_active = False
    group.save()

    remind()

    assert not mail.outbox


def test_owner_who_cannot_sign_in_hears_nothing(old_key, owner):
    owner.is_active = False
    owner.save()

    remind()

    assert not mail.outbox


def test_mail_speaks_the_language_of_whom_it_is_for(old_key, owner):
    owner.language = "es"
    owner.save()

    remind()

    assert f"{old_key.created_at:%Y}" in mail.outbox[0].body
    assert f"{old_key.created_at:%B}" not in mail.outbox[0].body


def test_mail_that_nobody_takes_is_sent_an_hour_later(old_key, owner):
    with override_settings(EMAIL_BACKEND=f"{__name__}.BrokenMailServer"):
        assert remind() == Reminded(sent=0, failed=1)
    assert remind() == Reminded(sent=0, failed=0)
    Reminder.objects.update(next_try_at=Now())

    assert remind() == Reminded(sent=1, failed=0)


def test_mail_is_recorded_without_a_secret(old_key, owner, group):
    remind()

    event = Event.objects.get()
    assert (event.action, event.actor, event.group_id) == ("key.remind", "portal", group.pk)
    assert event.object == f"administrator:{owner.email}"
    assert event.details == {"keys": [f"key:{old_key.prefix} old"]}
    assert factories.PLATFORM_KEY not in mail.outbox[0].body


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
def test_workers_that_remind_at_once_send_each_mail_once(old_key, owner, at_once):
    done = at_once(6, remind)

    assert sum(each.sent for each in done) == 1
    assert recipients() == [owner.email]
