"""Addresses of the agents' ways in, and of the APIs."""

from collections.abc import Callable

from django.urls import URLPattern, include, re_path

from sso_portal.lib.arrivals import Answer
from sso_portal.lib.metrics import AGENTS_DOOR
from tokens import client_area, launcher, pop
from tokens.console import addresses, agent_page, changing_keys, integration, keys, overview
from tokens.console import bus as bus_console
from tokens.console.key_kinds import API, PLATFORM, Kind
from tokens.dialects import create_sso_token, native, platform, sso_url
from tokens.dialects.bus import calls, me, page, sso
from tokens.dialects.bus import door as bus
from tokens.dialects.oidc import authorize, discovery, introspection, logout, revocation, token, userinfo
from tokens.dialects.oidc import door as oauth


def key_addresses(below: str, kind: Kind) -> list[URLPattern]:
    """The addresses where keys of one kind are changed."""
    one, kwargs = rf"^{below}(?P<key_id>[0-9]{{1,18}})", {"kind": kind}
    return [
        re_path(rf"^{below}new/$", changing_keys.new_key, kwargs, name=f"{kind.name}_new"),
        re_path(rf"{one}/rotate/$", changing_keys.rotate, kwargs, name=f"{kind.name}_rotate"),
        re_path(rf"{one}/end/$", changing_keys.change_end, kwargs, name=f"{kind.name}_end"),
        re_path(rf"{one}/revoke/$", changing_keys.revoke, kwargs, name=f"{kind.name}_revoke"),
    ]


of_keys = [
    re_path(r"^$", keys.keys, name="keys"),
    *key_addresses("", PLATFORM),
    *key_addresses("api/", API),
    re_path(r"^addresses/new/$", addresses.new_address, name="address_new"),
    re_path(r"^addresses/(?P<rule_id>[0-9]{1,18})/remove/$", addresses.remove_address, name="address_remove"),
]

of_integration = [
    re_path(r"^$", integration.integration, name="integration"),
    re_path(r"^recent/$", integration.recent, name="integration_recent"),
    re_path(r"^notice/$", integration.notice, name="shift_notice"),
    re_path(r"^simulate/$", integration.simulation, name="simulate"),
]

of_bus = [
    re_path(r"^$", bus_console.bus, name="bus_page"),
    re_path(r"^addresses/new/$", bus_console.new_address, name="bus_address_new"),
    re_path(
        r"^addresses/(?P<bus_address_id>[0-9]{1,18})/remove/$",
        bus_console.remove_address,
        name="bus_address_remove",
    ),
    re_path(r"^settings/$", bus_console.change, name="bus_settings"),
    re_path(r"^end/$", bus_console.end, name="bus_end"),
]

# A trailing slash is tolerated everywhere that software calls.

# Asked for with every call that comes in: these are looked through before all other addresses of the portal.
busy = [
    re_path(r"^sso/group/(?P<subdomain>[A-Za-z0-9-]{1,63})/?$", pop.pop, name="pop"),
    re_path(r"^api/v1/tokens/redeem/?$", native.RedeemToken.as_view(), name="redeem"),
    re_path(r"^api/sso/(?P<subdomain>[A-Za-z0-9-]{1,63})/?$", platform.SsoLogin.as_view(), name="sso_api"),
]

# What each of these does in one statement, where all is as usual, and its door.
at_once: dict[str, tuple[str, Callable[..., Answer | None]]] = {
    "pop": (AGENTS_DOOR, pop.pop_at_once),
    "redeem": (native.RedeemToken.name, native.redeem_at_once),
    "sso_api": (platform.SsoLogin.name, platform.sso_login_at_once),
}

urlpatterns = [
    re_path(r"^groups/(?P<group_id>[0-9]{1,9})/$", overview.overview, name="group"),
    re_path(r"^groups/(?P<group_id>[0-9]{1,9})/now/$", overview.now, name="group_now"),
    re_path(
        r"^groups/(?P<group_id>[0-9]{1,9})/agents/(?P<subject>[0-9a-f]{32})/$",
        agent_page.agent_page,
        name="agent",
    ),
    re_path(r"^groups/(?P<group_id>[0-9]{1,9})/keys/", include(of_keys)),
    re_path(r"^groups/(?P<group_id>[0-9]{1,9})/integration/", include(of_integration)),
    re_path(r"^groups/(?P<group_id>[0-9]{1,9})/bus/", include(of_bus)),
    re_path(r"^sso/group/?$", launcher.launcher, name="launcher"),
    re_path(r"^sso/enter/?$", pop.enter, name="enter"),
    re_path(r"^oauth/authorize/?$", authorize.authorize, name="oauth_authorize"),
    re_path(r"^oauth/logout/?$", logout.logout, name="oauth_logout"),
    re_path(r"^oauth/token/?$", token.Token.as_view(), name="oauth_token"),
    re_path(r"^oauth/userinfo/?$", userinfo.UserInfo.as_view(), name="oauth_userinfo"),
    re_path(r"^oauth/revoke/?$", revocation.Revoke.as_view(), name="oauth_revoke"),
    re_path(r"^oauth/introspect/?$", introspection.Introspect.as_view(), name="oauth_introspect"),
    re_path(r"^oauth/(?:token|userinfo|revoke|introspect).*$", oauth.NothingHere.as_view()),
    re_path(
        r"^\.well-known/(?:openid-configuration|oauth-authorization-server)/?$", discovery.Discovery.as_view()
    ),
    re_path(r"^\.well-known/jwks\.json/?$", discovery.Keys.as_view(), name="jwks"),
    re_path(r"^\.well-known/answers\.pem/?$", discovery.AnswersKey.as_view(), name="answers_key"),
    re_path(r"^\.well-known(/.*)?$", oauth.NothingHere.as_view()),
    re_path(r"^oauth/singlesignon\.php/?$", client_area.single_sign_on, name="single_sign_on"),
    re_path(r"^client/(?P<subdomain>[A-Za-z0-9-]{1,63})/?$", client_area.client_area, name="client_area"),
    re_path(
        r"^client/(?P<subdomain>[A-Za-z0-9-]{1,63})/(?P<path>.+)$",
        client_area.into_crm,
        name="client_into_crm",
    ),
    re_path(r"^bus/$", page.bus, name="bus"),
    re_path(r"^bus$", page.bus),
    re_path(r"^bus/sso/?$", sso.sso, name="bus_sso"),
    re_path(r"^bus/me/?$", me.Me.as_view(), name="bus_me"),
    re_path(r"^bus/api/register/?$", calls.Register.as_view(), name="bus_register"),
    re_path(r"^bus/api/sign-in/?$", calls.SignIn.as_view(), name="bus_sign_in"),
    re_path(r"^bus/api/code/?$", calls.Code.as_view(), name="bus_code"),
    re_path(r"^bus/api/session/?$", calls.Session.as_view(), name="bus_session"),
    re_path(r"^bus/api/refresh/?$", calls.Refresh.as_view(), name="bus_refresh"),
    re_path(r"^bus/api/sign-out/?$", calls.SignOut.as_view(), name="bus_sign_out"),
    re_path(r"^bus/(?:api|me).*$", bus.NothingHere.as_view()),
    re_path(r"^includes/api\.php/?$", create_sso_token.CreateSsoToken.as_view(), name="create_sso_token"),
    re_path(r"^includes(/.*)?$", create_sso_token.NothingHere.as_view()),
    re_path(r"^api/sso(/.*)?$", platform.NothingHere.as_view()),
    re_path(r"^api/", include("tokens.dialects.native.urls")),
    re_path(r"^api/v4/sso_url/?$", sso_url.SsoUrl.as_view(), name="sso_url"),
    re_path(r"^api/v4(/.*)?$", sso_url.NothingHere.as_view()),
    re_path(r"^api(/.*)?$", native.NothingHere.as_view()),
]
