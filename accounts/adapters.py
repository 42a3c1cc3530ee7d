"""Where allauth asks us: nobody signs up, tries are counted before the hash, second-factor secrets are encrypted."""

from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.auth_backends import AuthenticationBackend
from allauth.core import context
from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.mfa.utils import is_mfa_enabled
from django.conf import settings
from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext_noop

from accounts import alarms, audit, lockout, passwords
from accounts.fresh_factor import has_fresh_factor
from accounts.models import Administrator
from sso_portal.lib import encryption
from sso_portal.lib.refusals import Refusal, Refused
from sso_portal.lib.text import canonical_name
from sso_portal.lib.web import caller_of

CHANGED_MEANWHILE = Refusal("changed_meanwhile", gettext_noop("This password was changed meanwhile."), 409)


class Backend(AuthenticationBackend):
    """Who is signed in."""

    def get_user(self, user_id: int) -> Administrator | None:
        """The administrator, as he came with the request's session; None when he is inactive."""
        row = getattr(getattr(context.request, "session", None), "row", None)
        if row is None or row.administrator_id != user_id:
            found: Administrator | None = super().get_user(user_id)
            return found
        administrator: Administrator = row.administrator
        return administrator if self.user_can_authenticate(administrator) else None


class AccountAdapter(DefaultAccountAdapter):
    """The main door."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        """Never: operators register administrators."""
        return False

    def pre_authenticate(self, request: HttpRequest, **credentials: Any) -> None:
        """Nothing here: `authenticate` counts tries in the database, for allauth's cache may be emptied."""

    def authenticate(self, request: HttpRequest, **credentials: Any) -> Administrator | None:
        """The administrator with this e-mail and password, or None: unknown, wrong and locked look alike."""
        name, password = (
            canonical_name(str(credentials.get("email", ""))[:254]),
            str(credentials.get("password", "")),
        )
        caller = caller_of(request)
        alarms.count_sign_in(door=lockout.MAIN_DOOR, caller=caller, action="administrator.sign_in")
        is_known = Administrator.objects.filter(email=name).exists()
        counted = {"door": lockout.MAIN_DOOR, "name": lockout.as_counted(name, is_known=is_known)}
        if not lockout.may_try(**counted):
            passwords.verify(password, "")
            self._refuse(request, name, "locked", is_known=is_known)
            return None
        try:
            administrator = super().authenticate(request, **credentials)
        except Refused:  # too many at once: this password was compared with nothing
            lockout.give_back(**counted)
            alarms.give_back(door=lockout.MAIN_DOOR, caller=caller)
            raise
        if not isinstance(administrator, Administrator):
            self._refuse(request, name, "wrong_credentials", is_known=is_known)
            return None
        if not administrator.is_active:
            self._refuse(request, name, "disabled", is_known=is_known)
            return None
        lockout.forget(**counted)
        alarms.give_back(door=lockout.MAIN_DOOR, caller=caller)
        return administrator

    def _refuse(self, request: HttpRequest, name: str, reason: str, *, is_known: bool) -> None:
        alarms.note_failure(door=lockout.MAIN_DOOR, name=name, caller=caller_of(request))
        audit.record(
            "administrator.sign_in",
            caller=caller_of(request),
            actor="anonymous",
            refused_for=reason,
            # Of nobody's name nothing is kept: people type passwords into the wrong field.
            details={"name": name} if is_known else {},
        )

    def set_password(self, user: Administrator, password: str) -> None:
        """His new password. Raises Refused where he has another by now than when this request began.

        A link to a new password is good while the present one lasts: of all who open it at once, one wins.
        """
        present = user.password
        user.set_password(password)
        if not Administrator.objects.filter(pk=user.pk, password=present).update(password=user.password):
            about = {"action": "administrator.change_password", "actor": f"administrator:{user.email}"}
            raise Refused(CHANGED_MEANWHILE, about)

    def is_safe_url(self, url: str | None) -> bool:
        """Whether a redirect may lead there. What cannot be read may not."""
        try:
            return bool(super().is_safe_url(url))
        except ValueError:
            return False

    def is_reauthentication_required(self, *, app: str, **kwargs: Any) -> bool:
        """Not while a second factor is fresh: pages of allauth's ask as ours do."""
        return not has_fresh_factor(context.request) and super().is_reauthentication_required(
            app=app, **kwargs
        )

    def get_reauthentication_methods(self, user: Any) -> list[dict[str, Any]]:
        """The second factor, whichever he has; the password only to set up the first."""
        if not user.is_authenticated:
            return []
        name = "mfa_reauthenticate" if is_mfa_enabled(user) else "account_reauthenticate"
        return [{"id": name.removeprefix("account_"), "description": "", "url": reverse(name)}]

    def get_client_ip(self, request: HttpRequest) -> str:
        return caller_of(request).address_text

    def _rollback_login_failed_rl_usage(self) -> None:
        """Nothing to roll back: see `pre_authenticate`."""


class MFAAdapter(DefaultMFAAdapter):
    """Second factors."""

    def encrypt(self, text: str) -> str:
        return encryption.encrypt(text)

    def decrypt(self, encrypted_text: str) -> str:
        return encryption.decrypt(encrypted_text)

    def get_public_key_credential_rp_entity(self) -> dict[str, str]:
        return {"id": settings.PORTAL_HOST, "name": "Agent Portal"}
