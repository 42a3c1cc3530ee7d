"""The portal's own keys: signing, publishing what others check with, rotating."""

import base64
from datetime import timedelta
from functools import lru_cache
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models.expressions import Combinable
from django.db.models.functions import Now
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, KeySet, RSAKey

from accounts import audit
from sso_portal.lib.encryption import decrypt
from sso_portal.lib.web import Caller
from tokens.models import Algorithm, Purpose, SigningKey

RSA_BITS, CURVE = 2048, "P-256"
USED = {
    (Purpose.TOKENS, Algorithm.RS256),
    (Purpose.TOKENS, Algorithm.ES256),
    (Purpose.ANSWERS, Algorithm.RS256),
}


def sign(claims: dict[str, Any], *, algorithm: str = Algorithm.RS256, typ: str = "JWT") -> str:
    """A signed token (JWS, compact) that says this; `typ` keeps one kind from being taken for another (RFC 8725)."""
    key = current(Purpose.TOKENS, algorithm)
    header = {"alg": algorithm, "kid": key.kid, "typ": typ}
    return jwt.encode(header, claims, _private(key.sealed_key, algorithm), algorithms=[algorithm])


def read(token: str, *, typ: str = "JWT") -> dict[str, Any] | None:
    """What a token says that the portal signed itself, expired or not; None for any other.

    What a withdrawn key signed may be anybody's.
    """
    kept = SigningKey.objects.filter(purpose=Purpose.TOKENS, is_withdrawn=False)
    keys = kept.values_list("public_key", flat=True)
    try:
        known = KeySet.import_key_set({"keys": list(keys)})  # there are none until something was signed
        found = jwt.decode(token, known, algorithms=list(Algorithm.values))
    except (JoseError, ValueError, TypeError, KeyError):
        return None
    return found.claims if found.header.get("typ") == typ else None


def signature_of(body: bytes) -> str:
    """The signature of an answer: RSASSA-PKCS1-v1_5 with SHA-256, Base64."""
    key = current(Purpose.ANSWERS, Algorithm.RS256)
    private = _private(key.sealed_key, key.algorithm).private_key
    assert isinstance(private, RSAPrivateKey)  # noqa: S101  (for the type checker: RS256 has no other keys)
    return base64.b64encode(private.sign(body, padding.PKCS1v15(), hashes.SHA256())).decode()


def public_pem(purpose: str = Purpose.ANSWERS, algorithm: str = Algorithm.RS256) -> str:
    """The public half of the key that signs now, PEM."""
    key = _imported(current(purpose, algorithm).public_key)
    return key.as_pem(private=False).decode()


def jwks() -> dict[str, list[dict[str, Any]]]:
    """The public halves that others may need (RFC 7517): also of keys that nothing was signed with yet."""
    published = SigningKey.objects.published().order_by("purpose", "algorithm", "-number")
    keys = list(published)
    if missing := USED - {(key.purpose, key.algorithm) for key in keys}:
        for purpose, algorithm in missing:
            current(purpose, algorithm)
        keys = list(published.all())
    return {"keys": [key.public_key for key in keys]}


def current(purpose: str, algorithm: str) -> SigningKey:
    """The key that signs now; the first is made when it is asked for."""
    keys = SigningKey.objects.signing(purpose=purpose, algorithm=algorithm)
    return keys.first() or _make_first(purpose, algorithm) or keys[0]


def rotate(
    purpose: str, algorithm: str, *, ahead: timedelta, withdraw: bool = False, by: str, caller: Caller
) -> SigningKey:
    """Make the next key, published at once, to sign once `ahead` has passed: by then everybody has fetched it.

    Those before it stay published as long as something that they signed may be shown; with `withdraw`, for a key that
    leaked, not a moment longer. Raises IntegrityError when somebody else rotates at the same moment.
    """
    present = current(purpose, algorithm)
    starts = Now() + ahead
    until = Now() if withdraw else starts + settings.SIGNING_KEYS_KEPT
    with transaction.atomic():
        keys = SigningKey.objects.filter(purpose=purpose, algorithm=algorithm)
        number = keys.order_by("-number").values_list("number", flat=True)[0] + 1
        made = _new(purpose, algorithm, number=number, signs_from=starts)
        made.save(force_insert=True)
        earlier = keys.filter(number__lt=number)
        if withdraw:
            earlier.update(published_until=until, is_withdrawn=True)
        else:
            earlier.filter(published_until=None).update(published_until=until)
        audit.record(
            "signing_key.rotate",
            caller=caller,
            actor=by,
            about=f"signing_key:{made.kid}",
            details={
                "purpose": str(purpose),
                "algorithm": str(algorithm),
                "replaces": present.kid,
                "signs_in": int(ahead.total_seconds()),
                "withdrawn": withdraw,
            },
        )
    made.refresh_from_db()
    return made


def _make_first(purpose: str, algorithm: str) -> SigningKey | None:
    """The first key; None when somebody else was faster."""
    made = _new(purpose, algorithm, number=1, signs_from=Now())
    try:
        with transaction.atomic():
            made.save(force_insert=True)
    except IntegrityError:
        return None
    return made


def _new(purpose: str, algorithm: str, *, number: int, signs_from: Combinable) -> SigningKey:
    key: RSAKey | ECKey = (
        RSAKey.generate_key(RSA_BITS) if algorithm == Algorithm.RS256 else ECKey.generate_key(CURVE)
    )
    kid = key.thumbprint()
    public = key.as_dict(private=False) | {"kid": kid, "use": "sig", "alg": algorithm}
    row = SigningKey(kid=kid, purpose=purpose, algorithm=algorithm, number=number, signs_from=signs_from)
    row.private_key, row.public_key = key.as_pem(private=True).decode(), public
    return row


@lru_cache(maxsize=16)
def _private(sealed: str, algorithm: str) -> RSAKey | ECKey:
    """By what the database holds, so that a key is decrypted and parsed once a process."""
    pem = decrypt(sealed)
    return RSAKey.import_key(pem) if algorithm == Algorithm.RS256 else ECKey.import_key(pem)


def _imported(public: dict[str, Any]) -> RSAKey | ECKey:
    return RSAKey.import_key(public) if public["kty"] == "RSA" else ECKey.import_key(public)
