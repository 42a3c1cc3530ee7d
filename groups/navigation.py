"""The administrator's groups, for the top menu of every console page."""

from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from accounts.middleware import OTHER_DOORS
from accounts.models import Administrator
from groups.models import Group

THEMES = ("light", "dark")


def navigation(request: HttpRequest) -> dict[str, Any]:
    """`nav_groups`, asked for only where a page shows them; the `theme` that the administrator or his browser keeps."""

    def groups() -> list[Group]:
        if not request.user.is_authenticated:
            return []
        return list(Group.objects.filter(memberships__administrator=request.user.pk))

    return {
        "nav_groups": SimpleLazyObject(groups),
        "theme": _theme(request),
        "portal_url": settings.PORTAL_URL,
    }


def _theme(request: HttpRequest) -> str:
    user = None if request.path.startswith(OTHER_DOORS) else getattr(request, "user", None)
    theme = (
        user.theme if isinstance(user, Administrator) else request.COOKIES.get(settings.THEME_COOKIE_NAME, "")
    )
    return theme if theme in THEMES else ""
