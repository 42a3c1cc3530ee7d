"""The administrator's groups, for the top menu of every console page."""

from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from groups.models import Group

THEMES = ("light", "dark")


def navigation(request: HttpRequest) -> dict[str, Any]:
    """`nav_groups`, asked for only where a page shows them, and the `theme` that the browser was told to keep."""

    def groups() -> list[Group]:
        if not request.user.is_authenticated:
            return []
        return list(Group.objects.filter(memberships__administrator=request.user.pk))

    theme = request.COOKIES.get("theme", "")
    return {
        "nav_groups": SimpleLazyObject(groups),
        "theme": theme if theme in THEMES else "",
        "portal_url": settings.PORTAL_URL,
    }
