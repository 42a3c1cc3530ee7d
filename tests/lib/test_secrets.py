"""Secrets and the codes that people read out on the telephone."""

import hashlib
import re

from hypothesis import given
from hypothesis import strategies as st

from sso_portal.lib.secrets import canonical_code, digest_of, new_readable_code, new_secret


def test_new_secret_carries_256_bits_behind_its_prefix():
    secret = new_secret("rs_")

    assert re.fullmatch(r"rs_[A-Za-z0-9_-]{43}", secret)


def test_new_secrets_differ():
    assert len({new_secret() for _ in range(100)}) == 100


def test_digest_is_sha_256():
    assert digest_of("pk_x") == hashlib.sha256(b"pk_x").hexdigest()


@given(st.text(alphabet=st.characters(codec=None)))
def test_digest_exists_for_whatever_is_sent(secret):
    assert len(digest_of(secret)) == 64


def test_readable_code_has_no_letters_that_look_like_digits():
    for _ in range(50):
        assert re.fullmatch(r"[0-9A-HJKMNP-TV-Z]{4}(-[0-9A-HJKMNP-TV-Z]{4}){2}", new_readable_code())


def test_code_is_read_however_it_was_typed():
    assert canonical_code(" k7qf 3m2p-x8ta") == "K7QF3M2PX8TA"


def test_code_is_read_with_letters_that_look_like_digits():
    assert canonical_code("oil1-OIL1") == canonical_code("0111-0111")


@given(st.integers(0, 11))
def test_code_with_one_other_letter_is_another_code(place):
    code = canonical_code(new_readable_code())
    other = code[:place] + ("Z" if code[place] != "Z" else "Y") + code[place + 1 :]

    assert canonical_code(other) != code
