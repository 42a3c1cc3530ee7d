"""Back office: groups, clients, entitlements, agents and their sessions."""

from typing import Any

from django.contrib import admin, messages
from django.contrib.admin import ModelAdmin, TabularInline
from django.db.models import QuerySet
from django.http import HttpRequest

from accounts.admin import Audited, ReadOnlyAdmin
from groups import standing
from groups.models import (
    Agent,
    AgentCampaign,
    AgentEntitlement,
    AgentSession,
    AgentStatus,
    Campaign,
    Client,
    Department,
    EntitledCampaign,
    EntitledDepartment,
    Entitlement,
    Group,
    Membership,
)
from sso_portal.lib.web import caller_of


class MembershipInline(TabularInline):
    model = Membership
    extra = 0
    autocomplete_fields = ("administrator",)


@admin.register(Group)
class GroupAdmin(Audited, ModelAdmin):
    list_display = ("id", "name", "code", "is_active")
    search_fields = ("name", "code")
    readonly_fields = ("created_at",)
    inlines = (MembershipInline,)


class CampaignInline(TabularInline):
    model = Campaign
    extra = 0


class DepartmentInline(TabularInline):
    model = Department
    extra = 0


@admin.register(Client)
class ClientAdmin(Audited, ModelAdmin):
    list_display = ("subdomain", "name", "hand_off", "is_active", "is_paused")
    list_filter = ("is_active", "is_paused", "hand_off")
    search_fields = ("subdomain", "name")
    readonly_fields = ("created_at",)
    inlines = (DepartmentInline, CampaignInline)


@admin.register(Campaign)
class CampaignAdmin(Audited, ModelAdmin):
    list_display = ("client", "number", "name", "is_active")
    search_fields = ("name", "client__subdomain", "=number")


@admin.register(Department)
class DepartmentAdmin(Audited, ModelAdmin):
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
class EntitlementAdmin(Audited, ModelAdmin):
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
class AgentAdmin(Audited, ModelAdmin):
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

    @admin.action(description="Give an activation code (shown once)")
    def give_activation_code(self, request: HttpRequest, agents: QuerySet[Agent]) -> None:
        for agent in agents.select_related("group")[:20]:
            code = standing.give_activation_code(agent, by=_by(request), caller=caller_of(request))
            self.message_user(request, f"{agent.username}: {code}", messages.SUCCESS)

    @admin.action(description="Unlock after wrong passwords")
    def unlock(self, request: HttpRequest, agents: QuerySet[Agent]) -> None:
        for agent in agents.select_related("group"):
            standing.unlock(agent, by=_by(request), caller=caller_of(request))

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
            standing.set_status(agent, status, by=_by(request), caller=caller_of(request))


class AgentCampaignInline(TabularInline):
    model = AgentCampaign
    extra = 0
    autocomplete_fields = ("campaign",)


@admin.register(AgentEntitlement)
class AgentEntitlementAdmin(Audited, ModelAdmin):
    list_display = ("agent", "entitlement")
    autocomplete_fields = ("agent", "entitlement")
    inlines = (AgentCampaignInline,)


@admin.register(AgentSession)
class AgentSessionAdmin(ReadOnlyAdmin):
    list_display = ("agent", "started_at", "last_seen_at", "ended_at", "end_reason", "address")
    exclude = ("digest",)
    search_fields = ("agent__username_key", "=sid")


def _by(request: HttpRequest) -> str:
    return f"administrator:{request.user.get_username()}"
