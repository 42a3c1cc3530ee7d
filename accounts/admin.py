"""Back office: administrators, the audit log (to read), lock-outs."""

import re
from typing import Any

from django.contrib import admin
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.auth.admin import UserAdmin
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest

from accounts import audit
from accounts.ending_sessions import EndReason, end_sessions
from accounts.models import Administrator, Attempt, Event, Release, Seal
from sso_portal.lib.refusals import NOT_FOUND, Refused
from sso_portal.lib.web import caller_of

# How Django's filters ask, and for which values.
FILTERED_BY = {
    "": re.compile(r".{1,254}"),
    "exact": re.compile(r"[\w.-]{1,64}", re.ASCII),
    "id__exact": re.compile(r"[0-9]{1,18}"),
    "isnull": re.compile(r"True|False|0|1"),
    "isempty": re.compile(r"0|1"),
    "gte": re.compile(r"20[0-9]{2}-[0-9T:. +-]{1,40}"),
    "lt": re.compile(r"20[0-9]{2}-[0-9T:. +-]{1,40}"),
}


class Audited(admin.ModelAdmin):
    """Writes whatever the back office adds, changes or deletes into the audit log, in the same transaction.

    Nor does an address here ask what no page of ours offers: some values of it a database cannot count with.
    """

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        """Whether one of the list's own filters asks like this."""
        field, _, how = lookup.partition("__")
        filters = self.get_list_filter(request)
        values = FILTERED_BY.get(how)
        return field in map(_filtered, filters) and values is not None and bool(values.fullmatch(value))

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        """The list; refused where rows were ticked, to do something with them, as which no row could be known."""
        key = self.model._meta.pk
        try:
            for ticked in request.POST.getlist(ACTION_CHECKBOX_NAME):
                key.clean(ticked, None)
        except ValidationError as no_key:
            raise Refused(NOT_FOUND) from no_key
        return super().changelist_view(request, extra_context)

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        return {}

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        fieldsets = super().get_fieldsets(request, obj)
        if obj is not None:
            return fieldsets
        # What is made with the row cannot be shown before.
        told = set(self.readonly_fields)
        return [
            (name, options | {"fields": fields})
            for name, options in fieldsets
            if (fields := [field for field in options["fields"] if field not in told])
        ]

    def construct_change_message(
        self, request: HttpRequest, form: Any, formsets: Any, add: bool = False
    ) -> Any:
        """What was changed; of switches, also to what, and of which row where it is one of the page's lists."""
        message: Any = super().construct_change_message(request, form, formsets, add)
        if add:
            return message
        parts = [part["changed"] for part in message if "changed" in part]
        own = [part for part in parts if "name" not in part]
        listed = [part for part in parts if "name" in part]
        for part in own:
            _tell_switches(part, {name: form.cleaned_data.get(name) for name in form.changed_data})
        rows = [row for formset in formsets or () for row in formset.changed_objects]
        for part, (row, names) in zip(listed, rows, strict=True):  # told in this order
            _tell_switches(part, {name: getattr(row, name, None) for name in names})
            part["row"] = f"{row._meta.model_name}:{row.pk}"
        return message

    def log_addition(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        _record(request, "add", obj, message)
        return super().log_addition(request, obj, message)

    def log_change(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        _record(request, "change", obj, message)
        return super().log_change(request, obj, message)

    def log_deletions(self, request: HttpRequest, queryset: Any) -> Any:
        for obj in queryset:
            _record(request, "delete", obj, "")
        return super().log_deletions(request, queryset)


def _filtered(by: Any) -> str:
    """What one entry of `list_filter` is called in addresses."""
    if isinstance(by, tuple):
        return str(by[0])
    return by if isinstance(by, str) else str(by.parameter_name)


def _tell_switches(part: dict[str, Any], values: dict[str, Any]) -> None:
    if switched := {name: value for name, value in values.items() if isinstance(value, bool)}:
        part["to"] = switched


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


class ReadOnlyAdmin(Audited):
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
