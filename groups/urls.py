"""Addresses of the group's door, and of the console."""

from django.urls import include, path, re_path

from groups import door

urlpatterns = [
    path("", include("groups.console.urls")),
    re_path(r"^sso/sign-in/?$", door.sign_in_page, name="agent_sign_in"),
    path("sso/password", door.choose_password_page, name="agent_choose_password"),
    re_path(r"^sso/sign-out/?$", door.sign_out_page, name="agent_sign_out"),
]
