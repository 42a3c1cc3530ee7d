"""Where administrators' sessions are kept: Django's session engine over `AdministratorSession`.

The database decides which sessions are live, so that every node agrees; it never sees a key, only its digest.
"""

from typing import Any

from allauth.account.authentication import AUTHENTICATION_METHODS_SESSION_KEY
from allauth.mfa.models import Authenticator
from cryptography.fernet import InvalidToken
from django.conf import settings
from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.backends.base import CreateError, SessionBase, UpdateError
from django.db import IntegrityError, transaction
from django.db.models import Exists, OuterRef
from django.db.models.functions import Now

from accounts.models import AdministratorSession
from sso_portal.lib.encryption import decrypt, encrypt
from sso_portal.lib.secrets import digest_of


class SessionStore(SessionBase):
    """One browser's session, as `request.session`."""

    row: AdministratorSession | None = None  # as this request found it, with its administrator
    has_factor = False  # whether he has a second factor

    @classmethod
    def clear_expired(cls) -> None:
        AdministratorSession.objects.over().delete()

    def load(self) -> dict[str, Any]:
        factors = Authenticator.objects.filter(user=OuterRef("administrator"))
        row = (
            AdministratorSession.objects.live()
            .filter(digest=digest_of(self.session_key or ""))
            .select_related("administrator")
            .annotate(now=Now(), has_factor=Exists(factors))
            .first()
        )
        if row is None:
            self._session_key = None
            return {}
        self.row = row
        self.has_factor = row.has_factor  # type: ignore[attr-defined]  # annotated
        return self.decode(row.content)

    def exists(self, session_key: str) -> bool:
        return AdministratorSession.objects.filter(digest=digest_of(session_key)).exists()

    def create(self) -> None:
        while True:
            self._session_key = self._get_new_session_key()  # type: ignore[attr-defined]  # the stubs lack it
            self.row = None
            try:
                self.save(must_create=True)
            except CreateError:
                continue
            self.modified = True
            return

    def save(self, must_create: bool = False) -> None:
        """Keep what the views put into it. Neither how long it lasts nor when it was seen last changes here."""
        if self.session_key is None:
            return self.create()
        kept = self._get_session(no_load=must_create)  # type: ignore[attr-defined]  # as above
        digest, fields = digest_of(self.session_key), self._fields(kept)
        if must_create:
            try:
                with transaction.atomic():
                    AdministratorSession.objects.create(
                        digest=digest, ends_at=Now() + settings.ADMINISTRATOR_LONGEST, **fields
                    )
            except IntegrityError as error:
                raise CreateError from error
        elif not AdministratorSession.objects.filter(digest=digest).update(**fields):
            raise UpdateError  # somebody ended it meanwhile
        return None

    def delete(self, session_key: str | None = None) -> None:
        if session_key in (None, self.session_key):
            self.row = None
        if key := session_key or self.session_key:
            AdministratorSession.objects.filter(digest=digest_of(key)).delete()

    def encode(self, session_dict: dict[str, Any]) -> str:
        return encrypt(self.serializer().dumps(session_dict).decode())

    def decode(self, session_data: bytes | str) -> dict[str, Any]:
        try:
            content: dict[str, Any] = self.serializer().loads(decrypt(str(session_data)).encode())
        except InvalidToken:  # its encryption key is gone
            return {}
        return content

    def _fields(self, kept: dict[str, Any]) -> dict[str, Any]:
        shown = kept.get(AUTHENTICATION_METHODS_SESSION_KEY, [])
        return {
            "content": self.encode(kept),
            "administrator_id": kept.get(SESSION_KEY),
            "methods": list(dict.fromkeys(record.get("type", record["method"]) for record in shown)),
        }
