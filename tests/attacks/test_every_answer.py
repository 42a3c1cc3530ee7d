"""What every answer of every address carries, whoever asks: the policy, no frame, no store, no referrer."""

import re

import pytest

from sso_portal.lib.web import is_for_software
from tests.attacks.wire import FORM, JSON, Answer, send

pytestmark = pytest.mark.django_db

POLICY = {
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self'",
    "font-src 'self'",
    "connect-src 'self'",
    "object-src 'none'",
    "base-uri 'none'",
    "form-action 'self'",
    "frame-ancestors 'none'",
}
# Every exception, by address; each is proven by the tests of its page.
MAY_SHOW_DATA = {"/accounts/2fa/totp/activate/", "/sso/second-factor", "/api/docs"}
MAY_POST_ONWARD = ("/sso/sign-in", "/sso/password", "/sso/second-factor", "/sso/group", "/oauth/", "/client/")
MAY_BE_FRAMED = {"/bus/", "/bus"}
FRAMED_BY_HEADER_ALONE = {"/sso/group", "/oauth/authorize", "/oauth/singlesignon.php", "/client/"}
KEPT = ("/sso/logo/", "/sso/brand/", "/.well-known/", "/static/")  # the same for everybody
MAY_HIDE_REFERRER = "no-referrer"
MAY_TELL_ITS_ORIGIN = "strict-origin"


def policy_of(answer: Answer) -> set[str]:
    return {directive.strip() for directive in answer["Content-Security-Policy"].split(";")}


def what_is_wrong(address: str, answer: Answer) -> list[str]:
    """What this answer lacks of what every answer has."""
    path = address.partition("?")[0]
    headers = {
        "X-Content-Type-Options": "nosniff",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
    }
    wrong = [name for name, value in headers.items() if answer[name] != value]
    if answer["Referrer-Policy"] not in ("same-origin", MAY_HIDE_REFERRER, MAY_TELL_ITS_ORIGIN):
        wrong.append("Referrer-Policy")
    if "camera=()" not in answer["Permissions-Policy"]:
        wrong.append("Permissions-Policy")
    if not re.fullmatch(r"[0-9A-Z]{4}-[0-9A-Z]{4}-[0-9A-Z]{4}", answer["X-Request-Id"]):
        wrong.append("X-Request-Id")
    is_kept = path.startswith(KEPT)
    if answer["Cache-Control"] != "no-store" and not is_kept:
        wrong.append("Cache-Control")
    if (answer["ETag"] or answer["Last-Modified"]) and not is_kept:
        wrong.append("ETag")
    if answer["Access-Control-Allow-Origin"] or answer["Server"] or answer["X-Powered-By"]:
        wrong.append("what nobody asked for")
    if answer["X-Frame-Options"] != "DENY" and path not in MAY_BE_FRAMED and not _may_frame(path):
        wrong.append("X-Frame-Options")
    return wrong + [f"CSP {rule}" for rule in sorted(_beyond_policy(path, answer))]


def _may_frame(path: str) -> bool:
    return any(path.startswith(start) for start in FRAMED_BY_HEADER_ALONE)


def _beyond_policy(path: str, answer: Answer) -> set[str]:
    """The rules by which this answer differs from the policy, but for those that its address may change."""
    differs = policy_of(answer) ^ POLICY
    if path.rstrip("/") in {known.rstrip("/") for known in MAY_SHOW_DATA}:
        differs = {rule for rule in differs if not rule.startswith("img-src")}
    if path.startswith(MAY_POST_ONWARD):
        differs = {rule for rule in differs if not rule.startswith("form-action")}
    if path in MAY_BE_FRAMED:
        differs = {rule for rule in differs if not rule.startswith("frame-ancestors")}
    return differs


@pytest.mark.parametrize("who", ["nobody", "agent", "person", "owner", "operator"])
def test_every_answer_carries_every_header(world, who):
    faults = []
    for _name, address in world.addresses():
        for method in ("GET", "POST", "PUT"):
            kind = JSON if is_for_software(address) else FORM
            headers = world.cookie(who) | world.credentials(address)
            answer = send(method, address, body=b"{}" if method != "GET" else b"", kind=kind, headers=headers)
            assert answer.status < 500, (method, address)
            faults += [(method, address, answer.status, wrong) for wrong in what_is_wrong(address, answer)]

    assert faults == []
