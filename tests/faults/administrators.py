"""An administrator who signs in with his second factor, as a browser does it."""

import time
from urllib.parse import urlencode

from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value

from tests import factories
from tests.live.load import Answer, Line, cookies_in, hidden_field
from tests.live.world import PORTAL_HOST

OWNER = "owner@portal.test"
STEP = 30  # seconds of a code


def code_now() -> str:
    """What the authenticator app shows now."""
    return str(format_hotp_value(hotp_value(factories.TOTP_SECRET, int(time.time()) // STEP)))


def wait_for_new_code() -> str:
    """What the app shows from now on, for ten seconds at least."""
    if time.time() % STEP > STEP - 10:
        time.sleep(STEP - time.time() % STEP + 0.1)
    return code_now()


def sign_in_administrator(line: Line, *, code: str) -> list[Answer]:
    """E-mail and password, then the code; the answers as far as he came. The last leads on when he is in."""
    cookies: dict[str, str] = {}
    answers: list[Answer] = []

    def ask(method: str, path: str, body: str = "") -> Answer:
        headers = {"Cookie": "; ".join(f"{name}={value}" for name, value in cookies.items() if value)}
        if method == "POST":
            headers |= {
                "Content-Type": "application/x-www-form-urlencoded",
                "Origin": f"https://{PORTAL_HOST}",
            }
        answer = line.ask(method, path, body=body, headers=headers)
        cookies.update(cookies_in(answer))
        answers.append(answer)
        return answer

    page = ask("GET", "/accounts/login/")
    if page.status != 200:
        return answers
    token = hidden_field(page.body, "csrfmiddlewaretoken")
    fields = {"login": OWNER, "password": factories.PASSWORD, "csrfmiddlewaretoken": token}
    entered = ask("POST", "/accounts/login/", urlencode(fields))
    if entered.status not in (302, 303):
        return answers
    page = ask("GET", entered.location)
    if page.status != 200:
        return answers
    token = hidden_field(page.body, "csrfmiddlewaretoken")
    ask("POST", entered.location, urlencode({"code": code, "csrfmiddlewaretoken": token}))
    return answers
