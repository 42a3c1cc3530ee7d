"""Addresses of the agents' ways in, and of the APIs."""

from django.urls import re_path

from tokens import launcher, pop
from tokens.dialects import native, platform

# A trailing slash is tolerated everywhere that software calls.
urlpatterns = [
    re_path(r"^sso/group/?$", launcher.launcher, name="launcher"),
    re_path(r"^sso/group/(?P<subdomain>[A-Za-z0-9-]{1,63})/?$", pop.pop, name="pop"),
    re_path(r"^sso/enter/?$", pop.enter, name="enter"),
    re_path(r"^api/sso/(?P<subdomain>[A-Za-z0-9-]{1,63})/?$", platform.SsoLogin.as_view(), name="sso_api"),
    re_path(r"^api/sso(/.*)?$", platform.NothingHere.as_view()),
    re_path(r"^api/v1/tokens/redeem/?$", native.RedeemToken.as_view(), name="redeem"),
    re_path(r"^api(/.*)?$", native.NothingHere.as_view()),
]
