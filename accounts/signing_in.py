"""What an administrator's coming and going writes down. allauth does the signing in and tells by its signals."""

from typing import Any

from allauth.account import signals as account
from allauth.account.internal.flows.login import record_authentication
from allauth.mfa import signals as mfa
from allauth.mfa.models import Authenticator
from django.contrib.auth.signals import user_logged_in, user_logged_out
from django.dispatch import receiver
from django.http import HttpRequest

from accounts import audit
from accounts.ending_sessions import EndReason, begin_session, end_sessions
from accounts.models import Administrator
from sso_portal.lib.secrets import digest_of
from sso_portal.lib.web import caller_of


@receiver(user_logged_in)
def _let_in(request: HttpRequest, user: Administrator, **_: Any) -> None:
    request.session.save()  # so that it counts among his
    begin_session(user, key=request.session.session_key or "", caller=caller_of(request))


@receiver(account.user_logged_in)
def _signed_in(request: HttpRequest, user: Administrator, **_: Any) -> None:
    _record(request, user, "administrator.sign_in")


@receiver(user_logged_out)
def _signed_out(request: HttpRequest, user: Administrator | None, **_: Any) -> None:
    if user is not None:
        _record(request, user, "administrator.sign_out")


@receiver(account.password_changed)
@receiver(account.password_reset)
def _password_changed(request: HttpRequest, user: Administrator, **_: Any) -> None:
    _record(request, user, "administrator.change_password")
    _end_others(request, user, EndReason.PASSWORD)


@receiver(mfa.authenticator_added)
def _factor_added(request: HttpRequest, user: Administrator, authenticator: Authenticator, **_: Any) -> None:
    """Setting up the account's first factor is showing it: the session may go on."""
    others = Authenticator.objects.filter(user=user).exclude(pk=authenticator.pk)
    if not others.exclude(type=Authenticator.Type.RECOVERY_CODES).exists():  # those come with the first
        record_authentication(request, user, "mfa", type=authenticator.type)


@receiver(mfa.authentication_failed)
def _factor_refused(request: HttpRequest, user: Administrator, **_: Any) -> None:
    audit.record(
        "administrator.second_factor",
        caller=caller_of(request),
        actor=f"administrator:{user.email}",
        refused_for="wrong_code",
    )


@receiver(mfa.authenticator_removed)
def _factor_removed(request: HttpRequest, user: Administrator, **_: Any) -> None:
    _end_others(request, user, EndReason.FACTOR)


@receiver(mfa.authenticator_added)
@receiver(mfa.authenticator_removed)
@receiver(mfa.authenticator_reset)
def _factors_changed(request: HttpRequest, user: Administrator, authenticator: Any, **_: Any) -> None:
    _record(request, user, "administrator.change_factors", {"factor": authenticator.type})


def _end_others(request: HttpRequest, user: Administrator, reason: EndReason) -> None:
    this = digest_of(request.session.session_key or "")
    end_sessions(
        user.sessions.exclude(digest=this),
        reason=reason,
        by=f"administrator:{user.email}",
        caller=caller_of(request),
    )


def _record(
    request: HttpRequest, user: Administrator, action: str, details: dict[str, Any] | None = None
) -> None:
    audit.record(action, caller=caller_of(request), actor=f"administrator:{user.email}", details=details)
