"""Back office: keys, address lists, relying parties; login tokens to look at."""

from typing import Any, ClassVar

from django.contrib import admin, messages
from django.contrib.admin import ModelAdmin, TabularInline
from django.http import HttpRequest

from accounts.admin import Audited, ReadOnlyAdmin
from sso_portal.lib.secrets import new_secret
from tokens.models import (
    AddressRule,
    LoginToken,
    PlatformKey,
    RegisteredAddress,
    RelyingParty,
    RelyingPartySecret,
)


class CredentialAdmin(Audited, ModelAdmin):
    """A new secret is made when the row is added, and shown that once."""

    readonly_fields: ClassVar[tuple[str, ...]] = ("prefix", "created_at", "last_used_at")

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False  # revoked, never deleted: its history stays

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        if not change:
            secret = new_secret(obj.PREFIX)
            obj.take(secret)
            self.message_user(request, f"Shown this once: secret {secret}", messages.WARNING)
        super().save_model(request, obj, form, change)


@admin.register(PlatformKey)
class PlatformKeyAdmin(CredentialAdmin):
    list_display = ("name", "prefix", "group", "last_used_at", "expires_at", "revoked_at")
    autocomplete_fields = ("group",)


class RegisteredAddressInline(TabularInline):
    model = RegisteredAddress
    extra = 0


@admin.register(RelyingParty)
class RelyingPartyAdmin(Audited, ModelAdmin):
    list_display = ("name", "identifier", "client", "is_active")
    search_fields = ("name", "=identifier", "client__subdomain")
    autocomplete_fields = ("client",)
    readonly_fields = ("identifier", "created_at")
    inlines = (RegisteredAddressInline,)


@admin.register(RelyingPartySecret)
class RelyingPartySecretAdmin(CredentialAdmin):
    list_display = ("relying_party", "prefix", "last_used_at", "expires_at", "revoked_at")
    autocomplete_fields = ("relying_party",)


@admin.register(AddressRule)
class AddressRuleAdmin(Audited, ModelAdmin):
    list_display = ("network", "group", "note")
    autocomplete_fields = ("group",)


@admin.register(LoginToken)
class LoginTokenAdmin(ReadOnlyAdmin):
    list_display = ("trace", "kind", "agent", "client", "issued_at", "redeemed_at", "redeemed_from")
    exclude = ("digest",)
    search_fields = ("agent__username_key", "client__subdomain")
    show_full_result_count = False
