"""What tests of relying parties share: how they say who they are, and what they bind a code to."""

import base64
from typing import Any
from urllib.parse import quote_plus

from joserfc import jwt
from joserfc.jwk import KeySet

from tests import factories
from tokens import signing_keys
from tokens.dialects.oidc.exchanging import challenge_of

REDIRECT_URI = "https://demoaws.crm.example/callback"
VERIFIER = "v" * 43
CHALLENGE = challenge_of(VERIFIER)
FORM = "application/x-www-form-urlencoded"
SCOPE = "openid profile email groups call"


def basic(name: str, secret: str = factories.SECRET) -> dict[str, str]:
    """The header of client_secret_basic, its parts encoded as RFC 6749, section 2.3.1, wants it."""
    pair = f"{quote_plus(name)}:{quote_plus(secret)}"
    return {"Authorization": "Basic " + base64.b64encode(pair.encode()).decode()}


def read_id_token(token: str) -> Any:
    """An ID token as a relying party reads it: by the keys that are published."""
    return jwt.decode(token, KeySet.import_key_set(signing_keys.jwks()), algorithms=["RS256", "ES256"])


def assert_oauth_error(response: Any, status: int, error: str) -> None:
    """RFC 6749, section 5.2: two words of JSON that nobody stores."""
    body = response.json()
    assert (response.status_code, body["error"]) == (status, error), body
    assert body.keys() == {"error", "error_description"}
    assert response.headers["Content-Type"] == "application/json"
    assert response.headers["Cache-Control"] == "no-store"
    assert not response.cookies
    allowed = set(map(chr, [0x20, 0x21, *range(0x23, 0x5C), *range(0x5D, 0x7F)]))
    assert body["error_description"]
    assert set(body["error_description"]) <= allowed
