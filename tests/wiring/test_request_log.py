"""A line of the log for each request: what it tells, and what never stands in it."""

import json
import logging
import os
import subprocess
import sys
import time

import pytest

from sso_portal.lib.addresses import parse_networks
from sso_portal.lib.logs import formatter, requests

pytestmark = pytest.mark.django_db
PROXY = {"REMOTE_ADDR": "10.0.0.1", "HTTP_X_FORWARDED_FOR": "203.0.113.9"}


class Lines(logging.Handler):
    """Every line, as it is written in production."""

    def __init__(self) -> None:
        super().__init__()
        self.setFormatter(formatter("json"))
        self.written: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.written.append(self.format(record))

    def of_requests(self) -> list[dict[str, object]]:
        requests.write()
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


def test_lines_are_written_within_a_moment_of_their_answers(client, lines):
    client.get("/sso/sign-in")

    until = time.monotonic() + 10
    while not lines.written:
        assert time.monotonic() < until
        time.sleep(0.01)


IN_A_PROCESS = """
import os, sys, time
import django
django.setup()
from sso_portal.lib.logs import requests
requests.pause = 60
requests.tell({"reference": "of the parent"})
sys.stderr.flush()
if os.fork() == 0:
    requests.pause = 0
    requests.tell({"reference": "of the child"})
    for _ in range(3000):
        time.sleep(0.01 if requests.waiting else 0)
    os._exit(0)
os.wait()
"""


def test_lines_are_written_in_a_child_process_too_and_when_a_process_ends():
    environment = os.environ | {"LOG_FORMAT": "json", "DJANGO_SETTINGS_MODULE": "sso_portal.settings"}

    done = subprocess.run(
        [sys.executable, "-c", IN_A_PROCESS], env=environment, capture_output=True, text=True, timeout=60
    )

    written = [json.loads(line)["reference"] for line in done.stderr.splitlines()]
    assert written == ["of the child", "of the parent"]
