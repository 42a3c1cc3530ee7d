"""Every address of the portal."""

from allauth.mfa.totp.views import activate_totp
from csp.decorators import csp_update
from django.contrib import admin
from django.urls import include, path, re_path

from sso_portal import views, watching
from tokens.urls import busy

handler400 = "sso_portal.views.bad_request"
handler403 = "sso_portal.views.forbidden"
handler404 = "sso_portal.views.not_found"
handler429 = "sso_portal.views.too_many"  # asked for by allauth
handler500 = "sso_portal.views.server_error"

urlpatterns = [
    *busy,
    path("healthz", views.healthz, name="healthz"),
    path("readyz", views.readyz, name="readyz"),
    path("metrics", watching.metrics_page, name="metrics"),
    # Its QR code is a data: picture.
    path("accounts/2fa/totp/activate/", csp_update({"img-src": ["data:"]})(activate_totp)),
    # Nobody signs up or changes his address: operators register administrators.
    re_path(r"^accounts/(?:signup|email|confirm-email|inactive)/", views.nothing_here),
    path("", include("accounts.urls")),
    path("accounts/", include("allauth.urls")),
    path("backoffice/", admin.site.urls),
    path("", include("groups.urls")),
    path("", include("tokens.urls")),
]
