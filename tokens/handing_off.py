"""Handing off: how a login reaches the client's CRM. The way is the client's choice, the address its record's."""

from urllib.parse import urlencode

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse

from groups.models import HandOff
from sso_portal.lib.web import NO_REFERRER, allow_forms_to, see_other
from tokens.issuing import IssuedLogin


def hand_off(request: HttpRequest, issued: IssuedLogin) -> HttpResponse:
    """Send the browser into the CRM with its token."""
    response = (
        _form_post(request, issued) if issued.client.hand_off == HandOff.FORM_POST else _redirect(issued)
    )
    response.headers["Referrer-Policy"] = NO_REFERRER
    return response


def address_of(issued: IssuedLogin) -> str:
    """The login address for software that cannot follow a hand-off itself: the CRM's, or the portal's entrance."""
    if issued.client.hand_off == HandOff.REDIRECT:
        return f"{issued.client.login_url}?{urlencode({'token': issued.secret})}"
    entrance = reverse("enter", urlconf=settings.ROOT_URLCONF)  # asked for at a client's host name, perhaps
    return f"{settings.PORTAL_URL}{entrance}?{urlencode({'token': issued.secret})}"


def _redirect(issued: IssuedLogin) -> HttpResponse:
    return see_other(f"{issued.client.login_url}?{urlencode({'token': issued.secret})}")


def _form_post(request: HttpRequest, issued: IssuedLogin) -> HttpResponse:
    context = {
        "action": issued.client.login_url,
        "fields": {"token": issued.secret},
        "client_name": issued.client.name,
    }
    response = render(request, "tokens/form_post.html", context)
    allow_forms_to(response, issued.client.origins)
    return response
