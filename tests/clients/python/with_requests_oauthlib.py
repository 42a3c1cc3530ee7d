"""requests-oauthlib: OAuth alone. It knows neither discovery nor log-out: their addresses are built by hand.

Its own option for http on this machine: OAUTHLIB_INSECURE_TRANSPORT.
"""

from os import environ as said
from urllib.parse import urlencode

from oauthlib.oauth2 import InvalidGrantError, WebApplicationClient
from requests.auth import HTTPBasicAuth
from requests_oauthlib import OAuth2Session
from telling import begin, did, refused, visit

begin("requests-oauthlib")

client = WebApplicationClient(said["ID"])
session = OAuth2Session(
    client=client,
    redirect_uri=said["REDIRECT_URI"],
    scope=["openid", "profile", "email", "groups", "call"],
    pkce="S256",
)
addresses = session.get(f"{said['OIDC_ISSUER']}/.well-known/openid-configuration", withhold_token=True).json()
did("discovery (by hand)")

secret = said["SECRET"]
basic = HTTPBasicAuth(said["ID"], secret) if said["METHOD"] == "client_secret_basic" else None
in_body = {} if basic else {"client_id": said["ID"]} | ({"client_secret": secret} if secret else {})
address, _ = session.authorization_url(addresses["authorization_endpoint"])
landed = visit(address, said["REDIRECT_URI"])
tokens = session.fetch_token(
    addresses["token_endpoint"],
    authorization_response=landed,
    auth=basic,
    include_client_id=not basic,
    client_secret=None if basic or not secret else secret,
)
did("code + PKCE")

person = session.get(addresses["userinfo_endpoint"]).json()
assert person["preferred_username"] == said["AGENT_USERNAME"], person
did("userinfo")

renewed = session.refresh_token(addresses["token_endpoint"], auth=basic, **in_body)
assert renewed["refresh_token"] != tokens["refresh_token"]
assert session.get(addresses["userinfo_endpoint"]).json()["sub"] == person["sub"]
did("refresh")

where, headers, body = client.prepare_token_revocation_request(
    addresses["revocation_endpoint"], renewed["refresh_token"], token_type_hint="refresh_token"
)
answer = session.post(
    where,
    data=f"{body}&{urlencode(in_body)}",
    headers=headers,
    auth=basic,
    withhold_token=True,
)
assert answer.status_code == 200, answer.text
assert session.get(addresses["userinfo_endpoint"]).status_code == 401
refused(InvalidGrantError, lambda: session.refresh_token(addresses["token_endpoint"], auth=basic, **in_body))
did("revoke, then refused")

hint = {"id_token_hint": tokens["id_token"], "post_logout_redirect_uri": said["LOGGED_OUT_URI"]}
left = visit(f"{addresses['end_session_endpoint']}?{urlencode(hint)}", said["LOGGED_OUT_URI"])
assert left.startswith(said["LOGGED_OUT_URI"])
did("log-out (by hand)")
