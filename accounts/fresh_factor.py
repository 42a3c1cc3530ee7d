"""Asking for the second factor again before a page that changes who can get in."""

from collections.abc import Callable
from functools import wraps
from typing import Any
from urllib.parse import urlencode

from allauth.account.authentication import get_authentication_records
from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, HttpResponseBase, QueryDict
from django.urls import reverse
from django.utils import timezone

from sso_portal.lib.web import see_other

KEPT = "kept_form"  # in the session: the address of a form that was sent too late, and what was typed into it


View = Callable[..., HttpResponseBase]


def behind_fresh_factor(view: View) -> View:
    """A view of the administrator's own that asks for the second factor again after five minutes."""

    @wraps(view)
    @login_required
    def checked(request: HttpRequest, **named: Any) -> HttpResponseBase:
        if not has_fresh_factor(request):
            return ask_for_second_factor(request)
        return view(request, **named)

    return checked


def has_fresh_factor(request: HttpRequest, *, ahead: int = 0) -> bool:
    """Whether this session showed a second factor within the last five minutes, and `ahead` seconds from now still."""
    oldest = timezone.now().timestamp() + ahead - settings.ACCOUNT_REAUTHENTICATION_TIMEOUT
    records = get_authentication_records(request, request.user)
    return any(record.get("method") == "mfa" and record.get("at", 0) >= oldest for record in records)


def ask_for_second_factor(request: HttpRequest, *, keeps_form: bool = True) -> HttpResponse:
    """Go and ask, then come back; what was typed into a form is kept for `kept_form`, unless it may hold passwords."""
    if request.method == "POST" and keeps_form:
        typed = request.POST.copy()
        typed.pop("csrfmiddlewaretoken", None)
        request.session[KEPT] = [request.path, typed.urlencode()]
    return see_other(f"{reverse('mfa_reauthenticate')}?{urlencode({'next': request.get_full_path()})}")


def is_form_kept(request: HttpRequest, url: str) -> bool:
    """Whether what was typed into the form at this address waits for the second factor."""
    path, _typed = request.session.get(KEPT) or ("", "")
    return bool(path) and path == url.partition("?")[0]


def kept_form(request: HttpRequest) -> QueryDict | None:
    """What was typed into this page's form before the second factor was asked for; told once."""
    path, typed = request.session.get(KEPT) or ("", "")
    if path != request.path:
        return None
    del request.session[KEPT]
    return QueryDict(typed)
