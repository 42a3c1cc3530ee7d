"""The cookies of agents, and of client companies' own people: secrets whose digests name their sessions.

An agent's is nobody else's, and opens no other door; nor does a client person's.
"""

from django.conf import settings
from django.db.models import DateTimeField
from django.db.models.expressions import ExpressionWrapper
from django.db.models.functions import Now
from django.http import HttpRequest, HttpResponseBase

from groups.models import AgentSession, AgentSessionQuerySet, ClientSession, ClientSessionQuerySet
from groups.signing_in import PENDING_LIFETIME
from sso_portal.lib.secrets import digest_of


def sessions_of(request: HttpRequest) -> AgentSessionQuerySet:
    """The session that the agent's cookie names, open or not, with its agent, group and the database's `now`."""
    secret = request.COOKIES.get(settings.AGENT_COOKIE_NAME, "")
    sessions = (
        AgentSession.objects.filter(digest=digest_of(secret)) if secret else AgentSession.objects.none()
    )
    return sessions.select_related("agent__group").annotate(
        now=ExpressionWrapper(Now(), output_field=DateTimeField())
    )


def session_to_end(request: HttpRequest) -> AgentSession | None:
    """What a sign-out in this browser ends: its session, or the one that renewed it in another tab.

    Also one whose longest duration is over, or whose agent was stopped: others may still go by it.
    """
    session = sessions_of(request).first()
    if session is None or session.ended_at is None:
        return session
    return AgentSession.objects.going_on_as(session).select_related("agent__group").first()


def keep_session(response: HttpResponseBase, secret: str) -> None:
    """Let the browser carry the session until it closes."""
    response.set_cookie(
        settings.AGENT_COOKIE_NAME, secret, secure=settings.HTTPS, httponly=True, samesite="Lax", path="/"
    )
    response.delete_cookie(settings.PENDING_COOKIE_NAME, samesite="Lax")


def drop_session(response: HttpResponseBase) -> None:
    """Let the browser forget the session."""
    response.delete_cookie(settings.AGENT_COOKIE_NAME, samesite="Lax")


def keep_pending(response: HttpResponseBase, pending: str) -> None:
    """Carry the proof of an agent who is about to choose a password."""
    response.set_cookie(
        settings.PENDING_COOKIE_NAME,
        pending,
        max_age=int(PENDING_LIFETIME.total_seconds()),
        secure=settings.HTTPS,
        httponly=True,
        samesite="Lax",
        path="/",
    )


def client_sessions_of(request: HttpRequest) -> ClientSessionQuerySet:
    """The session that the client person's cookie names, live or not, with its person and client."""
    secret = request.COOKIES.get(settings.CLIENT_COOKIE_NAME, "")
    sessions = (
        ClientSession.objects.filter(digest=digest_of(secret)) if secret else ClientSession.objects.none()
    )
    return sessions.select_related("person__client")


def keep_client_session(response: HttpResponseBase, secret: str) -> None:
    """Let the browser carry the client person's session until it closes."""
    response.set_cookie(
        settings.CLIENT_COOKIE_NAME, secret, secure=settings.HTTPS, httponly=True, samesite="Lax", path="/"
    )


def drop_client_session(response: HttpResponseBase) -> None:
    """Let the browser forget the client person's session."""
    response.delete_cookie(settings.CLIENT_COOKIE_NAME, samesite="Lax")
