"""django-oauth-toolkit as its documentation sets it up: an authorization with a live session, answered with a code.

Imports nothing of the portal, and runs in an environment of its own. `python toolkit.py 1000` makes its tables, its
client and so many sessions, and prints their keys.
"""

import sys

import django
import environ
from django.conf import settings

settings.configure(
    SECRET_KEY="of-a-peer-under-measurement-which-nobody-else-uses",  # noqa: S106
    ALLOWED_HOSTS=["*"],
    DATABASES={"default": environ.Env().db("DATABASE_URL") | {"CONN_MAX_AGE": None}},
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    INSTALLED_APPS=[
        "django.contrib.auth",
        "django.contrib.contenttypes",
        "django.contrib.sessions",
        "oauth2_provider",
    ],
    MIDDLEWARE=[
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
    ],
    ROOT_URLCONF=__name__,
    USE_TZ=True,
    LOGIN_URL="/never",
    OAUTH2_PROVIDER={"SCOPES": {"read": "read"}},
)
django.setup()

from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY, get_user_model  # noqa: E402  # noqa: E402
from django.contrib.sessions.backends.db import SessionStore  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.core.wsgi import get_wsgi_application  # noqa: E402
from django.urls import include, path  # noqa: E402
from oauth2_provider.models import Application  # noqa: E402

urlpatterns = [path("o/", include("oauth2_provider.urls", namespace="oauth2_provider"))]
application = get_wsgi_application()


def main(sessions: int) -> None:
    """Make what is asked about: a client that needs no consent, and people who are signed in."""
    call_command("migrate", verbosity=0)
    owner = get_user_model().objects.create(username="owner")
    Application.objects.create(
        client_id="peer",
        user=owner,
        redirect_uris="https://large.example/callback",
        client_type=Application.CLIENT_CONFIDENTIAL,
        authorization_grant_type=Application.GRANT_AUTHORIZATION_CODE,
        skip_authorization=True,
    )
    for number in range(sessions):
        person = get_user_model().objects.create(username=f"agent{number}")
        session = SessionStore()
        session[SESSION_KEY] = str(person.pk)
        session[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[0]
        session[HASH_SESSION_KEY] = person.get_session_auth_hash()
        session.create()
        print(session.session_key)


if __name__ == "__main__":
    main(int(sys.argv[1]))
