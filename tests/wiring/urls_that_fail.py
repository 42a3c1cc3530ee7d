"""Addresses whose views fail, each in its way; for test_failures.py."""

from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.urls import path

from sso_portal.lib.refusals import Refusal, Refused
from sso_portal.urls import handler400, handler403, handler404, handler500, urlpatterns

__all__ = ["handler400", "handler403", "handler404", "handler500"]


def bug(request: HttpRequest) -> HttpResponse:
    raise ZeroDivisionError("a secret of the inside")


def database_away(request: HttpRequest) -> HttpResponse:
    raise OperationalError("server closed the connection unexpectedly")


def connection_gone(request: HttpRequest) -> HttpResponse:
    raise InterfaceError("connection already closed")


def refused(request: HttpRequest) -> HttpResponse:
    refusal = Refusal("closed", "Closed on Sundays.", 403, "private detail")
    raise Refused(refusal, {"action": "login.issue"}, retry_after=7)


urlpatterns = [
    path("bug", bug),
    path("database-away", database_away),
    path("api/bug", bug),
    path("api/database-away", database_away),
    path("connection-gone", connection_gone),
    path("refused", refused),
    *urlpatterns,
]
