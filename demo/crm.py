"""The demo CRM: a real relying party that plays several client companies, told apart by host name.

It runs in a process of its own, talks to the portal over HTTP only, and needs nothing but the standard library and,
to check signatures, joserfc:

    granian --interface wsgi demo.crm:application --host 127.0.0.1 --port 8001

Environment: PORTAL_URL, REDEEM_URL, CRM_CLIENTS ("subdomain:id:secret", commas between). Optional: GROUP_ID (its door
is where the pages send an agent back to) and CRM_DATABASE (the session file that several workers share).
"""

import logging
import os
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from http import HTTPStatus
from http.cookies import CookieError, SimpleCookie
from pathlib import Path
from urllib.parse import parse_qs
from wsgiref.types import StartResponse, WSGIEnvironment

from demo import pages
from demo.configuration import Company, read_configuration
from demo.logging_out import PortalKeys, read_log_out
from demo.redeeming import PortalUnavailable, Refused, redeem
from demo.sessions import Sessions

LOG = logging.getLogger(__name__)
CONFIGURATION = read_configuration(os.environ)
SESSIONS = Sessions(CONFIGURATION.database)
KEYS = PortalKeys(CONFIGURATION.keys_url)
STYLE = (Path(__file__).parent / "crm.css").read_bytes()
ICON = (Path(__file__).parent / "crm.svg").read_bytes()

COOKIE = "crm_session"
LONGEST_BODY = 8 * 1024  # bytes
LONGEST_TOKEN = 512  # characters
LONGEST_LOGOUT_TOKEN = 4096  # characters
TOLD_AT = "/sso/logged-out"  # where the portal tells of log-outs, of whichever company's
HOST = re.compile(r"(?P<name>[a-z0-9.-]{1,253})(?P<port>:[0-9]{1,5})?")

Headers = list[tuple[str, str]]

# On every answer: nothing is stored, framed or sniffed, and no address (one may hold a token) is passed on.
GUARDS: Headers = [
    ("Cache-Control", "no-store"),
    ("Referrer-Policy", "no-referrer"),
    ("X-Content-Type-Options", "nosniff"),
    (
        "Content-Security-Policy",
        "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; "
        "frame-ancestors 'none'",
    ),
]


@dataclass(frozen=True)
class Answer:
    """What goes back to the browser."""

    status: HTTPStatus
    body: bytes = b""
    content_type: str = "text/html; charset=utf-8"
    headers: tuple[tuple[str, str], ...] = ()


class BadRequest(Exception):
    """The request cannot be read; the status says in which way."""

    def __init__(self, status: HTTPStatus) -> None:
        """Remember the status to answer with."""
        super().__init__(status.phrase)
        self.status = status


def application(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Answer one request. A fault of ours is logged and answered with a page, never shown."""
    try:
        answer = respond(environ)
    except BadRequest as problem:
        answer = unreadable(problem.status)
    except Exception:
        LOG.exception("a page of the demo CRM failed")
        answer = plain("Something went wrong here.\n", status=HTTPStatus.INTERNAL_SERVER_ERROR)
    headers = [("Content-Type", answer.content_type), ("Content-Length", str(len(answer.body)))]
    if answer.status == HTTPStatus.NO_CONTENT:
        headers = []
    start_response(f"{answer.status.value} {answer.status.phrase}", [*headers, *GUARDS, *answer.headers])
    return [b"" if environ["REQUEST_METHOD"] == "HEAD" else answer.body]


def respond(environ: WSGIEnvironment) -> Answer:
    """Find the company by the host, the act by path and method."""
    path = environ.get("PATH_INFO", "").rstrip("/") or "/"
    if path in FILES:
        return FILES[path]
    if path == TOLD_AT and environ["REQUEST_METHOD"] == "POST":
        return end_by_portal(environ)
    host = HOST.fullmatch(environ.get("HTTP_HOST", "").lower())
    if host is None:
        raise BadRequest(HTTPStatus.BAD_REQUEST)
    if host["name"] in ("localhost", "127.0.0.1") and path == "/":
        return show_companies(host["port"] or "")
    company = CONFIGURATION.companies.get(host["name"].removesuffix(".localhost"))
    if company is None or path not in ACTS:
        return not_found(company)
    act = ACTS[path].get(environ["REQUEST_METHOD"])
    return act(environ, company) if act else wrong_method(company, allowed=ACTS[path])


# --- Acts ------------------------------------------------------------------------------------------------------------


def show_home(environ: WSGIEnvironment, company: Company) -> Answer:
    """Show the customer screen to an agent who is signed in, his own to a person, the way in to anybody else."""
    session = SESSIONS.find(session_of(environ), company=company.subdomain)
    if session is None:
        return page(pages.not_signed_in(company, door=CONFIGURATION.door))
    if session.is_ended_by_portal:
        return page(pages.ended_by_portal(company, door=CONFIGURATION.door))
    login = session.login
    screen = pages.own_area if login.is_person else pages.customer_screen
    return page(screen(login, company=company))


def sign_in_by_address(environ: WSGIEnvironment, company: Company) -> Answer:
    """Sign in the agent whom a redirect brought; a browser that only looks ahead spends nothing."""
    if is_prefetch(environ):
        return Answer(HTTPStatus.NO_CONTENT)
    return sign_in(environ, company, token=token_in(environ.get("QUERY_STRING", "")))


def sign_in_by_form(environ: WSGIEnvironment, company: Company) -> Answer:
    """Sign in the agent whom a form of the portal brought; another page could bring anybody."""
    if environ.get("HTTP_ORIGIN", CONFIGURATION.portal_url) != CONFIGURATION.portal_url:
        return not_accepted(company)
    return sign_in(environ, company, token=token_in(form_of(environ)))


def sign_in(environ: WSGIEnvironment, company: Company, *, token: str) -> Answer:
    """Redeem the token; start a session in place of the browser's last one and go on without the token."""
    try:
        login = redeem(token, company=company, configuration=CONFIGURATION)
    except Refused as reason:
        LOG.warning("%s: login refused: %s", company.subdomain, reason)
        return not_accepted(company)
    except PortalUnavailable as reason:
        LOG.error("%s: portal unavailable: %s", company.subdomain, reason)
        return portal_unavailable(company)
    SESSIONS.end(session_of(environ))
    session_id = SESSIONS.start(login, company=company.subdomain)
    return to_home(f"{COOKIE}={session_id}; Path=/; HttpOnly; SameSite=Lax")


def sign_out(environ: WSGIEnvironment, company: Company) -> Answer:
    """End the session here; the portal's own goes on."""
    SESSIONS.end(session_of(environ))
    return to_home(f"{COOKIE}=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax")


def end_by_portal(environ: WSGIEnvironment) -> Answer:
    """End what began with a session that the portal says is over; the portal tries again unless we took it."""
    try:
        token = only_one("logout_token", form_of(environ), longest=LONGEST_LOGOUT_TOKEN)
        log_out = read_log_out(token, keys=KEYS, configuration=CONFIGURATION)
    except BadRequest as problem:
        return plain("No logout token could be read.\n", status=problem.status)
    except Refused as reason:
        LOG.warning("log-out refused: %s", reason)
        return plain("This logout token was not accepted.\n", status=HTTPStatus.BAD_REQUEST)
    except PortalUnavailable as reason:
        LOG.error("log-out not checked: %s", reason)
        return plain("The portal's keys could not be read.\n", status=HTTPStatus.BAD_GATEWAY)
    SESSIONS.end_by_portal(log_out.sid, company=log_out.company.subdomain)
    return plain("ok\n")


def show_companies(port: str) -> Answer:
    """Show which companies live here, each under its own host name."""
    listed = [(c, f"http://{c.subdomain}.localhost{port}/") for c in CONFIGURATION.companies.values()]
    return page(pages.companies_page(listed, door=CONFIGURATION.door))


# --- Reading ---------------------------------------------------------------------------------------------------------


def is_prefetch(environ: WSGIEnvironment) -> bool:
    """Tell whether the browser only looks ahead."""
    names = ("HTTP_SEC_PURPOSE", "HTTP_PURPOSE", "HTTP_X_PURPOSE", "HTTP_X_MOZ")
    return any("prefetch" in environ.get(name, "").lower() for name in names)


def session_of(environ: WSGIEnvironment) -> str:
    """Return the session id that the browser sent, or nothing."""
    try:
        cookie = SimpleCookie(environ.get("HTTP_COOKIE", "")).get(COOKIE)
    except CookieError:
        return ""
    return cookie.value if cookie else ""


def form_of(environ: WSGIEnvironment) -> str:
    """Return the body of a posted form, or raise BadRequest when it is none or too long."""
    if (
        environ.get("CONTENT_TYPE", "").partition(";")[0].strip().lower()
        != "application/x-www-form-urlencoded"
    ):
        raise BadRequest(HTTPStatus.UNSUPPORTED_MEDIA_TYPE)
    length = environ.get("CONTENT_LENGTH", "")
    if not (length.isascii() and length.isdigit()):
        raise BadRequest(HTTPStatus.LENGTH_REQUIRED)
    if len(length) > 9 or int(length) > LONGEST_BODY:
        raise BadRequest(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
    body: bytes = environ["wsgi.input"].read(int(length))
    return body.decode("utf-8", "replace")


def token_in(encoded: str) -> str:
    """Return the one login token of a query or form, or raise BadRequest."""
    return only_one("token", encoded, longest=LONGEST_TOKEN)


def only_one(name: str, encoded: str, *, longest: int) -> str:
    """Return what a query or form says once under this name, or raise BadRequest."""
    try:
        values = parse_qs(encoded, max_num_fields=20).get(name, [])
    except ValueError:
        values = []
    if len(values) != 1 or len(values[0]) > longest:
        raise BadRequest(HTTPStatus.BAD_REQUEST)
    return values[0]


# --- Answering -------------------------------------------------------------------------------------------------------


def page(html: pages.Html, *, status: HTTPStatus = HTTPStatus.OK, headers: Headers | None = None) -> Answer:
    """Answer with a page; half a character that JSON let through becomes a question mark."""
    return Answer(status, html.encode("utf-8", "replace"), headers=tuple(headers or ()))


def plain(text: str, *, status: HTTPStatus = HTTPStatus.OK) -> Answer:
    """Answer with a line of text."""
    return Answer(status, text.encode(), content_type="text/plain; charset=utf-8")


def to_home(cookie: str) -> Answer:
    """Send the browser to the home page with a changed cookie."""
    return Answer(HTTPStatus.SEE_OTHER, headers=(("Location", "/"), ("Set-Cookie", cookie)))


def to_portal(heading: str, text: str, *, company: Company | None, status: HTTPStatus) -> Answer:
    """Say what happened and point back to the portal."""
    html = pages.notice(
        heading, text, company=company, address=CONFIGURATION.door, link="Go back to the portal"
    )
    return page(html, status=status)


def not_accepted(company: Company) -> Answer:
    """Answer a login that was refused; the one text for every reason helps nobody who guesses."""
    return to_portal(
        "This login was not accepted",
        "A login opens this desk once, within a minute of the call, and only for the company it was made for. "
        f"Go back to the portal and open {company.name} again: you get a fresh one.",
        company=company,
        status=HTTPStatus.FORBIDDEN,
    )


def portal_unavailable(company: Company) -> Answer:
    """Answer a login that nobody could check."""
    return to_portal(
        "The portal did not answer",
        f"{company.name} asked the portal who you are and got no usable answer, so nobody was signed in. "
        "Wait a moment, then open the desk from the portal again. If it keeps happening, tell your supervisor.",
        company=company,
        status=HTTPStatus.BAD_GATEWAY,
    )


def unreadable(status: HTTPStatus) -> Answer:
    """Answer a request that is not what the portal sends."""
    return to_portal(
        "This address is incomplete",
        "It carries no login that could be read. Open the desk from the portal again.",
        company=None,
        status=status,
    )


def not_found(company: Company | None) -> Answer:
    """Answer an address that leads nowhere."""
    text = "Nothing is at this address." if company else "No company lives at this address."
    return page(
        pages.notice("Nothing here", text, company=company, address="/", link="Go to the start"),
        status=HTTPStatus.NOT_FOUND,
    )


def wrong_method(company: Company, *, allowed: Iterable[str]) -> Answer:
    """Answer a method that the address does not take; nothing was spent."""
    html = pages.notice(
        "Not in this way",
        "This address does not take such a request.",
        company=company,
        address="/",
        link="Go to the start",
    )
    return page(html, status=HTTPStatus.METHOD_NOT_ALLOWED, headers=[("Allow", ", ".join(allowed))])


# --- Addresses -------------------------------------------------------------------------------------------------------

FILES = {
    "/healthz": plain("ok\n"),
    "/style.css": Answer(HTTPStatus.OK, STYLE, content_type="text/css; charset=utf-8"),
    "/icon.svg": Answer(HTTPStatus.OK, ICON, content_type="image/svg+xml"),
}

ACTS: dict[str, dict[str, Callable[[WSGIEnvironment, Company], Answer]]] = {
    "/": {"GET": show_home, "HEAD": show_home},
    "/sso/login": {"GET": sign_in_by_address, "POST": sign_in_by_form},
    "/sign-out": {"POST": sign_out},
}
