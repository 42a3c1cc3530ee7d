"""Addresses of the portal's own API, below /api/. A trailing slash is tolerated.

(That of redemptions is busy: tokens/urls.py.)
"""

from django.urls import re_path

from tokens.dialects.native.agents import ActOnAgent, Agents, OneAgent
from tokens.dialects.native.agents_bulk import BulkOfAgents
from tokens.dialects.native.document import Document
from tokens.dialects.native.entitlements import Entitlements
from tokens.dialects.native.events import Events
from tokens.dialects.native.logins import Logins
from tokens.dialects.native.page import Page

ONE = r"^v1/agents/(?P<subject>[0-9a-f]{32})"
ACTS = "|".join(ActOnAgent.ACTS)

urlpatterns = [
    re_path(r"^v1/agents/?$", Agents.as_view(), name="api_agents"),
    re_path(r"^v1/agents/bulk/?$", BulkOfAgents.as_view(), name="api_agents_bulk"),
    re_path(rf"{ONE}/?$", OneAgent.as_view(), name="api_agent"),
    re_path(rf"{ONE}/(?P<act>{ACTS})/?$", ActOnAgent.as_view(), name="api_agent_act"),
    re_path(r"^v1/logins/?$", Logins.as_view(), name="api_logins"),
    re_path(r"^v1/events/?$", Events.as_view(), name="api_events"),
    re_path(r"^v1/entitlements/?$", Entitlements.as_view(), name="api_entitlements"),
    re_path(r"^schema/?$", Document.as_view(), name="api_schema"),
    re_path(r"^docs/?$", Page.as_view(), name="api_docs"),
]
