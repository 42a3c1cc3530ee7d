"""Facts about tokens and credentials that the database itself keeps."""

from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction
from django.db.models import F, ProtectedError
from django.utils import timezone

from tests import factories
from tokens.models import LoginToken, PersonToken, PlatformKey, RelyingPartySecret

pytestmark = pytest.mark.django_db


@pytest.fixture
def token() -> LoginToken:
    return factories.LoginTokenFactory()


def refuses(act, *args, **kwargs) -> bool:
    """Whether the database itself refuses."""
    try:
        with transaction.atomic():
            act(*args, **kwargs)
    except IntegrityError:
        return True
    return False


def change(token: LoginToken, **fields) -> None:
    LoginToken.objects.filter(pk=token.pk).update(**fields)


def test_token_digest_twice_is_refused(token):
    assert refuses(factories.LoginTokenFactory, digest=token.digest)


def test_token_kind_unknown_is_refused(token):
    assert refuses(change, token, kind="other")


def test_token_expiring_before_issue_is_refused(token):
    assert refuses(change, token, expires_at=F("issued_at") - timedelta(seconds=1))


def test_token_expiring_at_issue_is_refused(token):
    assert refuses(change, token, expires_at=F("issued_at"))


def test_unspent_token_redeemed_by_somebody_is_refused(token):
    party = factories.RelyingPartyFactory(client=token.client)

    assert refuses(change, token, redeemed_by=party)


def test_unspent_token_redeemed_from_somewhere_is_refused(token):
    assert refuses(change, token, redeemed_from="203.0.113.9")


def test_spent_token_redeemed_by_nobody_named_is_allowed(token):
    assert not refuses(change, token, redeemed_at=timezone.now())


def test_token_without_its_end_is_refused(token):
    assert refuses(change, token, expires_at=None)


@pytest.mark.parametrize("who", ["agent", "group", "client"])
def test_deleting_whom_a_token_names_is_refused(token, who):
    with pytest.raises(ProtectedError):
        getattr(token, who).delete()


def test_deleting_the_session_keeps_its_token(token, session):
    change(token, session=session)

    session.delete()

    token.refresh_from_db()
    assert token.session is None


@pytest.mark.parametrize("factory", [factories.PlatformKeyFactory, factories.RelyingPartyFactory])
def test_one_secret_for_two_credentials_is_refused(factory):
    factory(secret="pk_the-same")

    assert refuses(factory, secret="pk_the-same")


def test_relying_party_identifier_twice_is_refused(relying_party):
    assert refuses(factories.RelyingPartyFactory, secret="rs_other", identifier=relying_party.identifier)


@pytest.mark.parametrize("model", [PlatformKey, RelyingPartySecret])
def test_credential_keeps_the_digest_and_a_beginning_only(model):
    row = model()

    row.take("pk_0123456789abcdef")

    assert row.prefix == "pk_01234567"
    assert "0123456789abcdef" not in repr(vars(row))


def test_network_listed_twice_in_a_group_is_refused(group):
    factories.AddressRuleFactory(group=group)

    assert refuses(factories.AddressRuleFactory, group=group)


def test_network_listed_in_two_groups_is_allowed(group, other_group):
    factories.AddressRuleFactory(group=group)

    assert not refuses(factories.AddressRuleFactory, group=other_group)


def test_rule_without_network_is_refused(group):
    assert refuses(factories.AddressRuleFactory, group=group, network="")


def test_persons_token_of_an_unknown_use_is_refused(person):
    fields = {"client": person.client, "person": person, "expires_at": timezone.now() + timedelta(minutes=1)}

    assert refuses(PersonToken.objects.create, digest="0" * 64, use="other", **fields)
