"""What came back, and what every answer of every address carries, whoever asks: the policy, no frame, no store."""

import re
from dataclasses import dataclass
from http.cookies import SimpleCookie
from typing import Any

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
UNASKED = ("access-control-", "server", "x-powered-by")
KEPT = ("/sso/logo/", "/sso/brand/", "/.well-known/", "/static/")  # the same for everybody
MAY_HIDE_REFERRER = "no-referrer"
MAY_TELL_ITS_ORIGIN = "strict-origin"


@dataclass(frozen=True)
class Answer:
    """What came back, to the byte."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def __getitem__(self, name: str) -> str:
        """The header of this name; "" where there is none."""
        return ", ".join(value for header, value in self.headers if header.lower() == name.lower())

    @property
    def text(self) -> str:
        return self.body.decode(errors="replace")

    @property
    def cookies(self) -> SimpleCookie:
        """What the browser is told to keep."""
        kept = SimpleCookie()
        for header, value in self.headers:
            if header.lower() == "set-cookie":
                kept.load(value)
        return kept

    @property
    def whole(self) -> str:
        """All of it, to look for something in."""
        return "\n".join(f"{name}: {value}" for name, value in self.headers) + "\n\n" + self.text


def policy_of(answer: Any) -> set[str]:
    """The directives of its content security policy; of an answer of Django's, too."""
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
    wrong += [name for name, _ in answer.headers if name.lower().startswith(UNASKED)]
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
