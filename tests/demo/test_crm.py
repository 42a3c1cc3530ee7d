"""The demo CRM against a stand-in portal, over real HTTP."""

import base64
import json
import os
import subprocess
import sys
from typing import Any

import pytest
from joserfc.jwk import RSAKey

from tests.demo.conftest import ROOT, Browser, Page, Portal, crm, crm_environment, free_ports, logout

TOKEN = "tok-3f9a2c71d0"


# --- A login that is good --------------------------------------------------------------------------------------------


def test_login_by_address_opens_the_customer(browser: Browser, portal: Portal) -> None:
    answer = browser.get(f"/sso/login?token={portal.says(TOKEN)}")
    screen = browser.get("/")

    assert (answer.status, answer.headers["location"]) == (303, "/")
    assert screen.status == 200
    for shown in ("Demo AWS", "Amara Chen", "a.chen115", "Northwind Collections", "NWC, id 21", "1, 2, 3"):
        assert shown in screen.text
    for shown in ("+18005550101", "+12125550142", "c-417", "invoices", "password (pwd)"):
        assert shown in screen.text


def test_login_by_form_opens_the_customer(browser: Browser, portal: Portal) -> None:
    answer = browser.post("/sso/login", f"token={portal.says(TOKEN)}")

    assert (answer.status, answer.headers["location"]) == (303, "/")
    assert "+12125550142" in browser.get("/").text


def test_form_of_another_page_signs_nobody_in(browser: Browser, portal: Portal) -> None:
    answer = browser.post("/sso/login", f"token={portal.says(TOKEN)}", Origin="https://evil.example")

    assert answer.status == 403
    assert portal.asked == []


def test_login_asks_as_the_company_of_the_host(browser: Browser, portal: Portal) -> None:
    browser.host = "sandboxdemo.localhost"
    browser.get(f"/sso/login?token={portal.says(TOKEN, client='sandboxdemo')}")

    assert portal.asked == [("rp-sandbox:secret:2", TOKEN)]
    assert "Sandbox Demo" in browser.get("/").text


def test_login_without_a_call_and_with_every_campaign(browser: Browser, portal: Portal) -> None:
    no_call = {"did": None, "cid": None, "call_id": None, "campaign_id": None}
    told = {"call": no_call, "campaigns": "all", "auth_time": None, "amr": [], "destination": None}
    browser.get(f"/sso/login?token={portal.says(TOKEN, **told)}")
    screen = browser.get("/").text

    for shown in ("Ready for the next call", "<dd>all</dd>", "no factor seen", "not known"):
        assert shown in screen


def test_session_is_seen_by_every_worker(browser: Browser, portal: Portal) -> None:
    browser.get(f"/sso/login?token={portal.says(TOKEN)}")

    assert all("Amara Chen" in browser.get("/").text for _ in range(20))


def test_session_cookie_is_closed_to_scripts_and_other_sites(browser: Browser, portal: Portal) -> None:
    cookie = browser.get(f"/sso/login?token={portal.says(TOKEN)}").headers["set-cookie"]

    assert cookie.endswith("; Path=/; HttpOnly; SameSite=Lax")


def test_next_login_takes_the_place_of_the_last(browser: Browser, portal: Portal) -> None:
    browser.get(f"/sso/login?token={portal.says(TOKEN)}")
    former = Browser(browser.port, cookie=browser.cookie)
    browser.get(f"/sso/login?token={portal.says('tok-2', fullname='Sam Brooks')}")

    assert "Sam Brooks" in browser.get("/").text
    assert "Agents arrive through the portal" in former.get("/").text


def test_session_is_worth_nothing_at_another_company(browser: Browser, portal: Portal) -> None:
    browser.get(f"/sso/login?token={portal.says(TOKEN)}")
    browser.host = "sandboxdemo.localhost"

    assert "Agents arrive through the portal" in browser.get("/").text


def test_sign_out_ends_the_session_itself(browser: Browser, portal: Portal) -> None:
    browser.get(f"/sso/login?token={portal.says(TOKEN)}")
    stolen = Browser(browser.port, cookie=browser.cookie)
    answer = browser.post("/sign-out")

    assert (answer.status, answer.headers["location"]) == (303, "/")
    assert "Agents arrive through the portal" in stolen.get("/").text


# --- Log-outs that the portal tells ----------------------------------------------------------------------------------

TOLD_AT = "/sso/logged-out"


def tell(browser: Browser, token: str) -> Page:
    """Post a logout token as the portal does: from a place of its own, without a cookie."""
    return Browser(browser.port, host="127.0.0.1").post(TOLD_AT, f"logout_token={token}")


def part(said: dict[str, Any]) -> str:
    """A part of a token, as JWS writes it."""
    return base64.urlsafe_b64encode(json.dumps(said).encode()).decode().rstrip("=")


def test_log_out_ends_the_session_and_says_who_did(browser: Browser, portal: Portal) -> None:
    browser.get(f"/sso/login?token={portal.says(TOKEN, sid='s9')}")

    answer = tell(browser, portal.logout_token(sid="s9"))

    assert (answer.status, answer.headers["cache-control"]) == (200, "no-store")
    assert all("Ended by the portal" in browser.get("/").text for _ in range(4))  # at every worker
    assert "Amara Chen" not in browser.get("/").text


def test_log_out_leaves_every_other_session_alone(browser: Browser, portal: Portal) -> None:
    browser.get(f"/sso/login?token={portal.says(TOKEN, sid='s0')}")

    tell(browser, portal.logout_token(sid="s2"))
    tell(browser, portal.logout_token(sid="s0", aud="rp-sandbox"))

    assert "Amara Chen" in browser.get("/").text


def test_log_out_that_overtakes_the_login_holds(browser: Browser, portal: Portal) -> None:
    tell(browser, portal.logout_token(sid="s3"))

    browser.get(f"/sso/login?token={portal.says(TOKEN, sid='s3')}")

    assert "Ended by the portal" in browser.get("/").text


def test_next_login_after_a_log_out_opens_the_customer(browser: Browser, portal: Portal) -> None:
    browser.get(f"/sso/login?token={portal.says(TOKEN, sid='s4')}")
    tell(browser, portal.logout_token(sid="s4"))

    browser.get(f"/sso/login?token={portal.says('tok-2', sid='s5')}")

    assert "Amara Chen" in browser.get("/").text


@pytest.mark.parametrize(
    "changed",
    [{"iss": "https://elsewhere.example"}, {"aud": "rp-other"}, {"aud": None}, {"events": None}, {"events": {}},
     {"events": {"http://schemas.openid.net/event/backchannel-logout": 1}}, {"nonce": "n"}, {"sid": None},
     {"exp": 1}, {"exp": None}, {"iat": 32_503_680_000}, {"typ": "JWT"}],
    ids=str,
)  # fmt: skip
def test_token_that_is_no_log_out_for_us_ends_nothing(
    browser: Browser, portal: Portal, changed: dict[str, Any]
) -> None:
    browser.get(f"/sso/login?token={portal.says(TOKEN, sid='s6')}")

    answer = tell(browser, portal.logout_token(**{"sid": "s6"} | changed))

    assert (answer.status, answer.text) == (400, "This logout token was not accepted.\n")
    assert "Amara Chen" in browser.get("/").text


def test_log_out_that_the_portal_did_not_sign_ends_nothing(browser: Browser, portal: Portal) -> None:
    browser.get(f"/sso/login?token={portal.says(TOKEN, sid='s7')}")
    forged = portal.logout_token(sid="s7", key=RSAKey.generate_key(2048, {"kid": "k1"}))
    head, _, signature = portal.logout_token(sid="s8").split(".")
    unsigned, claims = part({"alg": "none", "typ": "logout+jwt"}), part(logout(portal.url) | {"sid": "s7"})
    tokens = (forged, f"{head}.{claims}.{signature}", f"{unsigned}.{claims}.", "a.b.c")

    answers = [tell(browser, token) for token in tokens]

    assert [answer.status for answer in answers] == [400, 400, 400, 400]
    assert "Amara Chen" in browser.get("/").text


@pytest.mark.parametrize(("body", "status"), [("", 400), ("logout_token=", 400), ("x=" + 9000 * "a", 413)])
def test_request_without_a_logout_token_is_refused(browser: Browser, body: str, status: int) -> None:
    assert browser.post(TOLD_AT, body).status == status


def test_log_out_that_nobody_can_check_is_to_be_told_again(portal: Portal) -> None:
    with crm(f"http://127.0.0.1:{free_ports()}") as port:
        assert tell(Browser(port), portal.logout_token()).status == 502


# --- People of the company -------------------------------------------------------------------------------------------


PERSON = {
    "kind": "person",
    "sub": "person:7",
    "username": "henry.okafor@demoaws.example",
    "fullname": "Henry Okafor",
    "email": "henry.okafor@demoaws.example",
    "group": None,
    "departments": [],
    "campaigns": [],
    "call": {"did": None, "cid": None, "call_id": None, "campaign_id": None},
    "destination": "billing/invoices",
    "amr": [],
    "sid": None,
}


def test_person_arrives_where_the_billing_system_sent_him(browser: Browser, portal: Portal) -> None:
    answer = browser.get(f"/sso/login?token={portal.says(TOKEN, **PERSON)}")
    screen = browser.get("/").text

    assert (answer.status, answer.headers["location"]) == (303, "/")
    for shown in ("Came from billing", "Henry Okafor", "person:7", "/billing/invoices", "no factor seen"):
        assert shown in screen
    assert "Customer on the line" not in screen


def test_person_without_a_destination_arrives_at_the_start(browser: Browser, portal: Portal) -> None:
    browser.get(f"/sso/login?token={portal.says(TOKEN, **PERSON | {'destination': None})}")

    assert "the start page" in browser.get("/").text


@pytest.mark.parametrize("kind", ["agent", "Person", None, 7])
def test_nobody_without_a_group_is_taken_for_an_agent(browser: Browser, portal: Portal, kind: object) -> None:
    answer = browser.get(f"/sso/login?token={portal.says(TOKEN, **PERSON | {'kind': kind})}")

    assert (answer.status, browser.cookie) == (502, "")


# --- Nothing is spent by accident ------------------------------------------------------------------------------------


def test_head_redeems_nothing(browser: Browser, portal: Portal) -> None:
    answer = browser.ask("HEAD", f"/sso/login?token={portal.says(TOKEN)}")

    assert (answer.status, answer.headers["allow"], portal.asked) == (405, "GET, POST", [])


@pytest.mark.parametrize("purpose", ["prefetch", "prefetch;prerender"])
def test_prefetch_redeems_nothing(browser: Browser, portal: Portal, purpose: str) -> None:
    answer = browser.get(f"/sso/login?token={portal.says(TOKEN)}", **{"Sec-Purpose": purpose})

    assert (answer.status, portal.asked) == (204, [])


# --- A login that is not good ----------------------------------------------------------------------------------------


def test_refused_token_is_answered_in_plain_words(browser: Browser, portal: Portal) -> None:
    answer = browser.get("/sso/login?token=unknown")

    assert answer.status == 403
    assert "This login was not accepted" in answer.text
    assert f'href="{portal.url}/sso/group?group=21"' in answer.text
    assert "set-cookie" not in answer.headers


def test_token_opens_the_crm_once(browser: Browser, portal: Portal) -> None:
    portal.says(TOKEN)

    assert [browser.get(f"/sso/login?token={TOKEN}").status for _ in range(2)] == [303, 403]


@pytest.mark.parametrize("claim", [{"iss": "https://elsewhere.example"}, {"client": "sandboxdemo"}])
def test_login_from_elsewhere_or_for_another_is_refused(
    browser: Browser, portal: Portal, claim: dict[str, str]
) -> None:
    answer = browser.get(f"/sso/login?token={portal.says(TOKEN, **claim)}")

    assert (answer.status, browser.cookie) == (403, "")


def test_refused_login_leaves_a_running_session_alone(browser: Browser, portal: Portal) -> None:
    browser.get(f"/sso/login?token={portal.says(TOKEN)}")
    browser.get("/sso/login?token=unknown")

    assert "Amara Chen" in browser.get("/").text


@pytest.mark.parametrize(
    "query", ["", "?token=", "?token=a&token=b", "?token=" + 513 * "a", "?x=1" + 30 * "&y=2"]
)
def test_missing_or_doubled_token_is_a_bad_request(browser: Browser, portal: Portal, query: str) -> None:
    assert (browser.get(f"/sso/login{query}").status, portal.asked) == (400, [])


def test_form_that_is_too_long_is_not_read(browser: Browser) -> None:
    assert browser.post("/sso/login", "token=" + 9000 * "a").status == 413


def test_form_of_another_kind_is_refused(browser: Browser, portal: Portal) -> None:
    answer = browser.post("/sso/login", '{"token": "x"}', **{"Content-Type": "application/json"})

    assert (answer.status, portal.asked) == (415, [])


# --- A portal that is not well ---------------------------------------------------------------------------------------


def test_portal_that_is_down_is_told_in_plain_words() -> None:
    with crm(f"http://127.0.0.1:{free_ports()}") as port:
        answer = Browser(port).get(f"/sso/login?token={TOKEN}")

    assert answer.status == 502
    assert "The portal did not answer" in answer.text


@pytest.mark.parametrize("status", [401, 404, 429, 500, 302])
def test_portal_that_answers_otherwise_signs_nobody_in(browser: Browser, portal: Portal, status: int) -> None:
    answer = browser.get(f"/sso/login?token={portal.says(TOKEN, status=status)}")

    assert (answer.status, browser.cookie) == (502, "")


@pytest.mark.parametrize(
    "changed",
    [{"group": "21"}, {"group": None}, {"call": []}, {"issued_at": "now"}, {"issued_at": 10**15}, {"amr": "pwd"},
     {"departments": [{}]}, {"campaigns": "some"}, {"fullname": ["x"]}, {"username": True}],
)  # fmt: skip
def test_answer_out_of_shape_signs_nobody_in(
    browser: Browser, portal: Portal, changed: dict[str, object]
) -> None:
    assert browser.get(f"/sso/login?token={portal.says(TOKEN, **changed)}").status == 502


@pytest.mark.parametrize(
    "body", [b"", b"no json", b"[]", b"[" * 60_000, b"\xff\xfe", b"{" + b" " * 100_000 + b"}"]
)
def test_answer_that_is_no_object_signs_nobody_in(browser: Browser, portal: Portal, body: bytes) -> None:
    portal.answers[TOKEN] = (200, body)

    assert browser.get(f"/sso/login?token={TOKEN}").status == 502


# --- Pages -----------------------------------------------------------------------------------------------------------


def test_names_from_the_portal_are_escaped(browser: Browser, portal: Portal) -> None:
    hostile = "<script>alert(1)</script>\"'&${fullname} $x \ud800"
    call = {"did": hostile, "cid": hostile, "call_id": hostile, "campaign_id": hostile}
    group = {"id": 21, "code": hostile, "name": hostile}
    told = {"fullname": hostile, "username": hostile, "email": hostile, "group": group, "call": call}
    browser.get(f"/sso/login?token={portal.says(TOKEN, destination=hostile, amr=[hostile], **told)}")
    screen = browser.get("/")

    assert screen.status == 200
    assert "<script" not in screen.text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;&quot;&#x27;&amp;${fullname} $x ?" in screen.text


def test_token_and_secret_are_nowhere_to_be_read(browser: Browser, portal: Portal) -> None:
    portal.says(TOKEN)
    answers = [
        browser.get(f"/sso/login?token={TOKEN}"),
        browser.get("/"),
        browser.get(f"/sso/login?token={TOKEN}"),  # refused now
        browser.get(f"/sso/login?token={portal.says(TOKEN, status=500)}"),
        browser.get(f"/sso/login?token={TOKEN}&token={TOKEN}"),
        browser.ask("HEAD", f"/sso/login?token={TOKEN}"),
        browser.ask("PUT", f"/sso/login?token={TOKEN}"),
    ]

    assert [answer.status for answer in answers] == [303, 200, 403, 502, 400, 405, 405]
    for answer in answers:
        assert TOKEN not in answer.text + str(answer.headers)
        assert "secret-1" not in answer.text + str(answer.headers)


@pytest.mark.parametrize("address", ["/", "/sso/login?token=x", "/sso/login", "/nowhere", "/style.css"])
def test_every_answer_is_guarded(browser: Browser, address: str) -> None:
    headers = browser.get(address).headers

    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cache-control"] == "no-store"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["content-security-policy"].startswith("default-src 'none'; style-src 'self'")


def test_stranger_is_told_how_agents_arrive(browser: Browser) -> None:
    answer = browser.get("/", Cookie="crm_session=forged")

    assert answer.status == 200
    assert "Agents arrive through the portal" in answer.text


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_plain_host_lists_the_companies(browser: Browser, host: str) -> None:
    browser.host = host
    answer = browser.get("/")

    assert answer.status == 200
    assert f'href="http://sandboxdemo.localhost:{browser.port}/"' in answer.text


@pytest.mark.parametrize(("host", "status"), [("unknown.localhost", 404), ('a"b', 400), ("<b>", 400)])
def test_unknown_host_is_nobody(browser: Browser, host: str, status: int) -> None:
    browser.host = host

    assert browser.get("/").status == status


def test_health_is_told_at_every_host(browser: Browser) -> None:
    browser.host = "unknown.localhost"

    assert browser.get("/healthz").text == "ok\n"


# --- The start -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["PORTAL_URL", "REDEEM_URL", "CRM_CLIENTS"])
@pytest.mark.parametrize("value", ["", "nonsense"])
def test_start_stops_and_names_the_variable_at_fault(name: str, value: str) -> None:
    environment = {**os.environ, **crm_environment("http://127.0.0.1:1"), name: value}
    start = [sys.executable, "-c", "import demo.crm"]
    ended = subprocess.run(start, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)

    assert ended.returncode == 1
    assert name in ended.stderr
    assert "Traceback" not in ended.stderr
