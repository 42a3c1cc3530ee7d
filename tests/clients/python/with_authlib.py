"""Authlib: its Django integration signs in, its session for requests refreshes and revokes.

Its own option for http on this machine: AUTHLIB_INSECURE_TRANSPORT.
"""

import json
from base64 import urlsafe_b64decode
from os import environ as said

import django
from authlib.integrations.base_client import OAuthError
from authlib.integrations.django_client import OAuth
from authlib.integrations.requests_client import OAuth2Session
from django.conf import settings
from django.test import RequestFactory
from telling import begin, did, refused, visit

settings.configure(ALLOWED_HOSTS=["*"])
django.setup()
begin("Authlib")

portal = OAuth().register(
    "portal",
    client_id=said["ID"],
    client_secret=said["SECRET"] or None,
    server_metadata_url=f"{said['OIDC_ISSUER']}/.well-known/openid-configuration",
    client_kwargs={
        "scope": "openid profile email groups call",
        "code_challenge_method": "S256",
        "token_endpoint_auth_method": said["METHOD"],
    },
)
addresses = portal.load_server_metadata()
did("discovery")

start = RequestFactory().get("/sign-in")
start.session = {}
sent = portal.authorize_redirect(start, said["REDIRECT_URI"])
landed = visit(sent["Location"], said["REDIRECT_URI"])
back = RequestFactory().get(landed)
back.session = start.session
tokens = portal.authorize_access_token(back)
subject = tokens["userinfo"]["sub"]
algorithm = json.loads(urlsafe_b64decode(tokens["id_token"].split(".")[0] + "=="))["alg"]
assert algorithm == said["ALGORITHM"]
did(f"code + PKCE, ID token ({algorithm}) checked with the JWKS")

person = portal.userinfo(token=tokens)
assert person["sub"] == subject
assert person["preferred_username"] == said["AGENT_USERNAME"]
did("userinfo")

session = OAuth2Session(
    said["ID"], said["SECRET"] or None, token_endpoint_auth_method=said["METHOD"], token=tokens
)
renewed = session.refresh_token(addresses["token_endpoint"], tokens["refresh_token"])
assert renewed["refresh_token"] != tokens["refresh_token"]
did("refresh")

answer = session.revoke_token(
    addresses["revocation_endpoint"], renewed["refresh_token"], token_type_hint="refresh_token"
)
assert answer.status_code == 200
why = refused(
    OAuthError, lambda: session.refresh_token(addresses["token_endpoint"], renewed["refresh_token"])
)
assert why.error == "invalid_grant", why
did("revoke, then refused")

leaving = RequestFactory().get("/sign-out")
leaving.session = {}
sent = portal.logout_redirect(
    leaving, post_logout_redirect_uri=said["LOGGED_OUT_URI"], id_token_hint=tokens["id_token"]
)
left = visit(sent["Location"], said["LOGGED_OUT_URI"])
back = RequestFactory().get(left)
back.session = leaving.session
portal.validate_logout_response(back)
did("log-out")
