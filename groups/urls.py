"""Addresses of the group's door, and of the console."""

from django.urls import include, path, re_path

from groups import door, own_factors

urlpatterns = [
    path("", include("groups.console.urls")),
    re_path(r"^sso/sign-in/?$", door.sign_in_page, name="agent_sign_in"),
    path("sso/password", door.choose_password_page, name="agent_choose_password"),
    path("sso/second-factors", own_factors.own_factors_page, name="agent_own_factors"),
    path("sso/second-factor", door.second_factor_page, name="agent_second_factor"),
    re_path(
        r"^sso/logo/(?P<group_id>[0-9]{1,9})/(?P<digest>[0-9a-f]{16})\.png$", door.logo, name="agent_logo"
    ),
    re_path(
        r"^sso/brand/(?P<group_id>[0-9]{1,9})/(?P<digest>[0-9a-f]{16})\.css$",
        door.look,
        name="agent_stylesheet",
    ),
    re_path(r"^sso/sign-out/?$", door.sign_out_page, name="agent_sign_out"),
]
