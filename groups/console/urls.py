"""Addresses of the console. Those of one group begin with its number."""

from django.urls import include, path, re_path

from groups.console import overview

of_group = [
    path("", overview.overview, name="group"),
]

urlpatterns = [
    path("", overview.home, name="home"),
    path("groups/", overview.group_list, name="groups"),
    re_path(r"^groups/(?P<group_id>[0-9]{1,9})/", include(of_group)),
    re_path(r"^refused/(?P<reference>[0-9A-Za-z-]{1,20})/$", overview.reference, name="reference"),
]
