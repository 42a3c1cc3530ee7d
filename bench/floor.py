"""The floor that everything is compared with: what Django and PostgreSQL cost when next to nothing is done.

`/floor` finds a session by its digest and inserts a row, two statements, each committed by itself. `/bare` asks nothing
at all. Neither has middleware, forms, rights, limits or an audit log.
"""

import hashlib
import os

import environ
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.db import connection
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import path

SESSION = "SELECT agent_id FROM bench_session WHERE digest = %s"
TOKEN = "INSERT INTO bench_token (digest, agent_id, issued_at) VALUES (%s, %s, now())"  # noqa: S105  (no secret)
CRM = "https://crm.example/login?token="

settings.configure(
    ROOT_URLCONF=__name__,
    ALLOWED_HOSTS=["*"],
    DATABASES={"default": environ.Env().db("DATABASE_URL") | {"CONN_MAX_AGE": None}},
    USE_TZ=True,
)


def floor(request: HttpRequest) -> HttpResponse:
    """One SELECT, one INSERT, a redirect."""
    digest = hashlib.sha256(request.COOKIES["session"].encode()).hexdigest()
    secret = os.urandom(32).hex()
    with connection.cursor() as cursor:
        cursor.execute(SESSION, [digest])
        (agent,) = cursor.fetchone()
        cursor.execute(TOKEN, [hashlib.sha256(secret.encode()).hexdigest(), agent])
    return HttpResponseRedirect(CRM + secret)


def bare(request: HttpRequest) -> HttpResponse:
    """A redirect."""
    return HttpResponseRedirect(CRM)


urlpatterns = [path("floor", floor), path("bare", bare)]
application = get_wsgi_application()
