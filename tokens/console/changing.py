"""What the pages share that change who may call: the second factor just shown, what was typed, a refusal's place."""

from typing import Any

from django import forms
from django.http import HttpRequest, HttpResponseBase
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from accounts import audit
from accounts.fresh_factor import kept_form
from groups.console.access import group_page, show
from groups.models import Membership, Permission
from sso_portal.lib.refusals import Refused
from sso_portal.lib.web import caller_of, see_other

change_keys = group_page(Permission.MANAGE_KEYS, fresh=True)
asks_and_does = require_http_methods(["GET", "POST"])


def form_of(kind: type[forms.Form], request: HttpRequest) -> forms.Form:
    """The form as it was sent; before that, with what was typed until the second factor was asked for, or what a
    link fills in.
    """
    if request.method == "POST":
        return kind(request.POST)
    typed = kept_form(request) or request.GET
    known = {name: typed[name] for name in kind.base_fields if name in typed}
    return kind(initial=known)


def show_refused(
    request: HttpRequest,
    membership: Membership,
    form: forms.Form,
    refused: Refused,
    template: str,
    context: dict[str, Any],
) -> HttpResponseBase:
    """The form again, with the refusal beside its field; the refusal is recorded."""
    audit.record_refusal(refused, caller=caller_of(request))
    form.add_error(refused.refusal.field or None, refused.refusal.message)
    return show(
        request,
        membership,
        template,
        {"tab": "keys", "form": form} | context,
        status=refused.refusal.status,
    )


def back_to_keys(membership: Membership) -> HttpResponseBase:
    """Go on to the keys and address list of the group."""
    return see_other(reverse("keys", args=[membership.group.pk]))
