"""Whatever reads what others wrote, given anything: an answer or a refusal, never an exception, and nothing in between.

What each accepts lies within its grammar, and means the same when it is read again.
"""

import base64
import json
import re
import time
from collections.abc import Callable
from email.utils import formatdate
from ipaddress import ip_address, ip_network
from typing import Any
from urllib.parse import urlencode

import pytest
from django.conf import settings as configured
from django.http import QueryDict
from django.test import RequestFactory
from hypothesis import HealthCheck, given
from hypothesis import settings as tries
from hypothesis import strategies as st
from rest_framework.request import Request

from groups.destinations import find_place
from groups.models import why_not_path
from groups.targets import Target, seal, unseal
from sso_portal.lib.addresses import client_address, network_of, parse_address
from sso_portal.lib.refusals import Refused
from sso_portal.lib.secrets import canonical_code
from sso_portal.lib.telephone import Dialled, NotANumber, e164
from sso_portal.lib.text import BIDI, canonical_name, why_not_text, why_not_username
from sso_portal.lib.web import is_navigation
from sso_portal.wsgi import plain_content_type
from tokens.dialects.base import StrictFormParser, StrictJSONParser, basic_credentials
from tokens.dialects.native.door import bearer_secret
from tokens.dialects.oidc.door import IDENTIFIER, ORIGIN
from tokens.dialects.oidc.exchanging import VERIFIER, challenge_of
from tokens.dialects.oidc.requests import CHALLENGE, SCOPE
from tokens.dialects.sso_url import _is_about_now, _parts
from tokens.id_tokens import granted_scope
from tokens.pop import LONGEST, PLACEHOLDER, PopRequest

# The same examples in every run, so that a failure is one of the change, and not of the day.
many = tries(max_examples=150, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))
anything = st.text(st.characters(exclude_categories=()), max_size=120)
header = st.text(st.characters(max_codepoint=0xFF), max_size=200)  # bytes, read as Latin-1
PROXIES = (ip_network("10.0.0.0/8"), ip_network("fd00::/8"))
addresses = st.ip_addresses().map(str)
hops = st.one_of(
    addresses,
    addresses.map(lambda text: f"{text}:80"),
    addresses.map(lambda text: f"[{text}]"),
    st.ip_addresses(v=4).map(lambda address: f"::ffff:{address}"),
    st.ip_addresses(v=6).map(lambda address: f"{address}%eth0"),
    st.sampled_from(
        ["unknown", "_hidden", "", " ", "010.0.0.1", "10.1", "0x0a000001", "167772161", "for=1.2.3.4"]
    ),
    header,
)


def taken(act: Callable[[], Any]) -> Any:
    """What was read; None where it was refused, which is never anybody's fault but the sender's."""
    try:
        return act()
    except Refused as refused:
        status = refused.refusal.status
    assert 400 <= status < 500
    return None


# --- Addresses -------------------------------------------------------------------------------------------------------


@many
@given(
    peer=addresses | header,
    chain=st.lists(hops, max_size=6),
    name=st.sampled_from(["X_FORWARDED_FOR", "FORWARDED"]),
)
def test_client_address_is_the_peer_a_hop_or_nobody(peer, chain, name):
    found = client_address({"REMOTE_ADDR": peer, f"HTTP_{name}": ",".join(chain)}, PROXIES)

    said = {parse_address(hop) for hop in ",".join(chain).split(",")} | {parse_address(peer)}
    assert found is None or found in said
    is_proxy = any(parse_address(peer) in proxies for proxies in PROXIES if parse_address(peer))
    assert is_proxy or found == parse_address(peer)


@many
@given(real=st.ip_addresses(), forged=st.lists(hops, max_size=6))
def test_whatever_a_client_forges_changes_nothing_behind_a_proxy(real, forged):
    chain = ",".join([*forged, str(real)])
    found = client_address({"REMOTE_ADDR": "10.0.0.1", "HTTP_X_FORWARDED_FOR": chain}, PROXIES)

    plain = parse_address(str(real))
    is_proxy = any(plain in proxies for proxies in PROXIES if plain)
    assert is_proxy or found == plain


@many
@given(text=st.one_of(anything, hops, st.ip_addresses().map(lambda a: f"{a}/{int(a) % 33}")))
def test_network_is_one_and_stays_the_same(text):
    network = network_of(text)

    assert network is None or network_of(str(network)) == network
    assert network is None or "%" not in text


@many
@given(text=anything | hops)
def test_address_is_read_as_the_standard_library_does_or_not_at_all(text):
    found = parse_address(text)

    assert found is None or parse_address(str(found)) == found
    assert found is None or ip_address(text.strip()) in (found, ip_address(text.strip()))
    assert getattr(found, "scope_id", None) is None


# --- What software shows ---------------------------------------------------------------------------------------------


def asked(**headers: str) -> Request:
    return Request(
        RequestFactory().get("/", **{f"HTTP_{name.upper()}": value for name, value in headers.items()})
    )


@many
@given(
    value=header, scheme=st.sampled_from(["", "Basic ", "basic", "BASIC\t", "Bearer ", "Digest ", "Basic  "])
)
def test_credentials_are_read_or_absent(value, scheme):
    request = asked(authorization=scheme + value)

    pair, bearer = basic_credentials(request), bearer_secret(request)
    assert pair is None or ":" not in pair[0]
    assert bearer is None or bearer.strip() == bearer != ""
    assert pair is None or bearer is None


@many
@given(
    name=st.text(st.characters(exclude_characters=":", exclude_categories=["Cs"]), max_size=40),
    password=st.text(st.characters(exclude_categories=["Cs"]), max_size=40),
)
def test_pair_of_basic_comes_back(name, password):
    encoded = base64.b64encode(f"{name}:{password}".encode()).decode()

    assert basic_credentials(asked(authorization=f"Basic {encoded}")) == (name, password)


@many
@given(value=header)
def test_parts_of_a_signed_call_are_read_or_none(value):
    parts = _parts(value)

    assert all(re.fullmatch(r"[a-z]+", name) for name in parts)
    assert all('"' not in text for text in parts.values())


@many
@given(
    parts=st.dictionaries(
        st.from_regex(r"[A-Za-z]{1,8}", fullmatch=True),
        st.text(st.characters(exclude_characters='"', max_codepoint=0x7E), min_size=1),
        max_size=5,
    )
)
def test_parts_of_a_signed_call_come_back(parts):
    written = ",".join(f'{name}="{value}"' for name, value in parts.items())

    lower = [name.lower() for name in parts]
    assert _parts(written) == {n.lower(): "" if lower.count(n.lower()) > 1 else v for n, v in parts.items()}


@many
@given(date=header | st.integers(-(10**12), 10**12).map(str))
def test_date_is_now_or_refused(date):
    if _is_about_now(date):  # nothing but a date of now is one
        assert re.search(r"\d\d:\d\d:\d\d", date)


@many
@given(off=st.integers(-10_000, 10_000))
def test_date_may_be_a_quarter_of_an_hour_off_either_way(off):
    if abs(abs(off) - 900) > 5:
        assert _is_about_now(formatdate(time.time() + off, usegmt=True)) == (abs(off) < 900)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | anything,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(anything, inner, max_size=4),
    max_leaves=12,
)


class Stream:
    def __init__(self, body: bytes) -> None:
        self.body = body

    def read(self, most: int) -> bytes:
        return self.body[:most]


def read_by(parser: Any, body: bytes) -> Any:
    """What the parser makes of it; None where it refuses."""
    return taken(lambda: parser().parse(Stream(body)))


@many
@given(body=st.binary(max_size=200) | json_values.map(lambda value: json.dumps(value).encode()))
def test_json_is_an_object_or_refused(body):
    parsed = read_by(StrictJSONParser, body)

    assert parsed is None or (isinstance(parsed, dict) and json.loads(body) == parsed)


@many
@given(told=st.dictionaries(anything, json_values, max_size=5))
def test_json_object_comes_back(told):
    assert read_by(StrictJSONParser, json.dumps(told).encode()) == told


@many
@given(body=st.binary(max_size=200))
def test_form_is_names_with_one_value_each_or_refused(body):
    parsed = read_by(StrictFormParser, body)

    assert parsed is None or all(
        isinstance(name, str) and isinstance(value, str) for name, value in parsed.items()
    )


@many
@given(
    told=st.dictionaries(
        st.text(st.characters(exclude_categories=["Cs"])),
        st.text(st.characters(exclude_categories=["Cs"])),
        max_size=8,
    )
)
def test_form_comes_back(told):
    assert read_by(StrictFormParser, urlencode(told).encode()) == told


@many
@given(said=header)
def test_content_type_is_reduced_to_one_that_names_no_codec(said):
    plain = plain_content_type(said)

    assert plain_content_type(plain) == plain
    assert "charset" not in plain.lower().partition("boundary=")[0]
    assert re.fullmatch(r'|[\w.+-]+/[\w.+-]+(; boundary="[^"]+")?', plain, re.ASCII)


# --- What telephone systems send -------------------------------------------------------------------------------------


@many
@given(text=anything | st.from_regex(r"\+?[\d() .-]{1,30}", fullmatch=True))
def test_dialled_number_means_numbers_or_nothing(text):
    dialled = Dialled.parse(text)

    assert all(re.fullmatch(r"\+\d{1,20}", number) for number in dialled.international)
    assert all(number.isdecimal() for number in dialled.national)


@many
@given(
    text=anything | st.from_regex(r"(00|\+)?[\d() .-]{1,24}", fullmatch=True),
    country=st.sampled_from(["", "US", "DE"]),
)
def test_number_is_put_into_one_spelling_or_refused(text, country):
    try:
        number = e164(text, country=country)
    except NotANumber:
        return

    assert re.fullmatch(r"\+[0-9]{2,15}", number)
    assert e164(number) == number
    assert number in Dialled.parse(number).international


@many
@given(
    values=st.dictionaries(
        st.sampled_from([*LONGEST, "group", "x"]), st.lists(anything, min_size=1, max_size=2), max_size=6
    ),
    group=anything | st.just("21"),
)
def test_pop_is_read_or_refused(values, group):
    query = QueryDict(mutable=True)
    for name, said in (values | {"group": [group]}).items():
        query.setlist(name, said)
    pop = taken(lambda: PopRequest.parse("demoaws", query))
    if pop is None:
        return

    assert 0 <= pop.group_id < 10**9
    for name, longest in LONGEST.items():
        assert not why_not_text(getattr(pop.call, name), longest=longest)
        assert not PLACEHOLDER.fullmatch(getattr(pop.call, name))


# --- Text and names --------------------------------------------------------------------------------------------------


@many
@given(text=anything)
def test_text_that_is_taken_breaks_no_line_and_turns_no_direction(text):
    if not why_not_text(text, longest=1000):
        assert len(text.splitlines()) <= 1
        assert not BIDI & set(text)
        text.encode()  # a database can keep it


@many
@given(name=anything)
def test_username_that_is_taken_stays_one_name(name):
    if not why_not_username(name, longest=150):
        assert canonical_name(canonical_name(name)) == canonical_name(name)
        assert "\x00" not in canonical_name(name)


@many
@given(typed=anything)
def test_code_is_compared_in_one_spelling(typed):
    canonical_code(canonical_code(typed)).encode("utf-8", "surrogatepass")
    assert canonical_code(typed.replace("i", "1")) == canonical_code(
        typed.replace("i", "I").replace("I", "1")
    )


# --- Where somebody goes ---------------------------------------------------------------------------------------------


@many
@given(sealed=anything | header)
def test_target_that_was_not_sealed_here_is_none(sealed):
    assert unseal(sealed) is None


@many
@given(path=anything, client=anything, tail=st.text("0123456789", max_size=2), flip=st.integers(0, 10_000))
def test_target_comes_back_and_nothing_that_was_changed(path, client, tail, flip):
    target = Target(path, client, tail)
    sealed = seal(target)
    bent = (
        sealed[: flip % len(sealed)]
        + chr(ord(sealed[flip % len(sealed)]) ^ 1)
        + sealed[flip % len(sealed) + 1 :]
    )

    assert unseal(sealed) == target
    assert unseal(bent) in (None, target)  # the last character of Base64 holds bits that say nothing


@many
@given(path=anything | st.from_regex(r"[a-z./\\%?#:@-]{0,40}", fullmatch=True))
def test_path_that_is_taken_stays_in_its_folder(path):
    if not why_not_path(path):
        assert not path.startswith(("/", "\\"))
        assert ".." not in path.partition("?")[0].split("/")
        assert not any(ord(character) < 0x21 for character in path)


@many
@given(text=header)
def test_origins_challenges_and_scopes_are_within_their_grammar(text):
    """What these expressions take is plain ASCII without a space, a quotation mark or a line break."""
    for expression in (IDENTIFIER, ORIGIN, VERIFIER, CHALLENGE):
        if expression.fullmatch(text):
            assert re.fullmatch(r"[\x21-\x7e]+", text)
    if SCOPE.fullmatch(text):
        assert set(granted_scope(text).split()) <= set(text.split())
        assert granted_scope(granted_scope(text)) == granted_scope(text)


@many
@given(verifier=st.from_regex(r"[A-Za-z0-9._~-]{43,128}", fullmatch=True))
def test_challenge_of_a_verifier_is_one(verifier):
    assert VERIFIER.fullmatch(verifier)
    assert CHALLENGE.fullmatch(challenge_of(verifier))


# --- What browsers send ----------------------------------------------------------------------------------------------


@many
@given(
    values=st.dictionaries(st.sampled_from(["SEC_FETCH_MODE", "SEC_FETCH_DEST", "PURPOSE", "X_MOZ"]), header)
)
def test_navigation_is_told_of_any_headers(values):
    request = RequestFactory().get("/", **{f"HTTP_{name}": value for name, value in values.items()})

    assert is_navigation(request) in (True, False)


@pytest.mark.django_db
@tries(many, max_examples=25)
@given(cookie=header, accept=header)
def test_cookies_and_languages_of_any_kind_are_answered(client, cookie, accept):
    names = (configured.AGENT_COOKIE_NAME, configured.SESSION_COOKIE_NAME, "theme", "language", "csrf")
    sent = {"HTTP_COOKIE": "; ".join(f"{name}={cookie}" for name in names), "HTTP_ACCEPT_LANGUAGE": accept}

    assert client.get("/sso/sign-in", **sent).status_code == 200


@pytest.mark.django_db
@tries(many, max_examples=25)
@given(path=anything)
def test_place_of_any_path_is_inside_or_refused(client_company, path):
    place = taken(lambda: find_place(client_company, "sso:custom_redirect", path=path))

    assert place is None or not why_not_path(place.path)
