"""Addresses of the console. Those of one group begin with its number; some of them are in tokens/urls.py."""

from django.urls import include, path, re_path

from groups.console import (
    activity,
    administrators,
    agent_editing,
    agent_page,
    agents_bulk,
    agents_list,
    clients,
    dialled_numbers,
    group_settings,
    imports,
    invitation,
    overview,
    tracing,
)

of_group = [
    path("administrators/", administrators.administrators, name="administrators"),
    path("administrators/invite/", administrators.invite_page, name="invite_administrator"),
    re_path(
        r"^administrators/(?P<member_id>[0-9]{1,18})/role/$",
        administrators.role_page,
        name="administrator_role",
    ),
    re_path(
        r"^administrators/(?P<member_id>[0-9]{1,18})/remove/$",
        administrators.remove_page,
        name="remove_administrator",
    ),
    re_path(
        r"^administrators/invitations/(?P<invitation_id>[0-9]{1,18})/resend/$",
        administrators.resend_page,
        name="resend_invitation",
    ),
    re_path(
        r"^administrators/invitations/(?P<invitation_id>[0-9]{1,18})/withdraw/$",
        administrators.withdraw_page,
        name="withdraw_invitation",
    ),
    path("settings/", group_settings.group_settings, name="group_settings"),
    path("settings/statement/", group_settings.statement, name="group_statement"),
    re_path(
        r"^settings/(?P<section>group|access|networks|look)/$",
        group_settings.change,
        name="change_settings",
    ),
    path("activity/", activity.activity, name="activity"),
    path("activity/export/", activity.export, name="activity_export"),
    path("agents/", agents_list.agents, name="agents"),
    path("agents/new/", agent_editing.agent_new, name="agent_new"),
    path("agents/bulk/", agents_bulk.agents_bulk, name="agents_bulk"),
    path("agents/export/", agents_list.agents_export, name="agents_export"),
    path("agents/import/", imports.agent_import, name="agent_import"),
    path("agents/import/template/", imports.agent_import_template, name="agent_import_template"),
    path("agents/roster/", imports.agent_roster, name="agent_roster"),
    re_path(
        r"^agents/imports/(?P<import_id>[0-9]{1,18})/$", imports.agent_import_page, name="agent_import_page"
    ),
    re_path(
        r"^agents/imports/(?P<import_id>[0-9]{1,18})/check/$",
        imports.agent_import_check,
        name="agent_import_check",
    ),
    re_path(
        r"^agents/imports/(?P<import_id>[0-9]{1,18})/apply/$",
        imports.agent_import_apply,
        name="agent_import_apply",
    ),
    re_path(
        r"^agents/imports/(?P<import_id>[0-9]{1,18})/report/$",
        imports.agent_import_report,
        name="agent_import_report",
    ),
    re_path(
        r"^agents/imports/(?P<import_id>[0-9]{1,18})/codes/$",
        imports.agent_import_codes,
        name="agent_import_codes",
    ),
    re_path(r"^agents/(?P<subject>[0-9a-f]{32})/edit/$", agent_editing.agent_edit, name="agent_edit"),
    re_path(
        r"^agents/(?P<subject>[0-9a-f]{32})/end-session/$",
        agent_page.agent_end_session,
        name="agent_end_session",
    ),
    re_path(
        r"^agents/(?P<subject>[0-9a-f]{32})/(?P<act>[a-z-]{1,20})/$", agent_page.agent_act, name="agent_act"
    ),
    path("clients/", clients.group_clients, name="group_clients"),
    path("clients/numbers/", dialled_numbers.dialled_numbers, name="dialled_numbers"),
    path("clients/numbers/add/", dialled_numbers.add_number_page, name="add_number"),
    path("clients/numbers/export/", dialled_numbers.export_numbers, name="export_numbers"),
    path("clients/numbers/import/", dialled_numbers.import_numbers, name="import_numbers"),
    re_path(
        r"^clients/numbers/import/(?P<import_id>[0-9]{1,18})/$",
        dialled_numbers.number_import,
        name="number_import",
    ),
    re_path(
        r"^clients/numbers/import/(?P<import_id>[0-9]{1,18})/faulty/$",
        dialled_numbers.number_import_faults,
        name="number_import_faults",
    ),
    re_path(
        r"^clients/numbers/(?P<number_id>[0-9]{1,18})/$",
        dialled_numbers.change_number_page,
        name="change_number",
    ),
    re_path(
        r"^clients/numbers/(?P<number_id>[0-9]{1,18})/remove/$",
        dialled_numbers.remove_number_page,
        name="remove_number",
    ),
    re_path(r"^clients/(?P<subdomain>[a-z0-9-]{1,63})/$", clients.group_client, name="group_client"),
]

urlpatterns = [
    path("", overview.home, name="home"),
    path("groups/", overview.group_list, name="groups"),
    re_path(r"^invitations/(?P<secret>[^/]{1,100})/$", invitation.invitation, name="invitation"),
    re_path(r"^groups/(?P<group_id>[0-9]{1,9})/", include(of_group)),
    path("refused/", tracing.find_reference, name="find_reference"),
    re_path(r"^refused/(?P<reference>[0-9A-Za-z-]{1,20})/$", tracing.reference, name="reference"),
]
