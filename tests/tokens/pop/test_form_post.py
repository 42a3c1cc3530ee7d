"""The pop into a CRM that receives its agents by a form."""

import re

import pytest

from groups import models as groups
from sso_portal.lib.secrets import digest_of
from tests.reading import directives
from tests.tokens.pop.popping import HOSTILE
from tokens.models import LoginToken

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("entitlement")]


@pytest.fixture
def by_form_post(client_company):
    """demoaws receives its agents by form post."""
    groups.Client.objects.filter(pk=client_company.pk).update(
        hand_off=groups.HandOff.FORM_POST, further_origins="https://sso.crm.example"
    )


@pytest.mark.usefixtures("by_form_post")
def test_form_post_hands_the_token_to_the_login_address(pop):
    page = pop().content.decode()

    secret = re.search(r'<input type="hidden" name="token" value="([^"]+)">', page).group(1)
    assert LoginToken.objects.get().digest == digest_of(secret)
    assert re.search(r'<form[^>]*method="post"[^>]*action="https://demoaws.crm.example/login"', page)
    assert '<button class="button' in page


@pytest.mark.usefixtures("by_form_post")
def test_form_post_page_may_post_to_the_clients_origins(pop):
    allowed = directives(pop())["form-action"]

    assert set(allowed) == {"'self'", "https://demoaws.crm.example", "https://sso.crm.example"}


@pytest.mark.usefixtures("by_form_post")
def test_form_post_page_is_never_stored_and_tells_its_origin_alone(pop):
    response = pop()

    assert response.status_code == 200
    assert response.headers["Cache-Control"] == "no-store"
    assert response.headers["Referrer-Policy"] == "strict-origin"


@pytest.mark.usefixtures("by_form_post")
def test_form_post_page_has_no_inline_script(pop):
    page = pop().content.decode()

    assert re.findall(r"<script[^>]*>", page) == re.findall(r"<script[^>]*src=\"/static/[^>]*>", page)
    assert not re.search(r"\son[a-z]+=|\sstyle=|<style", page)


@pytest.mark.usefixtures("by_form_post")
def test_form_post_page_escapes_a_hostile_name(pop):
    groups.Client.objects.update(name=HOSTILE)

    page = pop().content.decode()

    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)" in page


def test_redirect_leaves_the_policy_as_it_is(pop):
    assert directives(pop("nosuch"))["form-action"] == ["'self'"]
