"""Addresses of the group's door, and of the console."""

from django.urls import path, re_path

from groups import console, door

urlpatterns = [
    path("", console.home, name="home"),
    path("groups/", console.group_list, name="groups"),
    re_path(r"^groups/(?P<group_id>[0-9]{1,9})/$", console.group_page, name="group"),
    re_path(r"^refused/(?P<reference>[0-9A-Za-z-]{1,20})/$", console.reference, name="reference"),
    re_path(r"^sso/sign-in/?$", door.sign_in_page, name="agent_sign_in"),
    path("sso/password", door.choose_password_page, name="agent_choose_password"),
    re_path(r"^sso/sign-out/?$", door.sign_out_page, name="agent_sign_out"),
]
