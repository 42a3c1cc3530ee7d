"""What a client's host name (`<client>.<CLIENT_DOMAIN>`) serves: the call-center platform's API, and nothing else."""

from django.urls import re_path

from tokens.dialects import platform

handler404 = "sso_portal.views.not_found"
handler500 = "sso_portal.views.server_error"

# Looked through before all others, as `tokens.urls.busy` is.
busy = [re_path(r"^api/sso/?$", platform.SsoLogin.as_view(), name="sso_api")]

urlpatterns = [
    *busy,
    re_path(r"^api(/.*)?$", platform.NothingHere.as_view()),
]
