"""What software asks for, and a pop, go past the middleware that only pages need."""

import pytest
from django.test import Client

from tests.conftest import PORTAL

pytestmark = pytest.mark.django_db

PAST_PAGES = [
    "/sso/group/demoaws?group=1",
    "/api/v1/tokens/redeem",
    "/api/sso/demoaws",
    "/oauth/token",
    "/api/nowhere",
]
PAGES = ["/sso/sign-in", "/sso/group?group=1", "/accounts/login/", "/nowhere"]


@pytest.mark.parametrize(
    ("path", "is_page"), [*((p, False) for p in PAST_PAGES), *((p, True) for p in PAGES)]
)
def test_session_of_administrators_is_for_pages(path, is_page):
    request = Client(HTTP_HOST=PORTAL).get(path).wsgi_request

    assert hasattr(request, "session") is is_page
