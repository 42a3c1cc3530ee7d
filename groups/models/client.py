"""Clients, with their campaigns and departments."""

from typing import ClassVar
from urllib.parse import urlsplit

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator
from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower, Now

from groups.models.fields import NAME_LENGTH, validate_text
from sso_portal.lib.web import origin_of

RESERVED = frozenset({"numbers"})  # /groups/21/clients/numbers/


def _may_receive(url: str) -> bool:
    """Whether agents may be sent to this address: https (http in the demo), nothing hidden in it."""
    parts = urlsplit(url)
    schemes = ("https", "http") if settings.DEMO else ("https",)
    is_plain = not (parts.username or parts.password or parts.query or parts.fragment)
    return parts.scheme in schemes and bool(parts.hostname) and is_plain and ";" not in url and "," not in url


class HandOff(models.TextChoices):
    """How a client receives its agents."""

    REDIRECT = "redirect", "redirect: the token in the query of the login address"
    FORM_POST = "form_post", "form post: the token in the body of a POST"
    SIGNED = "signed", "signed: all that there is to say, in a signed token in the body of a POST"
    OIDC = "oidc", "OpenID Connect: the CRM is asked to begin a sign-in"


class Client(models.Model):
    """The company that an agent works for, with the address where its CRM receives agents."""

    subdomain = models.CharField(
        max_length=63,
        unique=True,
        validators=[
            RegexValidator(
                r"\A[a-z0-9]([a-z0-9-]*[a-z0-9])?\Z", "Use lower-case letters, digits and hyphens."
            )
        ],
    )
    name = models.CharField(max_length=NAME_LENGTH, validators=[validate_text])
    is_active = models.BooleanField(default=True)
    is_paused = models.BooleanField(
        default=False, help_text="The client company has stopped all entries for now."
    )
    hand_off = models.CharField(max_length=16, choices=HandOff, default=HandOff.REDIRECT)
    login_url = models.URLField(
        "login address", max_length=500, help_text="Where the CRM receives agents: https, without a query."
    )
    further_origins = models.CharField(
        max_length=500,
        blank=True,
        help_text="Origins that the CRM's own sign-in passes through, separated by spaces (https://app.example.com).",
    )
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        ordering: ClassVar = ["name"]
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(subdomain=Lower("subdomain")), name="client_subdomain_lower_case"
            ),
            models.CheckConstraint(condition=~Q(subdomain=""), name="client_has_subdomain"),
            models.CheckConstraint(condition=Q(hand_off__in=HandOff.values), name="client_hand_off_known"),
            models.CheckConstraint(
                condition=Q(login_url__startswith="https://") | Q(login_url__startswith="http://"),
                name="client_login_url_is_web_address",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.subdomain})"

    def clean(self) -> None:
        if self.subdomain in RESERVED:
            raise ValidationError({"subdomain": "This word is taken by an address of the console."})
        wrong = [url for url in (self.login_url, *self.further_origins.split()) if not _may_receive(url)]
        if wrong:
            raise ValidationError(
                f"{wrong[0]} cannot receive agents: it must be https://, without user or query."
            )

    @property
    def origins(self) -> list[str]:
        """Every origin that a browser passes on its way into this client's CRM."""
        return [origin_of(self.login_url), *self.further_origins.split()]


class OfClient(models.Model):
    """Something of a client's that its CRM knows by a `number`."""

    client = models.ForeignKey(Client, on_delete=models.CASCADE, related_name="%(class)ss")
    number = models.PositiveIntegerField()
    name = models.CharField(max_length=NAME_LENGTH, validators=[validate_text])
    is_active = models.BooleanField(default=True)

    class Meta:
        abstract = True
        ordering: ClassVar = ["client", "number"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["client", "number"], name="one_%(class)s_a_number"),
        ]

    def __str__(self) -> str:
        return f"{self.client.subdomain} {self.number}: {self.name}"


class Campaign(OfClient):
    """A client's campaign."""


class Department(OfClient):
    """A client's department."""
