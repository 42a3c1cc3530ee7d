"""Addresses of an administrator's own pages, and of those of allauth's that are ours instead."""

from django.urls import path, re_path

from accounts import profile
from accounts.confirming import confirm

urlpatterns = [
    path("profile/", profile.profile, name="profile"),
    path("profile/sessions/end-others/", profile.end_other_sessions, name="end_other_sessions"),
    re_path(r"^profile/sessions/(?P<number>[0-9]{1,18})/end/$", profile.end_session, name="end_session"),
    # allauth's names for these stand in allauth.urls: reverse("mfa_index"), reverse("mfa_reauthenticate").
    path("accounts/2fa/", profile.second_factors),
    path("accounts/2fa/reauthenticate/", confirm),
]
