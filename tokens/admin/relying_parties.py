"""Back office: relying parties with the addresses that they registered."""

from typing import Any

from django.conf import settings
from django.contrib import admin
from django.contrib.admin import TabularInline
from django.contrib.admin.options import IS_POPUP_VAR
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.admin import Audited
from accounts.backoffice import Shown, caller_here, operator_of, show_once
from tokens.credentials import create_secret
from tokens.models import Algorithm, RegisteredAddress, RelyingParty, RelyingPartySecret, SigningPair


class RegisteredAddressInline(TabularInline):
    model = RegisteredAddress

    def get_extra(self, request: HttpRequest, obj: RelyingParty | None = None, **kwargs: Any) -> int:
        return 0 if obj else 1  # hardly one does without


class ToSee(TabularInline):
    """Rows that have pages of their own to be changed on."""

    extra = 0
    can_delete = False
    show_change_link = True

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class SecretsInline(ToSee):
    model = RelyingPartySecret
    fields = ("prefix", "created_at", "last_used_at", "expires_at", "revoked_at")
    readonly_fields = fields


class SigningPairsInline(ToSee):
    model = SigningPair
    fields = ("name", "prefix", "created_at", "last_used_at", "expires_at", "revoked_at")
    readonly_fields = fields


@admin.register(RelyingParty)
class RelyingPartyAdmin(Audited):
    """The first secret of one that can keep it is made with it."""

    list_display = ("name", "identifier", "client", "is_public", "needs_pkce", "is_active")
    list_filter = ("is_active", "is_public")
    search_fields = ("name", "=identifier", "client__subdomain")
    autocomplete_fields = ("client",)
    readonly_fields = ("identifier", "created_at")
    fieldsets = (
        (None, {"fields": ("client", "name", "identifier", "is_active")}),
        (
            gettext_lazy("Sign-in"),
            {"fields": ("is_public", "needs_pkce", "allows_token_grant", "algorithm")},
        ),
        (
            gettext_lazy("Afterwards"),
            {"fields": ("gives_refresh_tokens", "refresh_hours", "backchannel_logout_uri")},
        ),
        (gettext_lazy("Hand-off"), {"fields": ("receives_agents", "initiate_login_uri")}),
        (None, {"fields": ("created_at",)}),
    )
    inlines = (RegisteredAddressInline, SecretsInline, SigningPairsInline)

    def has_delete_permission(self, request: HttpRequest, obj: RelyingParty | None = None) -> bool:
        return False  # made inactive: what it redeemed stays told

    def get_readonly_fields(self, request: HttpRequest, obj: RelyingParty | None = None) -> Any:
        return (*self.readonly_fields, "client") if obj else self.readonly_fields

    def formfield_for_choice_field(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name == "algorithm":  # by its own name, as the standard writes it
            kwargs["choices"] = [(name, name) for name in Algorithm.values]
        return super().formfield_for_choice_field(db_field, request, **kwargs)

    def get_inlines(self, request: HttpRequest, obj: RelyingParty | None = None) -> Any:
        return self.inlines if obj else (RegisteredAddressInline,)

    def response_add(
        self, request: HttpRequest, obj: RelyingParty, post_url_continue: str | None = None
    ) -> HttpResponse:
        if IS_POPUP_VAR in request.POST:
            return super().response_add(request, obj, post_url_continue)
        issuer = Shown(_("Issuer"), settings.PORTAL_URL)  # asked for in the same breath
        if obj.is_public:
            title = _("The client ID of %(name)s") % {"name": obj.name}
            shown = [issuer, Shown(_("Client ID"), obj.identifier)]
            text = _(
                "Send these to whoever runs that system. They are no secret, and stand on its page here."
            )
            return show_once(request, self.opts, title=title, shown=shown, text=text, is_kept=True)
        made = create_secret(obj, by=operator_of(request), caller=caller_here(request))
        title = _("The client ID and secret of %(name)s") % {"name": obj.name}
        shown = [issuer, *(Shown(*one) for one in made.shown)]
        text = _("Send these to whoever runs that system, the secret by a way that nobody else reads.")
        return show_once(request, self.opts, title=title, shown=shown, text=text)
