"""A line of the log for each request: what it tells, and what never stands in it."""

import json
import logging
from select import PIPE_BUF

import pytest
from django.urls import URLPattern

from sso_portal.lib.addresses import parse_networks
from sso_portal.lib.logs import TOGETHER, formatter, write_requests
from tokens.urls import urlpatterns

pytestmark = pytest.mark.django_db
PROXY = {"REMOTE_ADDR": "10.0.0.1", "HTTP_X_FORWARDED_FOR": "203.0.113.9"}


class Lines(logging.Handler):
    """Every line, as it is written in production."""

    def __init__(self) -> None:
        super().__init__()
        self.setFormatter(formatter("json"))
        self.records: list[str] = []

    @property
    def written(self) -> list[str]:
        return [line for record in self.records for line in record.splitlines()]

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(self.format(record))

    def of_requests(self) -> list[dict[str, object]]:
        return [line for line in map(json.loads, self.written) if line["event"] == "request"]


@pytest.fixture
def lines(settings, caplog):
    settings.LOG_REQUESTS = True
    handler, root = Lines(), logging.getLogger()
    root.addHandler(handler)
    with caplog.at_level(logging.INFO):
        yield handler
    root.removeHandler(handler)


def test_line_tells_what_was_asked_for_in_words_of_the_portal(client, lines, group):
    answer = client.get(f"/sso/group/demoaws?group={group.pk}")

    (line,) = lines.of_requests()
    assert line.pop("milliseconds") > 0
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "event": "request",
        "level": "info",
        "reference": answer["X-Request-Id"],
        "method": "GET",
        "route": "pop",
        "status": 303,
        "door": "agents",
        "address": "127.0.0.1",
    }


def test_nothing_that_was_sent_stands_in_a_line(client, lines, group):
    said = "said-in-the-request"
    headers = {"User-Agent": said, "Referer": f"http://{said}/", "Authorization": f"Bearer {said}"}
    headers |= {"X-Request-Id": said}

    client.get(f"/sso/group/{said}?group={group.pk}&did={said}&token={said}", headers=headers)
    client.get(f"/accounts/password/reset/key/1-{said}/", headers=headers)
    client.get(f"/{said}", headers=headers)
    client.post("/api/v1/tokens/redeem", {"token": said}, content_type="application/json", headers=headers)

    assert len(lines.of_requests()) == 4
    assert said not in "".join(lines.written)


def test_method_that_nobody_knows_is_not_repeated(client, lines):
    client.generic("ZZZ", "/sso/sign-in")

    assert lines.of_requests()[0]["method"] == "other"


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics", "/static/nothing.css"])
def test_who_watches_and_files_have_no_line(client, lines, path):
    client.get(path)

    assert lines.of_requests() == []


def test_lines_can_be_turned_off(client, lines, settings):
    settings.LOG_REQUESTS = False

    client.get("/sso/sign-in")

    assert lines.of_requests() == []


def test_number_of_a_trusted_proxy_stands_beside_ours(client, lines, settings):
    settings.TRUSTED_PROXIES = parse_networks(["10.0.0.0/8"])

    answer = client.get("/sso/sign-in", HTTP_X_REQUEST_ID="1-67891233-abcdef012345", **PROXY)

    (line,) = lines.of_requests()
    assert (line["reference"], line["proxy_request_id"]) == (
        answer["X-Request-Id"],
        "1-67891233-abcdef012345",
    )


@pytest.mark.parametrize(
    "number", ["short", "x" * 129, "with space in it", 'with"quotes"', "with\nanother line"]
)
def test_number_that_is_none_is_left_out(client, lines, settings, number):
    settings.TRUSTED_PROXIES = parse_networks(["10.0.0.0/8"])

    client.get("/sso/sign-in", HTTP_X_REQUEST_ID=number, **PROXY)

    assert "proxy_request_id" not in lines.of_requests()[0]


def test_lines_that_are_written_as_one_go_undivided_into_a_pipe(lines):
    longest = {
        "reference": "K7QF-3M2P-X8TA",
        "method": "OPTIONS",
        "route": max((each.name or "" for each in urlpatterns if isinstance(each, URLPattern)), key=len),
        "status": 303,
        "milliseconds": 123456.7,
        "door": "signed url",
        "address": "2001:0db8:1111:2222:3333:4444:5555:6666",
        "proxy_request_id": "x" * 128,
    }

    write_requests([(1764000000.123456, longest)] * (TOGETHER + 1))

    assert len(lines.of_requests()) == TOGETHER + 1
    written = [record.encode() for record in lines.records]
    assert [record.count(b"\n") + 1 for record in written] == [TOGETHER, 1]
    assert all(len(record) < PIPE_BUF for record in written)
