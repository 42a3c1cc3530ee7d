"""What pages share about a request."""

import pytest

from sso_portal.lib.refusals import Refused
from sso_portal.lib.web import (
    caller_of,
    is_for_software,
    is_framed,
    is_navigation,
    origin_of,
    same_with_get,
    see_other,
)


@pytest.mark.parametrize(
    ("method", "headers", "expected"),
    [
        ("GET", {}, True),
        ("GET", {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}, True),
        ("GET", {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "iframe"}, True),
        ("GET", {"Sec-Fetch-Mode": "navigate"}, True),
        ("GET", {"Sec-Fetch-Dest": "document"}, True),
        ("GET", {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}, True),
        ("HEAD", {}, False),
        ("GET", {"Sec-Purpose": "prefetch"}, False),
        ("GET", {"Sec-Purpose": "prefetch;prerender"}, False),
        ("GET", {"Purpose": "prefetch"}, False),
        ("GET", {"X-Moz": "prefetch"}, False),
        ("GET", {"Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "empty"}, False),
        ("GET", {"Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"}, False),
        ("GET", {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "object"}, False),
        ("GET", {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "embed"}, False),
        ("GET", {"Sec-Fetch-Dest": "script"}, False),
    ],
)
def test_navigation_as_the_browser_tells(rf, method, headers, expected):
    assert is_navigation(rf.generic(method, "/sso/group/demoaws", headers=headers)) is expected


def test_load_into_a_frame_is_framed(rf):
    assert is_framed(rf.get("/", headers={"Sec-Fetch-Dest": "iframe"}))


def test_load_into_a_tab_is_not_framed(rf):
    assert not is_framed(rf.get("/", headers={"Sec-Fetch-Dest": "document"}))


def test_post_becomes_a_get_with_query_and_body(rf):
    request = rf.post("/sso/group/demoaws?group=21", {"did": "+1 555"})

    assert same_with_get(request) == "/sso/group/demoaws?group=21&did=%2B1+555"


def test_post_without_a_body_becomes_its_own_get(rf):
    assert same_with_get(rf.post("/sso/group/demoaws?group=21")) == "/sso/group/demoaws?group=21"


@pytest.mark.parametrize(
    ("address", "body"),
    [("/x?group=21", "group=22"), ("/x?group=21", "group=21"), ("/x?a=1&a=2", ""), ("/x", "a=1&a=2")],
)
def test_post_with_a_name_given_twice_is_refused(rf, address, body):
    request = rf.post(address, body, content_type="application/x-www-form-urlencoded")

    with pytest.raises(Refused) as caught:
        same_with_get(request)

    assert caught.value.refusal.status == 400


def test_post_that_is_longer_than_an_address_is_refused(rf):
    with pytest.raises(Refused) as caught:
        same_with_get(rf.post("/sso/group/demoaws?group=21", {"did": "1" * 8192}))

    assert caught.value.refusal.status == 413


@pytest.mark.parametrize("path", ["/api", "/includes", "/.well-known", "/api/v1", "/oauth/token", "/bus/me"])
def test_address_of_a_program_is_for_software(path):
    assert is_for_software(path)


@pytest.mark.parametrize("path", ["/", "/apis", "/oauth/authorize", "/includes.php", "/bus"])
def test_address_of_a_page_is_not_for_software(path):
    assert not is_for_software(path)


def test_see_other_is_a_303():
    response = see_other("/there")

    assert (response.status_code, response["Location"]) == (303, "/there")


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://crm.example/login?x=1#y", "https://crm.example"),
        ("http://demoaws.localhost:8001/login", "http://demoaws.localhost:8001"),
    ],
)
def test_origin_of_an_address(url, origin):
    assert origin_of(url) == origin


def test_caller_has_the_peers_address_whatever_it_forwards(rf):
    request = rf.get("/", REMOTE_ADDR="203.0.113.9", headers={"X-Forwarded-For": "127.0.0.1"})

    assert caller_of(request).address_text == "203.0.113.9"


@pytest.mark.parametrize(("path", "door"), [("/sso/sign-in", "agents"), ("/groups/", "main")])
def test_caller_of_a_page_comes_by_the_door_of_its_address(rf, path, door):
    assert caller_of(rf.get(path)).door == door


def test_callers_agent_header_is_cut(rf):
    assert len(caller_of(rf.get("/", headers={"User-Agent": "x" * 999})).agent_header) == 256
