"""Who may open a page of the console: members of the group, in a role that allows it. Everybody else finds nothing."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponseBase
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from accounts.fresh_factor import ask_for_second_factor, has_fresh_factor
from accounts.models import Administrator
from groups.models import Membership, Permission
from sso_portal.lib.refusals import Refusal, Refused
from sso_portal.lib.times import zone_of

TABS = [  # URL name, label; one that is not there (yet) is left out
    ("group", gettext_noop("Now")),
    ("agents", gettext_noop("Agents")),
    ("group_clients", gettext_noop("Clients")),
    ("integration", gettext_noop("Integration")),
    ("keys", gettext_noop("Keys and addresses")),
    ("activity", gettext_noop("Activity")),
    ("administrators", gettext_noop("Administrators")),
    ("group_settings", gettext_noop("Settings")),
]
View = Callable[..., HttpResponseBase]
ROLE_MISSING = Refusal(
    "role_missing",
    gettext_noop("Your role in this group does not allow this. Its owners can do it, or change your role."),
    403,
)


def administrator_of(request: HttpRequest) -> Administrator:
    """The signed-in administrator, behind `login_required`."""
    assert isinstance(request.user, Administrator)  # noqa: S101  (every view that asks is behind login_required)
    return request.user


def membership_of(request: HttpRequest, group_id: str) -> Membership:
    """The administrator's membership in this group. Raises Http404: a foreign group is a missing one."""
    membership = (
        Membership.objects.select_related("group")
        .filter(group_id=group_id, administrator=administrator_of(request))
        .first()
    )
    if membership is None:
        raise Http404
    membership.administrator = administrator_of(request)
    return membership


def group_page(permission: str = Permission.SEE, *, fresh: bool = False) -> Callable[[View], View]:
    """A view of one group: `view(request, membership, …)`, reached at an address that names `group_id`.

    Foreign groups are missing (404), a role without the permission is refused (403). With `fresh`, the second factor
    is asked for again unless it was shown within the last five minutes. Times are the administrator's own.
    """

    def decorate(view: View) -> View:
        @wraps(view)
        @login_required
        def checked(request: HttpRequest, group_id: str, **named: Any) -> HttpResponseBase:
            membership = membership_of(request, group_id)
            if not membership.may(permission):
                about = {"action": f"console.{view.__name__}", "actor": membership.actor}
                raise Refused(ROLE_MISSING, about | {"group": membership.group})
            if fresh and not has_fresh_factor(request):
                return ask_for_second_factor(request)
            with timezone.override(zone_of(membership.administrator.time_zone, membership.group.time_zone)):
                return view(request, membership, **named)

        return checked

    return decorate


def show(
    request: HttpRequest, membership: Membership, template: str, context: dict[str, Any], status: int = 200
) -> HttpResponseBase:
    """A page of the group. The template is told `group`, `role`, `may` (permissions by name) and the tabs;
    `tab` in the context is the URL name of the one that is open.
    """
    always = {
        "group": membership.group,
        "current_group": membership.group,
        "membership": membership,
        "role": membership.get_role_display(),
        "group_tabs": [(name, _(label)) for name, label in TABS],
        "may": {permission.value: membership.may(permission) for permission in Permission},
    }
    return render(request, template, always | context, status=status)
