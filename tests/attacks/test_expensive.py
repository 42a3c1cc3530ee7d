"""Input that is made to be dear: a mebibyte of the worst, read by each parser, costs a fraction of a second."""

import io
import json
import time
from contextlib import suppress

import pytest
from django.http import HttpRequest
from django.utils.translation import get_language_from_request

from sso_portal.lib.addresses import client_address, network_of, parse_networks
from sso_portal.lib.csvs import UnreadableCSV, read
from sso_portal.lib.hashing import _comparable
from sso_portal.lib.refusals import Refused
from sso_portal.lib.telephone import Dialled, NotANumber, e164
from sso_portal.lib.text import canonical_name, why_not_email, why_not_text, why_not_username
from sso_portal.wsgi import plain_content_type
from tokens.dialects.base import LONGEST_BODY, StrictFormParser, StrictJSONParser
from tokens.dialects.oidc.requests import SCOPE
from tokens.dialects.sso_url import _is_about_now, _parts
from tokens.pop import PLACEHOLDER

MEBIBYTE = LONGEST_BODY
MOST = 2.0  # seconds of this thread's own time: many times what is needed, and far from what an attack would take
HEADERS = 64 * 1024  # what a server takes of headers, and more


def many(piece: str, length: int = MEBIBYTE) -> str:
    return piece * (length // len(piece))


def colliding(count: int) -> bytes:
    """Names whose hashes collide where hashes are not seeded."""
    return json.dumps({f"{2**61 - 1 + n * (2**61 - 1)}": 1 for n in range(count)}).encode()[:MEBIBYTE]


def body(parser, content):
    return lambda: parser().parse(io.BytesIO(content))


PROXIES = parse_networks(["10.0.0.0/8"])
TEXT = many("\ufdfa")  # grows eighteenfold in NFKC
DEAR = {
    "JSON deep": body(StrictJSONParser, b"[" * MEBIBYTE),
    "JSON names": body(StrictJSONParser, colliding(40_000)),
    "JSON number": body(StrictJSONParser, b'{"a": ' + b"9" * (MEBIBYTE - 8) + b"}"),
    "JSON fraction": body(StrictJSONParser, b'{"a": 0.' + b"9" * (MEBIBYTE - 10) + b"}"),
    "JSON escapes": body(StrictJSONParser, b'{"a": "' + b"\\u0041" * (MEBIBYTE // 6 - 2) + b'"}'),
    "form of many fields": body(StrictFormParser, many("a&").encode()),
    "form of one name": body(StrictFormParser, many("a=1&").encode()),
    "form of percents": body(StrictFormParser, many("%25").encode()),
    "CSV of quotes": lambda: read(many('"a""').encode(), most_rows=20_000),
    "CSV of delimiters": lambda: read(many(";").encode(), most_rows=20_000),
    "CSV of lines": lambda: read(many("\n\r").encode(), most_rows=20_000),
    "content type": lambda: plain_content_type("multipart/form-data" + many("; boundary=x y", HEADERS)),
    "boundary of spaces": lambda: plain_content_type(
        "multipart/form-data; boundary=" + many(" ", HEADERS) + "\\"
    ),
    "Authorization": lambda: _parts(many('a="b",', HEADERS)),
    "Authorization that never ends": lambda: _parts("a" * HEADERS),
    "Authorization of spaces": lambda: _parts(many("a= ", HEADERS)),
    "Date": lambda: _is_about_now("Mon, " + many(" 0", HEADERS)),
    "chain of hops": lambda: client_address(
        {"REMOTE_ADDR": "10.0.0.1", "HTTP_X_FORWARDED_FOR": many("10.0.0.2,", HEADERS)}, PROXIES
    ),
    "network": lambda: network_of("1.1.1.1/" + "9" * 4000),
    "dialled number": lambda: Dialled.parse(many("+1 ", HEADERS)),
    "number": lambda: e164(many("(0", HEADERS), country="US"),
    "number that was shortened": lambda: e164("1." + "1" * HEADERS + "E", country="US"),
    "placeholder": lambda: PLACEHOLDER.fullmatch("{{" * (HEADERS // 2)),
    "placeholder in part": lambda: PLACEHOLDER.fullmatch("@" + "a" * HEADERS),
    "scope": lambda: SCOPE.fullmatch(many("a ", HEADERS) + '"'),
    "text": lambda: why_not_text(TEXT, longest=200),
    "username": lambda: why_not_username(TEXT, longest=150),
    "e-mail address": lambda: why_not_email("a@" + many("a.", HEADERS) + "!"),
    "password": lambda: _comparable(TEXT),
    "name": lambda: canonical_name("a\u0300" * 150),
    "languages": lambda: get_language_from_request(_request(many("en;q=0.1,", HEADERS))),
}


def _request(languages: str) -> HttpRequest:
    request = HttpRequest()
    request.META["HTTP_ACCEPT_LANGUAGE"] = languages
    return request


@pytest.mark.parametrize("name", DEAR)
def test_input_that_is_made_to_be_dear_is_not(name):
    began = time.thread_time()

    with suppress(Refused, NotANumber, UnreadableCSV):  # refused is as good, if it is as cheap
        DEAR[name]()

    assert time.thread_time() - began < MOST
