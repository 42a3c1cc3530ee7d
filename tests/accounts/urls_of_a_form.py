"""A page with a form that asks for the second factor again; for test_second_factor.py."""

from django.http import HttpRequest, HttpResponse
from django.urls import path

from accounts.fresh_factor import behind_fresh_factor, kept_form
from sso_portal.urls import handler400, handler403, handler404, handler500, urlpatterns

__all__ = ["handler400", "handler403", "handler404", "handler500"]


@behind_fresh_factor
def form(request: HttpRequest) -> HttpResponse:
    if request.method == "POST":
        return HttpResponse("saved")
    kept = kept_form(request)
    return HttpResponse(f"kept: {kept.dict()}" if kept else "empty")


urlpatterns = [path("a-form/", form), *urlpatterns]
