"""Back office: groups, clients, entitlements, agents and their sessions."""

from typing import Any, ClassVar

from django.contrib import admin, messages
from django.contrib.admin import TabularInline
from django.db.models import QuerySet, URLField
from django.http import HttpRequest
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.admin import Audited, ReadOnlyAdmin
from accounts.backoffice import OnceEach, Shown, caller_here, operator_of, show_once
from groups import standing
from groups.models import (
    Agent,
    AgentCampaign,
    AgentEntitlement,
    AgentSession,
    AgentStatus,
    Campaign,
    Client,
    ClientPerson,
    Department,
    Destination,
    EntitledCampaign,
    EntitledDepartment,
    Entitlement,
    Group,
    Membership,
)

MOST_CODES = 20  # on one page


class MembershipInline(TabularInline):
    model = Membership
    extra = 0
    autocomplete_fields = ("administrator",)


@admin.register(Group)
class GroupAdmin(Audited):
    list_display = ("id", "name", "code", "is_active")
    search_fields = ("name", "code")
    readonly_fields = ("created_at",)
    inlines = (MembershipInline,)

    def has_delete_permission(self, request: HttpRequest, obj: Group | None = None) -> bool:
        return False  # made inactive: its history stays

    def save_model(self, request: HttpRequest, obj: Group, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        if not obj.is_active:
            standing.end_sessions_of_group(obj)
        if obj.needs_second_factor:
            standing.end_sessions_without_factor(obj)


class CampaignInline(TabularInline):
    model = Campaign
    extra = 0


class DepartmentInline(TabularInline):
    model = Department
    extra = 0


class OneOwner(OnceEach):
    only_if = "is_owner"
    again = gettext_lazy("A client has one owner.")


class ClientPersonInline(TabularInline):
    model = ClientPerson
    formset = OneOwner
    extra = 0
    can_delete = False  # made inactive: what was issued to somebody stays told


class DestinationInline(TabularInline):
    model = Destination
    extra = 0


@admin.register(Client)
class ClientAdmin(Audited):
    list_display = ("subdomain", "name", "hand_off", "is_active", "is_paused")
    list_filter = ("is_active", "is_paused", "hand_off")
    search_fields = ("subdomain", "name")
    readonly_fields = ("created_at",)
    formfield_overrides: ClassVar[Any] = {URLField: {"assume_scheme": "https"}}
    inlines = (DepartmentInline, CampaignInline, DestinationInline, ClientPersonInline)

    def has_delete_permission(self, request: HttpRequest, obj: Client | None = None) -> bool:
        return False  # made inactive: its history stays


@admin.register(Campaign)
class CampaignAdmin(Audited):
    list_display = ("client", "number", "name", "is_active")
    search_fields = ("name", "client__subdomain", "=number")


@admin.register(Department)
class DepartmentAdmin(Audited):
    list_display = ("client", "number", "name", "is_active")
    search_fields = ("name", "client__subdomain", "=number")


class EntitledDepartmentInline(TabularInline):
    model = EntitledDepartment
    extra = 0
    autocomplete_fields = ("department",)


class EntitledCampaignInline(TabularInline):
    model = EntitledCampaign
    extra = 0
    autocomplete_fields = ("campaign",)


@admin.register(Entitlement)
class EntitlementAdmin(Audited):
    list_display = ("group", "client", "created_at")
    list_filter = ("group",)
    search_fields = ("group__name", "client__subdomain")
    autocomplete_fields = ("group", "client")
    inlines = (EntitledDepartmentInline, EntitledCampaignInline)


class AgentEntitlementInline(TabularInline):
    model = AgentEntitlement
    extra = 0
    autocomplete_fields = ("entitlement",)
    show_change_link = True


@admin.register(Agent)
class AgentAdmin(Audited):
    list_display = ("username", "full_name", "group", "status", "last_signed_in_at")
    list_filter = ("status", "group")
    search_fields = ("username_key", "full_name", "=subject")
    autocomplete_fields = ("group",)
    readonly_fields = ("subject", "provisioned_by", "last_signed_in_at", "last_address", "created_at")
    inlines = (AgentEntitlementInline,)
    actions = ("give_activation_code", "unlock", "suspend", "disable", "enable")

    def has_delete_permission(self, request: HttpRequest, obj: Agent | None = None) -> bool:
        return False  # an agent who leaves is disabled: his history stays

    def get_readonly_fields(self, request: HttpRequest, obj: Agent | None = None) -> Any:
        # The standing changes by the actions, which end sessions and write the audit log; the group never.
        return (*self.readonly_fields, "status", "group") if obj else self.readonly_fields

    def save_model(self, request: HttpRequest, obj: Agent, form: Any, change: bool) -> None:
        standing.end_sessions_of_ended(list(Agent.objects.filter(pk=obj.pk)))
        super().save_model(request, obj, form, change)
        standing.end_sessions_of_ended([obj])

    @admin.action(description="Give an activation code (shown once)")
    def give_activation_code(self, request: HttpRequest, agents: QuerySet[Agent]) -> TemplateResponse | None:
        if agents.count() > MOST_CODES:
            messages.error(request, _("Choose %(n)s at most.") % {"n": MOST_CODES})
            return None
        shown = []
        for agent in agents.select_related("group"):
            code = standing.give_activation_code(agent, by=operator_of(request), caller=caller_here(request))
            shown.append(Shown(agent.username, code))
        text = _("Each lets its agent choose a password, once, within 24 hours.")
        return show_once(request, self.opts, title=_("Activation codes"), shown=shown, text=text)

    @admin.action(description="Unlock after wrong passwords")
    def unlock(self, request: HttpRequest, agents: QuerySet[Agent]) -> None:
        for agent in agents.select_related("group"):
            standing.unlock(agent, by=operator_of(request), caller=caller_here(request))

    @admin.action(description="Suspend")
    def suspend(self, request: HttpRequest, agents: QuerySet[Agent]) -> None:
        self._set(request, agents, AgentStatus.SUSPENDED)

    @admin.action(description="Disable")
    def disable(self, request: HttpRequest, agents: QuerySet[Agent]) -> None:
        self._set(request, agents, AgentStatus.DISABLED)

    @admin.action(description="Enable")
    def enable(self, request: HttpRequest, agents: QuerySet[Agent]) -> None:
        self._set(request, agents, AgentStatus.ACTIVE)

    def _set(self, request: HttpRequest, agents: QuerySet[Agent], status: AgentStatus) -> None:
        for agent in agents.select_related("group"):
            standing.set_status(agent, status, by=operator_of(request), caller=caller_here(request))


class AgentCampaignInline(TabularInline):
    model = AgentCampaign
    extra = 0
    autocomplete_fields = ("campaign",)


@admin.register(AgentEntitlement)
class AgentEntitlementAdmin(Audited):
    list_display = ("agent", "entitlement")
    autocomplete_fields = ("agent", "entitlement")
    inlines = (AgentCampaignInline,)


@admin.register(AgentSession)
class AgentSessionAdmin(ReadOnlyAdmin):
    list_display = ("agent", "started_at", "last_seen_at", "ended_at", "end_reason", "address")
    exclude = ("digest",)
    search_fields = ("agent__username_key", "=sid")
