"""The portal's own keys: what it signs with, and what others check that with."""

from typing import ClassVar, Self

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from sso_portal.lib.encryption import decrypt, encrypt
from tokens.models.relying_party import Algorithm


class Purpose(models.TextChoices):
    TOKENS = "tokens", "ID tokens, log-out tokens, signed hand-offs"
    ANSWERS = "answers", "answers of the signed SSO URL (LicenseSignature)"


class SigningKeyQuerySet(models.QuerySet["SigningKey"]):
    def published(self) -> Self:
        """Those that others may need: the ones that sign, will sign, or signed what may still be shown."""
        return self.filter(Q(published_until=None) | Q(published_until__gt=Now()))

    def signing(self, *, purpose: str, algorithm: str) -> Self:
        """Those whose time to sign has come, the one to sign with first."""
        return self.filter(purpose=purpose, algorithm=algorithm, signs_from__lte=Now()).order_by("-number")


class SigningKey(models.Model):
    """A key pair. The private half is encrypted with a key that the database lacks."""

    kid = models.CharField(max_length=64, unique=True)  # RFC 7638 thumbprint
    purpose = models.CharField(max_length=16, choices=Purpose)
    algorithm = models.CharField(max_length=8, choices=Algorithm)
    number = models.PositiveIntegerField()  # of this purpose and algorithm: one more at each rotation
    sealed_key = models.TextField(editable=False)
    public_key = models.JSONField()  # as a JWK
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    signs_from = models.DateTimeField()
    published_until = models.DateTimeField(null=True)
    is_withdrawn = models.BooleanField(
        default=False, db_default=False
    )  # it leaked: what it signed proves nothing

    objects = SigningKeyQuerySet.as_manager()

    class Meta:
        constraints: ClassVar = [
            # Of many that make the first key at once, one does.
            models.UniqueConstraint(
                fields=["purpose", "algorithm", "number"], name="signing_key_numbered_once"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.algorithm} {self.kid[:8]}… for {self.purpose}"

    @property
    def private_key(self) -> str:
        """The private half in clear, PEM."""
        return decrypt(self.sealed_key)

    @private_key.setter
    def private_key(self, pem: str) -> None:
        self.sealed_key = encrypt(pem)
