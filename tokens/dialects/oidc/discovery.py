"""What software reads before it begins: the portal's addresses, abilities and public keys (OpenID Discovery)."""

from typing import Any

from django.conf import settings
from django.http import HttpResponse
from rest_framework.request import Request
from rest_framework.response import Response

from sso_portal.lib.web import keep_for
from tokens import signing_keys
from tokens.dialects.oidc.door import OAuthDoor, OpenToOrigins
from tokens.id_tokens import CLAIMS, SCOPES
from tokens.logins import ONE_FACTOR, TWO_FACTORS
from tokens.models import Algorithm

KEPT = 300  # seconds; much less than a new key is published before it signs
BY_SECRET = ["client_secret_basic", "client_secret_post"]


class Discovery(OpenToOrigins):
    """`/.well-known/openid-configuration` and `/.well-known/oauth-authorization-server` (RFC 8414): the same."""

    action = "oauth.discovery"

    def get(self, request: Request) -> Response:
        response = Response(metadata())
        keep_for(response, seconds=KEPT)
        return response

    head = get


class Keys(OpenToOrigins):
    """`/.well-known/jwks.json`: what others check the portal's signatures with (RFC 7517)."""

    action = "oauth.keys"

    def get(self, request: Request) -> Response:
        response = Response(signing_keys.jwks())
        keep_for(response, seconds=KEPT)
        return response

    head = get


class AnswersKey(OAuthDoor):
    """`/.well-known/answers.pem`: the public half of what answers are signed with (LicenseSignature), by itself."""

    action = "oauth.keys"

    def get(self, request: Request) -> HttpResponse:
        response = HttpResponse(signing_keys.public_pem(), content_type="application/x-pem-file")
        keep_for(response, seconds=KEPT)
        return response

    head = get


def metadata() -> dict[str, Any]:
    """The portal as OpenID Connect Discovery (section 3) and RFC 8414 (section 2) describe it."""
    portal = settings.PORTAL_URL
    return {
        "issuer": portal,
        "authorization_endpoint": f"{portal}/oauth/authorize",
        "token_endpoint": f"{portal}/oauth/token",
        "userinfo_endpoint": f"{portal}/oauth/userinfo",
        "jwks_uri": f"{portal}/.well-known/jwks.json",
        "end_session_endpoint": f"{portal}/oauth/logout",
        "revocation_endpoint": f"{portal}/oauth/revoke",
        "introspection_endpoint": f"{portal}/oauth/introspect",
        "scopes_supported": list(SCOPES),
        "claims_supported": list(CLAIMS),
        "claim_types_supported": ["normal"],
        "claims_parameter_supported": False,
        "request_parameter_supported": False,
        "request_uri_parameter_supported": False,
        "response_types_supported": ["code", "id_token token"],
        "response_modes_supported": ["query", "fragment", "form_post"],
        "grant_types_supported": ["authorization_code", "implicit", "refresh_token"],
        "prompt_values_supported": ["none", "login"],
        "acr_values_supported": [ONE_FACTOR, TWO_FACTORS],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": list(Algorithm.values),
        "code_challenge_methods_supported": ["S256"],
        "token_endpoint_auth_methods_supported": [*BY_SECRET, "none"],
        "revocation_endpoint_auth_methods_supported": [*BY_SECRET, "none"],
        "introspection_endpoint_auth_methods_supported": BY_SECRET,
        "authorization_response_iss_parameter_supported": True,
        "backchannel_logout_supported": True,
        "backchannel_logout_session_supported": True,
    }
