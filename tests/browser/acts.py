"""What people do, as the tests say it."""

import base64
import hashlib
import hmac
import time
from urllib.parse import urlencode

from playwright.sync_api import Page, expect

CHOSEN = "walnut-ferry-clarinet"  # a password that agents choose
# Second factors that were typed: whose secret, and which step of the clock.
shown: set[tuple[str, int]] = set()


def pop_url(demo: dict[str, str], client: str, *, group: str = "", **call: str) -> str:
    """The address that a telephone system opens."""
    query = urlencode({"group": group or demo["GROUP_ID"], **call})
    return f"{demo['PORTAL_URL']}/sso/group/{client}?{query}"


def launcher_url(demo: dict[str, str]) -> str:
    return f"{demo['PORTAL_URL']}/sso/group?group={demo['GROUP_ID']}"


def crm_url(demo: dict[str, str], client: str) -> str:
    """Where the agent is at work in this client's CRM: no token, no call in the address."""
    return demo["REDEEM_BASE"].replace("//", f"//{client}.") + "/"


def sign_in(page: Page, demo: dict[str, str], person: str = "AGENT", *, password: str = "") -> None:
    """Fill the sign-in page as this person of the demo."""
    page.get_by_label("Username").fill(demo[f"{person}_USERNAME"])
    page.get_by_label("Password").fill(password or demo[f"{person}_PASSWORD"])
    with page.expect_navigation():
        page.get_by_role("button", name="Sign in").click()


def enter(page: Page, demo: dict[str, str], client: str, person: str = "AGENT") -> None:
    """Take the day's first call: pop, sign-in, CRM."""
    page.goto(pop_url(demo, client))
    sign_in(page, demo, person)
    page.wait_for_url(crm_url(demo, client))


def choose_password(page: Page, password: str = CHOSEN) -> None:
    page.get_by_label("New password", exact=True).fill(password)
    page.get_by_label("New password again").fill(password)
    page.get_by_role("button", name="Save and continue").click()


def type_administrator(page: Page, demo: dict[str, str], person: str) -> None:
    """Fill the main door's first page."""
    page.goto("/")
    page.get_by_label("Email").fill(demo[f"{person}_EMAIL"])
    page.get_by_label("Password").fill(demo[f"{person}_PASSWORD"])
    with page.expect_navigation():
        page.get_by_role("button", name="Sign in", exact=True).click()


def sign_in_administrator(page: Page, demo: dict[str, str], person: str) -> None:
    """Through the main door, second factor included."""
    type_administrator(page, demo, person)
    page.get_by_label("Code").fill(totp(demo[f"{person}_TOTP_SECRET"]))
    with page.expect_navigation():
        page.get_by_role("button", name="Sign in", exact=True).click()


def set_up_authenticator_app(page: Page, demo: dict[str, str], person: str) -> None:
    """Sign in as an administrator without a second factor, and go where that leads."""
    type_administrator(page, demo, person)
    page.get_by_role("link", name="Set up").click()
    confirm(page, demo[f"{person}_PASSWORD"])
    turn_on_app(page)


def confirm(page: Page, password: str) -> None:
    """Say once more that it is still you: asked before the first second factor is set up."""
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Confirm").click()


def turn_on_app(page: Page) -> None:
    """On the page with the QR code: type the app's first code."""
    expect(page.get_by_role("img", name="QR code")).to_have_js_property("complete", True)
    page.get_by_label("Authenticator code").fill(totp(page.locator("#authenticator_secret").input_value()))
    page.get_by_role("button", name="Turn on").click()
    page.wait_for_url(lambda url: "/totp/activate/" not in url)


def totp(secret: str) -> str:
    """A code of this moment (RFC 6238: SHA-1, 30 seconds, six digits), with time enough left to type it.

    Another one each time, for the portal takes none twice: that of a clock that is a step ahead or behind will do too.
    """
    while True:
        left = 30 - time.time() % 30
        now = int(time.time()) // 30
        unused = [step for step in (now, now + 1, now - 1) if (secret, step) not in shown]
        if left >= 5 and unused:
            break
        time.sleep(left)
    counter = unused[0]
    shown.add((secret, counter))
    digest = hmac.digest(base64.b32decode(secret), counter.to_bytes(8, "big"), hashlib.sha1)
    start = digest[-1] & 0x0F
    number = int.from_bytes(digest[start : start + 4], "big") & 0x7FFFFFFF
    return f"{number % 1_000_000:06}"
