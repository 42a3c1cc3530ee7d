"""Back office: what there is to look at, and hardly ever to change."""

from typing import Any

from django.contrib import admin, messages
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from accounts.admin import ReadOnlyAdmin
from accounts.backoffice import ask_first, caller_here, operator_of
from tokens import families
from tokens.models import (
    BusAddress,
    BusSettings,
    FamilyEnd,
    Handoff,
    JobRun,
    LoginToken,
    SigningKey,
    TokenFamily,
)


@admin.register(LoginToken)
class LoginTokenAdmin(ReadOnlyAdmin):
    list_display = ("trace", "kind", "agent", "client", "issued_at", "redeemed_at", "redeemed_from")
    list_select_related = ("agent", "client")
    exclude = ("digest",)
    search_fields = ("agent__username_key", "client__subdomain")
    show_full_result_count = False


@admin.register(TokenFamily)
class TokenFamilyAdmin(ReadOnlyAdmin):
    list_display = ("agent", "relying_party", "started_at", "ends_at", "revoked_at", "end_reason")
    list_select_related = ("agent", "relying_party")
    list_filter = ("end_reason", ("revoked_at", admin.EmptyFieldListFilter))
    search_fields = ("agent__username_key", "=relying_party__identifier", "client__subdomain")
    ordering = ("-pk",)
    show_full_result_count = False
    actions = ("revoke",)

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        """Whether this operator may end families."""
        return bool(request.user.has_perm("tokens.change_tokenfamily"))

    @admin.action(description=gettext_lazy("Revoke"), permissions=["revoke"])
    def revoke(self, request: HttpRequest, rows: QuerySet[TokenFamily]) -> HttpResponse | None:
        page = ask_first(
            request,
            rows,
            action="revoke",
            title=_("Revoke these?"),
            text=_("Their refresh and access tokens are refused from the next call on."),
            button=_("Revoke"),
        )
        if page is None:
            done = 0
            by, caller = operator_of(request), caller_here(request)
            for family in rows.select_related("agent", "group", "client"):
                with transaction.atomic():
                    done += families.revoke(family, FamilyEnd.REPLACED, actor=by, caller=caller)
            told = ngettext("%(n)s was revoked.", "%(n)s were revoked.", done)
            messages.success(request, told % {"n": done})
        return page


class ToldFilter(admin.SimpleListFilter):
    """What became of telling a relying party of a log-out."""

    title = gettext_lazy("log-out")
    parameter_name = "told"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [
            ("failed", gettext_lazy("could not be told")),
            ("failing", gettext_lazy("to be tried again")),
            ("told", gettext_lazy("told")),
        ]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Handoff]) -> QuerySet[Handoff]:
        wanted: dict[str, dict[str, Any]] = {
            "failed": {"given_up_at__isnull": False},
            "failing": {"told_at": None, "given_up_at": None, "next_try_at__isnull": False},
            "told": {"told_at__isnull": False},
        }
        return queryset.filter(**wanted.get(self.value() or "", {}))


@admin.register(Handoff)
class HandoffAdmin(ReadOnlyAdmin):
    """Which relying parties learned of which sessions, and which were told of their end."""

    list_display = (
        "agent",
        "relying_party",
        "started_at",
        "state",
        "told_at",
        "tries",
        "next_try_at",
        "failure",
    )
    list_select_related = ("session__agent", "relying_party")
    list_filter = (ToldFilter,)
    search_fields = (
        "session__agent__username_key",
        "=session__sid",
        "=relying_party__identifier",
        "relying_party__client__subdomain",
    )
    ordering = ("-pk",)
    show_full_result_count = False

    @admin.display(description=gettext_lazy("agent"))
    def agent(self, handoff: Handoff) -> str:
        return str(handoff.session.agent)

    @admin.display(description=gettext_lazy("state"))
    def state(self, handoff: Handoff) -> str:
        return str(handoff.state.label)


@admin.register(JobRun)
class JobRunAdmin(ReadOnlyAdmin):
    """What the worker did last."""

    list_display = ("job", "begun_at", "ended_at", "outcome", "told", "done_at")
    ordering = ("job",)


@admin.register(SigningKey)
class SigningKeyAdmin(ReadOnlyAdmin):
    """Their private halves are never shown; `manage.py rotate_signing_key` makes the next."""

    list_display = ("kid", "purpose", "algorithm", "number", "signs_from", "published_until")
    fields = (
        "kid",
        "purpose",
        "algorithm",
        "number",
        "public_key",
        "created_at",
        "signs_from",
        "published_until",
    )
    ordering = ("purpose", "algorithm", "-number")


@admin.register(BusSettings)
class BusSettingsAdmin(ReadOnlyAdmin):
    """Groups' owners change them in the console."""

    list_display = ("group", "refresh_hours", "gives_legacy_token", "legacy_days")


@admin.register(BusAddress)
class BusAddressAdmin(ReadOnlyAdmin):
    list_display = ("group", "use", "address", "created_at")
    list_filter = ("use",)
    search_fields = ("address", "group__name")
