"""Relying parties: clients' systems that trust us, with the addresses that they registered."""

import re
import secrets
from typing import ClassVar
from urllib.parse import urlsplit

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from groups.models import NAME_LENGTH, Client, validate_text

ADDRESS_LENGTH = 500
LONGEST_REFRESH_HOURS = 90 * 24
NEVER_IN_ADDRESS = frozenset(" \\\"'<>;,|{}^")
HOST_AND_PORT = re.compile(r"([a-z0-9.-]+|\[[0-9a-f:.]+\])(:[0-9]{1,5})?")


def new_identifier() -> str:
    """The public id of a relying party."""
    return f"rp_{secrets.token_hex(8)}"


def why_not_address(url: str, *, origin: bool = False) -> str:
    """Why a browser, or the portal, may not be sent to this address; "" when it may.

    https, or http where it cannot leave the machine (RFC 8252, section 7.3) and in the demo; no user, no fragment.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return _("Write a whole address, like https://crm.example.com/signed-in.")
    # Line ends and tabs too, which urlsplit passes over.
    is_plain = url.isascii() and url.isprintable() and NEVER_IN_ADDRESS.isdisjoint(url)
    if not parts.hostname or not is_plain or port == 0:
        return _("Write a whole address, like https://crm.example.com/signed-in.")
    is_local = parts.hostname in ("127.0.0.1", "::1", "localhost")
    if parts.scheme != "https" and not (parts.scheme == "http" and (settings.DEMO or is_local)):
        return _("The address must begin with https://.")
    if parts.username is not None or parts.password is not None or "#" in url or "*" in url:
        return _("The address must hold no user, no fragment and no wildcard.")
    is_origin = url == f"{parts.scheme}://{parts.netloc}" and HOST_AND_PORT.fullmatch(parts.netloc)
    if origin and not is_origin:
        return _("An origin is scheme, host and port alone, like https://crm.example.com.")
    return ""


def validate_address(url: str) -> None:
    """Raise ValidationError unless `why_not_address` finds nothing."""
    if why := why_not_address(url):
        raise ValidationError(why)


class Algorithm(models.TextChoices):
    """How ID tokens are signed (RFC 7518)."""

    RS256 = "RS256"
    ES256 = "ES256"


class RelyingParty(models.Model):
    """A client's system that trusts us: by the public id it is known by, and what it registered."""

    client = models.ForeignKey(Client, on_delete=models.CASCADE, related_name="relying_parties")
    name = models.CharField(max_length=NAME_LENGTH, validators=[validate_text])
    identifier = models.CharField(max_length=64, unique=True, default=new_identifier, editable=False)
    is_active = models.BooleanField(default=True)
    is_public = models.BooleanField(
        default=False, help_text="Runs where no secret can be kept: in a browser or an app. Always uses PKCE."
    )
    needs_pkce = models.BooleanField(
        "needs PKCE", default=True, help_text="Without it, every request must carry a nonce."
    )
    allows_token_grant = models.BooleanField(
        default=False,
        help_text="Tokens in the address of the browser. RFC 9700 advises against it: for old software only.",
    )
    gives_refresh_tokens = models.BooleanField(default=True)
    refresh_hours = models.PositiveSmallIntegerField(
        default=12, help_text="After so many hours the agent must come again, whatever was refreshed."
    )
    algorithm = models.CharField(max_length=8, choices=Algorithm, default=Algorithm.RS256)
    receives_agents = models.BooleanField(
        default=False,
        help_text="Where the client's hand-off is oidc or signed: it is this party that agents reach.",
    )
    initiate_login_uri = models.CharField(
        "address that begins a login", max_length=ADDRESS_LENGTH, blank=True, validators=[validate_address]
    )
    backchannel_logout_uri = models.CharField(
        "address to be told of log-outs", max_length=ADDRESS_LENGTH, blank=True, validators=[validate_address]
    )
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        verbose_name_plural = "relying parties"
        ordering: ClassVar = ["client", "name"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["client"], condition=Q(receives_agents=True), name="one_party_receives_agents"
            ),
            models.CheckConstraint(condition=Q(algorithm__in=Algorithm.values), name="algorithm_known"),
            models.CheckConstraint(
                condition=Q(is_public=False) | Q(needs_pkce=True), name="public_party_needs_pkce"
            ),
            models.CheckConstraint(
                condition=Q(refresh_hours__gte=1, refresh_hours__lte=LONGEST_REFRESH_HOURS),
                name="refresh_hours_bounded",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.identifier})"

    def clean(self) -> None:
        wrong = {}
        if self.is_public and not self.needs_pkce:
            wrong["needs_pkce"] = _("A public relying party always uses PKCE.")
        if self.is_public and self.pk and self.secrets.live().exists():
            wrong["is_public"] = _("It has secrets, which it could not keep: revoke them first.")
        if self.needs_pkce and self.pk and self.signing_pairs.live().exists():
            wrong["needs_pkce"] = _("Its signing pairs cannot use PKCE: revoke them first.")
        if self.refresh_hours is not None and not 1 <= self.refresh_hours <= LONGEST_REFRESH_HOURS:
            wrong["refresh_hours"] = _("From 1 hour to 90 days (2160).")
        others = RelyingParty.objects.filter(client=self.client_id, receives_agents=True).exclude(pk=self.pk)
        if self.receives_agents and self.client_id and others.exists():
            wrong["receives_agents"] = _("Another relying party of this client receives its agents.")
        if wrong:
            raise ValidationError(wrong)

    @property
    def named(self) -> str:
        """The relying party as audit events name it."""
        return f"relying_party:{self.identifier}"


class Use(models.TextChoices):
    """What a registered address is for."""

    REDIRECT = "redirect", "sign-in ends here (redirect_uri)"
    LOGGED_OUT = "logged_out", "log-out ends here (post_logout_redirect_uri)"
    ORIGIN = "origin", "scripts of this origin may call (CORS)"


class RegisteredAddress(models.Model):
    """An address that a relying party registered. It is compared exactly, letter by letter."""

    relying_party = models.ForeignKey(RelyingParty, on_delete=models.CASCADE, related_name="addresses")
    use = models.CharField(max_length=16, choices=Use)
    address = models.CharField(max_length=ADDRESS_LENGTH)

    class Meta:
        verbose_name_plural = "registered addresses"
        ordering: ClassVar = ["relying_party", "use", "pk"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["relying_party", "use", "address"], name="address_registered_once"
            ),
            models.CheckConstraint(condition=Q(use__in=Use.values), name="address_use_known"),
            models.CheckConstraint(condition=~Q(address=""), name="registered_address_not_empty"),
        ]

    def __str__(self) -> str:
        return f"{self.use}: {self.address}"

    def clean(self) -> None:
        if why := why_not_address(self.address, origin=self.use == Use.ORIGIN):
            raise ValidationError({"address": why})
