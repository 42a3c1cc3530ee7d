"""JWTs that the portal signed, bent: whoever reads one believes what the portal's own key signed for him, no more."""

import base64
import hmac
import json
import time
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from django.conf import settings
from joserfc.jwk import RSAKey

from tests import factories
from tests.attacks.wire import JSON, send
from tests.attacks.world import LOGGED_OUT, World
from tests.tokens.dialects.oidc.parties import CHALLENGE, REDIRECT_URI, SCOPE
from tokens import signing_keys
from tokens.id_tokens import HAND_OFF_TYPE
from tokens.models import Algorithm, Purpose, SigningKey

pytestmark = pytest.mark.django_db

# --- Who reads one ---------------------------------------------------------------------------------------------------


def id_token(world: World) -> str:
    """The ID token that the client's CRM has of Alice."""
    claims = {"iss": settings.PORTAL_URL, "aud": world.party.identifier, "sub": world.agent.subject}
    return signing_keys.sign(claims | {"sid": world.session.sid, "exp": int(time.time()) + 900})


def id_token_of_the_bus(world: World) -> str:
    typed = json.dumps({"email": "alice", "password": factories.PASSWORD}).encode()
    door = "/bus/api/sign-in"
    answer = send("POST", door, body=typed, kind=JSON, headers=world.credentials(door))
    return str(json.loads(answer.text)["credentials"]["idToken"])


def at_log_out(world: World, token: str) -> bool:
    """Whether somebody whom nobody knows is led on to where this token's audience wants its agents to go."""
    query = urlencode({"id_token_hint": token, "post_logout_redirect_uri": LOGGED_OUT})
    answer = send("GET", f"/oauth/logout?{query}")
    assert (answer.status, answer["Location"]) in ((303, LOGGED_OUT), (400, ""))
    return answer.status == 303


def at_silent_sign_in(world: World, token: str) -> bool:
    """Whether a code is given without a page, for the agent whom the token means."""
    query = {"response_type": "code", "client_id": world.party.identifier, "redirect_uri": REDIRECT_URI}
    query |= {"code_challenge": CHALLENGE, "code_challenge_method": "S256", "scope": SCOPE}
    query |= {"prompt": "none", "id_token_hint": token}
    answer = send("GET", f"/oauth/authorize?{urlencode(query)}", headers=world.cookie("agent"))
    told = parse_qs(urlsplit(answer["Location"]).query)
    assert answer["Location"].startswith(f"{REDIRECT_URI}?"), answer.whole
    assert ("code" in told) != ("error" in told), told
    return "code" in told


def at_bus(world: World, token: str) -> bool:
    """Whether a host's server learns who the agent is."""
    answer = send("GET", "/bus/me", headers={"Authorization": f"Bearer {token}"})
    assert answer.status in (200, 401), answer.whole
    return answer.status == 200


READERS: dict[str, tuple[Callable[[World], str], Callable[[World, str], bool]]] = {
    "log-out": (id_token, at_log_out),
    "silent sign-in": (id_token, at_silent_sign_in),
    "bus": (id_token_of_the_bus, at_bus),
}


@pytest.fixture(params=READERS)
def reader(request: pytest.FixtureRequest, world: World) -> tuple[str, Callable[[str], bool]]:
    """An honest token, and who reads it."""
    make, believes = READERS[request.param]
    return make(world), lambda token: believes(world, token)


# --- What is done to it ----------------------------------------------------------------------------------------------


def packed(value: object) -> str:
    return encoded(json.dumps(value).encode())


def encoded(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


def unpacked(part: str) -> Any:
    return json.loads(base64.urlsafe_b64decode(part + "=="))


@cache
def forgers_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


def by_forger(header: dict[str, Any], claims: str) -> str:
    """Signed with RS256, by somebody else."""
    said = f"{packed(header)}.{claims}"
    return f"{said}.{encoded(forgers_key().sign(said.encode(), padding.PKCS1v15(), hashes.SHA256()))}"


def by_secret(header: dict[str, Any], claims: str, secret: bytes) -> str:
    """Signed with HS256: a shared secret where a key pair is expected."""
    said = f"{packed(header | {'alg': 'HS256'})}.{claims}"
    return f"{said}.{encoded(hmac.digest(secret, said.encode(), 'sha256'))}"


def bent(token: str) -> Iterator[tuple[str, str]]:
    """The same token in every shape in which it is worth nothing, by what was done to it."""
    head, claims, signature = token.split(".")
    header = unpacked(head)
    changed = packed(unpacked(claims) | {"sub": "0" * 32, "exp": 2**33})
    for name in ("none", "None", "nOnE", "NONE", "", None, ["none"], "HS256", "PS256", "ES256", "RS1", 5):
        yield f"alg {name}, unsigned", f"{packed(header | {'alg': name})}.{claims}."
        yield f"alg {name}, signed", f"{packed(header | {'alg': name})}.{claims}.{signature}"
    public = SigningKey.objects.get(kid=header["kid"]).public_key
    pem = RSAKey.import_key(public).as_pem(private=False)
    for number, secret in enumerate((pem, pem.strip(), packed(public).encode(), public["n"].encode(), b"")):
        yield f"public key {number} as a shared secret", by_secret(header, claims, secret)
    for kid in ("unknown", "", "../../../../dev/null", "' OR 1=1 --", "\0", None, 7, ["x"], {"a": 1}):
        yield f"kid {kid!r}", by_forger(header | {"kid": kid}, claims)
    yield "no kid", by_forger({"alg": "RS256", "typ": "JWT"}, claims)
    yield "another key under our kid", by_forger(header, claims)
    own = RSAKey.import_key(forgers_key()).as_dict(private=False)
    yield "a key of its own", by_forger(header | {"jwk": own}, claims)
    yield "a key elsewhere", by_forger(header | {"jku": "https://evil.example/jwks"}, claims)
    yield "a certificate elsewhere", by_forger(header | {"x5u": "https://evil.example/x5c"}, claims)
    yield "a body that is not encoded", by_forger(header | {"b64": False, "crit": ["b64"]}, claims)
    yield "a rule that nobody knows", by_forger(header | {"crit": ["exp"]}, claims)
    elliptic = signing_keys.current(Purpose.TOKENS, Algorithm.ES256).kid
    nought = encoded(b"\0" * 64)  # once a signature of everything, in one of the libraries
    yield (
        "a signature of nought",
        f"{packed({'alg': 'ES256', 'kid': elliptic, 'typ': 'JWT'})}.{claims}.{nought}",
    )
    yield "the key of another algorithm", f"{packed(header | {'kid': elliptic})}.{claims}.{signature}"
    answers = signing_keys.current(Purpose.ANSWERS, Algorithm.RS256)
    said = f"{packed(header | {'kid': answers.kid})}.{claims}"
    standard = signing_keys.signature_of(said.encode())
    yield "the key of signed answers", f"{said}.{encoded(base64.b64decode(standard))}"
    yield "other claims", f"{head}.{changed}.{signature}"
    yield "another header", f"{packed(header | {'cty': 'x'})}.{claims}.{signature}"
    yield "no signature", f"{head}.{claims}."
    yield "half a signature", f"{head}.{claims}.{signature[:40]}"
    for part in ([], None, "alg", 1, ["alg", "b64"], {"alg": {}}, {}):
        yield f"header {part!r}", f"{packed(part)}.{claims}.{signature}"
    for nested in (300, 4000):
        yield f"header {nested} deep", f"{encoded(b'[' * nested)}.{claims}.{signature}"
        yield f"claims {nested} deep", f"{head}.{encoded(b'[' * nested)}.{signature}"
    yield "not text", f"{encoded(bytes(range(128, 200)))}.{claims}.{signature}"
    for shape in ("", ".", "..", "...", f"{head}.{claims}", f"{token}.{signature}", f"{token}.x.y", "a.b.c"):
        yield f"{shape.count('.')} dots of {len(shape)}", shape
    yield "JSON", json.dumps({"protected": head, "payload": claims, "signature": signature})
    yield "huge claims", f"{head}.{packed({'x': 'y' * 5000})}.{signature}"
    yield "huge signature", f"{head}.{claims}.{'A' * 6000}"
    for kind in ("logout+jwt", HAND_OFF_TYPE, "at+jwt", ""):
        yield f"ours, of the kind {kind!r}", signing_keys.sign(unpacked(claims), typ=kind)


def test_token_is_believed_as_it_was_signed(reader):
    """So that the tokens below are refused for what was done to them, and for nothing else."""
    token, believes = reader

    assert believes(token)


def test_token_that_was_bent_is_believed_nowhere(reader):
    token, believes = reader
    tricks = list(bent(token))

    # An empty hint is none: then nothing is said that could be believed.
    assert [trick for trick, told in tricks if told and believes(told)] == []
    assert len(tricks) > 60


def test_token_of_a_withdrawn_key_is_believed_nowhere(reader):
    token, believes = reader
    SigningKey.objects.update(is_withdrawn=True)

    assert not believes(token)


MEANT_FOR_ANOTHER = [
    ("log-out", {"aud": "rp_nobody"}),
    ("log-out", {"aud": ["rp_nobody"]}),
    ("log-out", {"aud": None}),
    ("log-out", {"aud": {"": ""}}),
    ("log-out", {"aud": "bus:1"}),
    ("silent sign-in", {"sub": "0" * 32}),
    ("silent sign-in", {"sub": None}),
    ("silent sign-in", {"sub": ["0" * 32]}),
    ("bus", {"iss": "https://evil.example"}),
    ("bus", {"iss": f"{settings.PORTAL_URL}/"}),
    ("bus", {"iss": [settings.PORTAL_URL]}),
    ("bus", {"aud": "bus:0"}),
    ("bus", {"aud": "rp_nobody"}),
    ("bus", {"aud": None}),
    ("bus", {"exp": 1}),
    ("bus", {"exp": "9999999999"}),
    ("bus", {"exp": True}),
    ("bus", {"exp": None}),
    ("bus", {"jti": "0" * 64}),
    ("bus", {"jti": None}),
    ("bus", {"jti": ["0" * 64]}),
]


@pytest.mark.parametrize(("name", "change"), MEANT_FOR_ANOTHER)
def test_token_of_ours_that_says_something_else_is_not_believed(world, name, change):
    """Signed by the portal, for somebody or some time else."""
    make, believes = READERS[name]
    claims = unpacked(make(world).split(".")[1])

    assert not believes(world, signing_keys.sign(claims | change))
