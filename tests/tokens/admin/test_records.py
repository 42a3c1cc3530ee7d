"""The back office: records to look at, and to end."""

import pytest

from accounts.models import Event
from tests import factories
from tests.tokens.admin.office import act, confirm, page_of
from tokens.models import (
    Purpose,
    SigningKey,
    TokenFamily,
)
from tokens.signing_keys import current

pytestmark = pytest.mark.django_db


def test_signing_keys_show_no_private_half(office):
    key = current(Purpose.TOKENS, "RS256")

    page = office.get(page_of(key)).content.decode()

    assert key.kid in page
    assert SigningKey.objects.get().sealed_key not in page
    assert "PRIVATE KEY" not in page


def test_family_is_revoked_after_a_question(office):
    family = factories.TokenFamilyFactory()

    asked = act(office, family, "revoke")
    assert TokenFamily.objects.live().exists()
    confirm(office, family, "revoke")

    assert b"Revoke these?" in asked.content
    assert not TokenFamily.objects.live().exists()
    assert Event.objects.get(action="login.revoke").door == "backoffice"
