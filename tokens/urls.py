"""Addresses of the agents' ways in, and of the APIs."""

from django.urls import include, re_path

from tokens import launcher, pop
from tokens.console import addresses, integration, keys, overview
from tokens.dialects import native, platform

of_keys = [
    re_path(r"^$", keys.keys, name="keys"),
    re_path(r"^new/$", keys.new_key, name="key_new"),
    re_path(r"^(?P<key_id>[0-9]{1,18})/rotate/$", keys.rotate, name="key_rotate"),
    re_path(r"^(?P<key_id>[0-9]{1,18})/end/$", keys.change_end, name="key_end"),
    re_path(r"^(?P<key_id>[0-9]{1,18})/revoke/$", keys.revoke, name="key_revoke"),
    re_path(r"^addresses/new/$", addresses.new_address, name="address_new"),
    re_path(r"^addresses/(?P<rule_id>[0-9]{1,18})/remove/$", addresses.remove_address, name="address_remove"),
]

of_integration = [
    re_path(r"^$", integration.integration, name="integration"),
    re_path(r"^recent/$", integration.recent, name="integration_recent"),
    re_path(r"^notice/$", integration.notice, name="shift_notice"),
    re_path(r"^simulate/$", integration.simulation, name="simulate"),
]

# A trailing slash is tolerated everywhere that software calls.
urlpatterns = [
    re_path(r"^groups/(?P<group_id>[0-9]{1,9})/$", overview.overview, name="group"),
    re_path(r"^groups/(?P<group_id>[0-9]{1,9})/now/$", overview.now, name="group_now"),
    re_path(r"^groups/(?P<group_id>[0-9]{1,9})/keys/", include(of_keys)),
    re_path(r"^groups/(?P<group_id>[0-9]{1,9})/integration/", include(of_integration)),
    re_path(r"^sso/group/?$", launcher.launcher, name="launcher"),
    re_path(r"^sso/group/(?P<subdomain>[A-Za-z0-9-]{1,63})/?$", pop.pop, name="pop"),
    re_path(r"^sso/enter/?$", pop.enter, name="enter"),
    re_path(r"^api/sso/(?P<subdomain>[A-Za-z0-9-]{1,63})/?$", platform.SsoLogin.as_view(), name="sso_api"),
    re_path(r"^api/sso(/.*)?$", platform.NothingHere.as_view()),
    re_path(r"^api/v1/tokens/redeem/?$", native.RedeemToken.as_view(), name="redeem"),
    re_path(r"^api(/.*)?$", native.NothingHere.as_view()),
]
