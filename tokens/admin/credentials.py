"""Back office: what software shows to be let in. Secrets are made here, and shown that once."""

from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.contrib.admin import TabularInline
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from accounts.admin import Audited
from accounts.backoffice import OnceEach, Shown, ask_first, caller_here, operator_of, show_once, tell_refusal
from sso_portal.lib.refusals import Refused
from sso_portal.lib.secrets import new_secret
from tokens import credentials, keys
from tokens.models import (
    AddressRule,
    ApiCredential,
    ApiKey,
    CredentialAddress,
    GroupKey,
    PlatformKey,
    RelyingPartySecret,
    Scope,
    SigningPair,
    State,
)

OVER = (State.ENDED, State.REVOKED)


class CredentialForm(forms.ModelForm):
    """A new credential, of which there may be two live ones."""

    def validate_unique(self) -> None:
        super().validate_unique()
        if self.instance.pk is None and not self.errors and (why := self._why_not_another()):
            self.add_error(None, why)

    def _why_not_another(self) -> str:
        return credentials.why_not_another(self.instance)


class GroupKeyForm(CredentialForm):
    def _why_not_another(self) -> str:
        return keys.why_not_another(self.instance)


class ApiKeyForm(GroupKeyForm):
    scopes = forms.MultipleChoiceField(choices=Scope.choices, widget=forms.CheckboxSelectMultiple)


class StandingFilter(admin.SimpleListFilter):
    """Those that open their doors, or those that are over."""

    title = gettext_lazy("standing")
    parameter_name = "standing"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("live", gettext_lazy("Live")), ("over", gettext_lazy("Ended or revoked"))]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        live = queryset.model.objects.live()
        if self.value() == "live":
            return queryset.filter(pk__in=live.values("pk"))
        return queryset.exclude(pk__in=live.values("pk")) if self.value() == "over" else queryset


class CredentialAdmin(Audited):
    """Rows are made with a secret, rotated and revoked; never deleted, so that their history stays."""

    form = CredentialForm
    readonly_fields: ClassVar[tuple[str, ...]] = ("prefix", "created_at", "last_used_at", "revoked_at")
    fixed: ClassVar[tuple[str, ...]] = ()  # once it is made
    list_filter = (StandingFilter,)
    actions = ("rotate", "revoke")

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        # What is over cannot be given a new end.
        return super().has_change_permission(request, obj) and (obj is None or obj.state not in OVER)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return (*self.readonly_fields, *self.fixed) if obj else self.readonly_fields

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        if not change:
            obj.shown = self.take_new_secrets(obj)
        super().save_model(request, obj, form, change)

    def response_add(self, request: HttpRequest, obj: Any, post_url_continue: Any = None) -> HttpResponse:
        return self._show(request, obj, obj.shown)

    @admin.action(
        description=gettext_lazy("Rotate: make a new one, let this one end in 7 days"), permissions=["change"]
    )
    def rotate(self, request: HttpRequest, rows: QuerySet[Any]) -> HttpResponse | None:
        if rows.count() != 1:
            messages.error(request, _("Choose the one to rotate."))
            return None
        try:
            made, shown = self.rotate_one(rows[0], request)
        except Refused as refused:
            tell_refusal(request, refused)
            return None
        return self._show(request, made, shown, text=_("The old one works for another 7 days."))

    @admin.action(description=gettext_lazy("Revoke"), permissions=["change"])
    def revoke(self, request: HttpRequest, rows: QuerySet[Any]) -> HttpResponse | None:
        page = ask_first(
            request,
            rows,
            action="revoke",
            title=_("Revoke these?"),
            text=_("They are refused from the next call on. This cannot be taken back."),
            button=_("Revoke"),
        )
        if page is None:
            done = sum(self.revoke_one(row, request) for row in rows)
            told = ngettext("%(n)s was revoked.", "%(n)s were revoked.", done)
            messages.success(request, told % {"n": done})
        return page

    def take_new_secrets(self, obj: Any) -> list[tuple[str, str]]:
        """Give a new row its secrets; what to show of it."""
        return credentials.take_new_secrets(obj)

    def rotate_one(self, obj: Any, request: HttpRequest) -> tuple[Any, list[tuple[str, str]]]:
        """The row that takes over, and what to show of it. Raises Refused."""
        made = credentials.rotate(obj, by=operator_of(request), caller=caller_here(request))
        return made.credential, made.shown

    def revoke_one(self, obj: Any, request: HttpRequest) -> bool:
        """Whether it was worth something until now."""
        return credentials.revoke(obj, by=operator_of(request), caller=caller_here(request))

    def _show(
        self, request: HttpRequest, obj: Any, shown: list[tuple[str, str]], *, text: str = ""
    ) -> TemplateResponse:
        title = _("The new secret of %(name)s") % {"name": obj}
        return show_once(request, self.opts, title=title, shown=[Shown(*one) for one in shown], text=text)


class GroupKeyAdmin(CredentialAdmin):
    """A key of a group's own software."""

    form = GroupKeyForm
    autocomplete_fields = ("group",)
    fixed: ClassVar[tuple[str, ...]] = ("group", "name")
    search_fields = ("name", "prefix", "group__name")
    list_display = ("name", "prefix", "group", "last_used_at", "expires_at", "revoked_at")

    def take_new_secrets(self, obj: GroupKey) -> list[tuple[str, str]]:
        secret = new_secret(obj.PREFIX)
        obj.take(secret)
        return [(_("Key"), secret)]

    def rotate_one(self, obj: GroupKey, request: HttpRequest) -> tuple[Any, list[tuple[str, str]]]:
        overlap = keys.LONGEST_OVERLAP
        new = keys.rotate_key(obj, overlap=overlap, by=operator_of(request), caller=caller_here(request))
        return new.key, [(_("Key"), new.secret)]

    def revoke_one(self, obj: GroupKey, request: HttpRequest) -> bool:
        return keys.revoke_key(obj, by=operator_of(request), caller=caller_here(request))


@admin.register(PlatformKey)
class PlatformKeyAdmin(GroupKeyAdmin):
    """Keys of the SSO API."""


@admin.register(ApiKey)
class ApiKeyAdmin(GroupKeyAdmin):
    """Keys of the native API."""

    form = ApiKeyForm
    fixed = ("group", "name", "scopes")


@admin.register(RelyingPartySecret)
class RelyingPartySecretAdmin(CredentialAdmin):
    list_display = ("prefix", "relying_party", "last_used_at", "expires_at", "revoked_at")
    search_fields = ("prefix", "relying_party__name", "relying_party__client__subdomain")
    autocomplete_fields = ("relying_party",)
    fixed = ("relying_party",)


@admin.register(SigningPair)
class SigningPairAdmin(CredentialAdmin):
    list_display = ("name", "prefix", "relying_party", "last_used_at", "expires_at", "revoked_at")
    search_fields = ("name", "prefix", "relying_party__name", "relying_party__client__subdomain")
    autocomplete_fields = ("relying_party",)
    fixed = ("relying_party", "name")


class NetworksOnce(OnceEach):
    once = ("network",)


class CredentialAddressInline(TabularInline):
    model = CredentialAddress
    formset = NetworksOnce
    extra = 0


@admin.register(ApiCredential)
class ApiCredentialAdmin(CredentialAdmin):
    list_display = ("name", "identifier", "prefix", "last_used_at", "expires_at", "revoked_at")
    search_fields = ("name", "=identifier", "clients__subdomain")
    readonly_fields = ("identifier", *CredentialAdmin.readonly_fields)
    autocomplete_fields = ("clients",)
    fixed = ("name",)
    inlines = (CredentialAddressInline,)


@admin.register(AddressRule)
class AddressRuleAdmin(Audited):
    list_display = ("network", "group", "note")
    autocomplete_fields = ("group",)
