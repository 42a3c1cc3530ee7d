"""An administrator's own page: who he is, how he signs in, where he is signed in, how pages look to him."""

from typing import Any

from allauth.mfa.models import Authenticator
from django import forms
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, QueryDict
from django.shortcuts import render
from django.urls import reverse
from django.utils import translation
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_http_methods, require_safe

from accounts import audit
from accounts.devices import device_of
from accounts.ending_sessions import EndReason, end_sessions
from accounts.fresh_factor import behind_fresh_factor
from accounts.models import Administrator, AdministratorSessionQuerySet, Theme
from sso_portal.lib.secrets import digest_of
from sso_portal.lib.text import why_not_text
from sso_portal.lib.times import time_zone_choices
from sso_portal.lib.web import Caller, caller_of, see_other

PREFERENCES = ("full_name", "language", "time_zone", "theme")
METHODS = {  # as sessions keep them
    "password": gettext_lazy("password"),
    "password_reset": gettext_lazy("password reset"),
    "totp": gettext_lazy("authenticator app"),
    "recovery_codes": gettext_lazy("recovery code"),
    "webauthn": gettext_lazy("passkey"),
}


class Choice(forms.ChoiceField):
    """One of several, where leaving it to something else ("") is one of them."""

    empty_values = (None,)


class ProfileForm(forms.Form):
    """What an administrator may say about himself."""

    use_required_attribute = False

    full_name = forms.CharField(
        label=gettext_lazy("Name"), max_length=200, widget=forms.TextInput(attrs={"autocomplete": "name"})
    )
    language = Choice(
        label=gettext_lazy("Language"),
        choices=[("", gettext_lazy("As this browser has it")), *settings.LANGUAGES],
    )
    time_zone = Choice(
        label=gettext_lazy("Time zone"),
        choices=lambda: [("", _("As the group has it")), *time_zone_choices()],
    )
    theme = Choice(
        label=gettext_lazy("Colours"),
        choices=[
            (Theme.SYSTEM, gettext_lazy("As this device has them")),
            (Theme.LIGHT, gettext_lazy("Light")),
            (Theme.DARK, gettext_lazy("Dark")),
        ],
        widget=forms.RadioSelect,
    )

    def clean_full_name(self) -> str:
        name: str = self.cleaned_data["full_name"]
        if why_not_text(name, longest=200):
            raise ValidationError(_("This holds characters that cannot be shown. Type the name anew."))
        return name


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def profile(request: HttpRequest) -> HttpResponse:
    """The profile, and what an administrator changes about himself."""
    administrator = _administrator_of(request)
    if request.method != "POST":
        return _show(request, _form_of(administrator))
    form = _form_of(administrator, request.POST)
    if not form.is_valid():
        return _show(request, form)
    changed = {name: form.cleaned_data[name] for name in form.changed_data}
    save_profile(administrator, changed, caller=caller_of(request))
    with translation.override(administrator.language or translation.get_language()):
        messages.success(request, _("Your profile is saved."))
    return _remembered(see_other(reverse("profile")), administrator)


@login_required
@require_safe
def second_factors(request: HttpRequest) -> HttpResponse:
    """The same page where allauth leads; before the first second factor it is the only one that opens."""
    return _show(request, _form_of(_administrator_of(request)))


@behind_fresh_factor
@require_http_methods(["GET", "HEAD", "POST"])
def end_session(request: HttpRequest, number: str) -> HttpResponseBase:
    """End one of the administrator's other sessions."""
    session = _others_of(request).filter(pk=number).first()
    if session is None:
        raise Http404
    device = device_of(session.agent_header)
    if request.method == "POST":
        _end(request, _others_of(request).filter(pk=number))
        messages.success(request, _("%(device)s is signed out.") % {"device": device})
        return see_other(reverse("profile"))
    context = {
        "title": _("Sign out %(device)s?") % {"device": device},
        "text": _("Whoever sits there has to sign in again. What was typed there and not saved is lost."),
        "button": _("Sign it out"),
    }
    return render(request, "accounts/confirm.html", context)


@behind_fresh_factor
@require_http_methods(["GET", "HEAD", "POST"])
def end_other_sessions(request: HttpRequest) -> HttpResponseBase:
    """End all of the administrator's sessions but this one."""
    if request.method == "POST":
        ended = _end(request, _others_of(request))
        text = ngettext("%(number)d other session ended.", "%(number)d other sessions ended.", ended)
        messages.success(request, text % {"number": ended})
        return see_other(reverse("profile"))
    others = _others_of(request)
    if not others:
        return see_other(reverse("profile"))
    context = {
        "title": _("Sign out everywhere else?"),
        "text": _("These sessions end at once. What was typed there and not saved is lost."),
        "items": [f"{device_of(session.agent_header)}, {session.address}" for session in others],
        "button": _("Sign out everywhere else"),
    }
    return render(request, "accounts/confirm.html", context)


def save_profile(administrator: Administrator, changed: dict[str, Any], *, caller: Caller) -> None:
    """Change what an administrator says about himself."""
    if not changed:
        return
    with transaction.atomic():
        Administrator.objects.filter(pk=administrator.pk).update(**changed)
        audit.record(
            "administrator.update",
            caller=caller,
            actor=f"administrator:{administrator.email}",
            about=f"administrator:{administrator.email}",
            details=changed,
        )
    for name, value in changed.items():
        setattr(administrator, name, value)


def _administrator_of(request: HttpRequest) -> Administrator:
    assert isinstance(request.user, Administrator)  # noqa: S101  (every view here is behind login_required)
    return request.user


def _form_of(administrator: Administrator, typed: QueryDict | None = None) -> ProfileForm:
    return ProfileForm(typed, initial={name: getattr(administrator, name) for name in PREFERENCES})


def _show(request: HttpRequest, form: ProfileForm) -> HttpResponse:
    factors = _factors_of(_administrator_of(request))
    context = {"form": form, "factors": factors, "sessions": _sessions_of(request) if factors["any"] else []}
    return render(request, "accounts/profile.html", context)


def _factors_of(administrator: Administrator) -> dict[str, Any]:
    """His second factors: the app, the keys, the recovery codes."""
    kinds = Authenticator.Type
    rows = list(Authenticator.objects.filter(user=administrator))
    codes = next((row.wrap() for row in rows if row.type == kinds.RECOVERY_CODES), None)
    return {
        "any": bool(rows),
        "app": next((row for row in rows if row.type == kinds.TOTP), None),
        "keys": [row for row in rows if row.type == kinds.WEBAUTHN],
        "codes_left": len(codes.get_unused_codes()) if codes else 0,
        "codes": len(codes.generate_codes()) if codes else 0,
    }


def _sessions_of(request: HttpRequest) -> list[dict[str, Any]]:
    this = digest_of(request.session.session_key or "")
    rows = _administrator_of(request).sessions.live().order_by("-last_seen_at", "-pk")
    return [
        {
            "row": row,
            "device": device_of(row.agent_header),
            "methods": ", ".join(str(METHODS[method]) for method in row.methods if method in METHODS),
            "is_this": row.digest == this,
        }
        for row in rows
    ]


def _others_of(request: HttpRequest) -> AdministratorSessionQuerySet:
    this = digest_of(request.session.session_key or "")
    return _administrator_of(request).sessions.live().exclude(digest=this).order_by("-last_seen_at", "-pk")


def _end(request: HttpRequest, sessions: AdministratorSessionQuerySet) -> int:
    by = f"administrator:{_administrator_of(request).email}"
    return end_sessions(sessions, reason=EndReason.ENDED, by=by, caller=caller_of(request))


def _remembered(response: HttpResponse, administrator: Administrator) -> HttpResponse:
    """The answer, telling this browser how its sign-in pages shall look from now on."""
    chosen = {
        settings.THEME_COOKIE_NAME: administrator.theme,
        settings.LANGUAGE_COOKIE_NAME: administrator.language,
    }
    for name, value in chosen.items():
        if value:
            response.set_cookie(
                name,
                value,
                max_age=settings.LANGUAGE_COOKIE_AGE,
                secure=settings.LANGUAGE_COOKIE_SECURE,
                httponly=settings.LANGUAGE_COOKIE_HTTPONLY,
                samesite="Lax",
            )
        else:
            response.delete_cookie(name, samesite="Lax")
    return response
