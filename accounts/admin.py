"""Back office: administrators, the audit log (to read), lock-outs."""

from typing import Any

from allauth.account.decorators import secure_admin_login
from django.contrib import admin
from django.contrib.auth.admin import UserAdmin
from django.db.models import QuerySet
from django.http import HttpRequest

from accounts import audit
from accounts.backoffice import View, asking_again
from accounts.ending_sessions import EndReason, end_sessions
from accounts.models import Administrator, Attempt, Event, Release, Seal
from sso_portal.lib.web import caller_of

admin.site.site_header = "Agent Portal back office"
admin.site.site_title = "Back office"
admin.site.index_title = "What the operators keep"
admin.site.login = secure_admin_login(admin.site.login)  # type: ignore[method-assign]  # allauth's documented way

_admin_view = admin.site.admin_view


def admin_view(view: View, cacheable: bool = False) -> View:
    """Every page of the back office, wherever it is made, goes through here: for operators, and asking again."""
    return _admin_view(asking_again(view), cacheable)


admin.site.admin_view = admin_view  # type: ignore[method-assign,assignment]


class Audited:
    """Writes whatever the back office adds, changes or deletes into the audit log, in the same transaction."""

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        fieldsets = super().get_fieldsets(request, obj)  # type: ignore[misc]
        if obj is not None:
            return fieldsets
        # What is made with the row cannot be shown before.
        told = set(self.readonly_fields)  # type: ignore[attr-defined]
        return [
            (name, options | {"fields": fields})
            for name, options in fieldsets
            if (fields := [field for field in options["fields"] if field not in told])
        ]

    def construct_change_message(
        self, request: HttpRequest, form: Any, formsets: Any, add: bool = False
    ) -> Any:
        """What was changed; of switches, also to what."""
        message = super().construct_change_message(request, form, formsets, add)  # type: ignore[misc]
        switched = {name: form.cleaned_data.get(name) for name in form.changed_data}
        switched = {name: value for name, value in switched.items() if isinstance(value, bool)}
        for part in message if switched and not add else []:
            if "changed" in part and "name" not in part["changed"]:  # the row's own, not an inline's
                part["changed"]["to"] = switched
        return message

    def log_addition(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        _record(request, "add", obj, message)
        return super().log_addition(request, obj, message)  # type: ignore[misc]

    def log_change(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        _record(request, "change", obj, message)
        return super().log_change(request, obj, message)  # type: ignore[misc]

    def log_deletions(self, request: HttpRequest, queryset: Any) -> Any:
        for obj in queryset:
            _record(request, "delete", obj, "")
        return super().log_deletions(request, queryset)  # type: ignore[misc]


def _record(request: HttpRequest, verb: str, obj: Any, message: Any) -> None:
    of_group = obj if obj._meta.label == "groups.Group" else getattr(obj, "group", None)
    of_client = obj if obj._meta.label == "groups.Client" else getattr(obj, "client", None)
    of_client = of_client or getattr(getattr(obj, "relying_party", None), "client", None)
    audit.record(
        f"{obj._meta.model_name}.{verb}",
        caller=caller_of(request, door="backoffice"),
        actor=f"administrator:{request.user.get_username()}",
        group=of_group,
        client=of_client,
        about=f"{obj._meta.model_name}:{obj.pk}",
        details={"what": str(obj), "changed": message},
    )


@admin.register(Administrator)
class AdministratorAdmin(Audited, UserAdmin):
    ordering = ("email",)
    list_display = ("email", "full_name", "is_active", "is_staff", "last_login")
    list_filter = ("is_active", "is_staff")
    search_fields = ("email", "full_name")
    readonly_fields = ("last_login", "created_at")
    filter_horizontal = ()
    fieldsets = (
        (None, {"fields": ("email", "full_name", "password")}),
        ("May", {"fields": ("is_active", "is_staff", "is_superuser")}),
        ("Dates", {"fields": ("last_login", "created_at")}),
    )
    add_fieldsets = ((None, {"fields": ("email", "full_name", "usable_password", "password1", "password2")}),)

    def save_model(self, request: HttpRequest, obj: Administrator, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        if not obj.is_active:
            end_sessions(
                obj.sessions.all(),
                reason=EndReason.STOPPED,
                by=f"administrator:{request.user.get_username()}",
                caller=caller_of(request, door="backoffice"),
            )


class ReadOnlyAdmin(Audited, admin.ModelAdmin):
    """To look at, never to change."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(Event)
class EventAdmin(ReadOnlyAdmin):
    list_display = (
        "at",
        "action",
        "outcome",
        "reason",
        "group_id",
        "client",
        "agent",
        "address",
        "reference",
    )
    list_filter = ("outcome", "action", "at")
    search_fields = ("=reference", "=agent", "=client", "=actor")
    show_full_result_count = False


@admin.register(Seal)
class SealAdmin(ReadOnlyAdmin):
    list_display = ("number", "since", "until", "events", "anchor", "sealed_at")
    fields = ("number", "since", "until", "events", "digest", "previous", "anchor", "sealed_at", "version")
    ordering = ("-number",)
    search_fields = ("=anchor",)
    show_full_result_count = False

    def get_queryset(self, request: HttpRequest) -> QuerySet[Seal]:
        return super().get_queryset(request).defer("rows")


@admin.register(Release)
class ReleaseAdmin(ReadOnlyAdmin):
    list_display = ("day", "number", "anchor", "at")
    ordering = ("-day",)
    search_fields = ("=anchor",)


@admin.register(Attempt)
class AttemptAdmin(ReadOnlyAdmin):
    list_display = ("door", "name", "failures", "locked_until")
    search_fields = ("name",)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return True  # deleting the row unlocks the name
