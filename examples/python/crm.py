"""A CRM that receives agents from the portal, in one file. Start it with `examples/run python`.

It shows the four ways in which a client company may receive its agents; choose one for your own CRM:

    redirect    GET  /redirect/login?token=…   the token is redeemed, once, over HTTPS with the CRM's secret
    form post   POST /form-post/login          the same, with the token in the body
    signed      POST /signed/login             everything is in a signed token: nothing to redeem
    oidc        GET  /oidc/start               the portal asks the CRM to begin an OpenID Connect sign-in

Needs Python 3.11 and, to check signatures, joserfc.
"""

import base64
import hashlib
import json
import os
import secrets
import sys
import time
from html import escape
from http.cookies import SimpleCookie
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock
from typing import Any
from urllib.error import HTTPError
from urllib.parse import parse_qsl, urlencode, urlsplit
from urllib.request import Request, urlopen

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

PORTAL = os.environ["PORTAL_URL"]
PORT = int(os.environ.get("CRM_PORT", "18600"))
HERE = f"http://127.0.0.1:{PORT}"
ALGORITHMS = ["RS256", "ES256"]  # never what the token itself asks for
CLOCKS_DIFFER = 30  # seconds
MOST_BEGUN = 1000

SESSIONS: dict[str, dict[str, Any]] = {}  # by cookie; a real CRM has sessions of its own
BEGUN: dict[str, dict[str, str]] = {}  # OpenID Connect sign-ins that wait for their answer, by state
SEEN: dict[str, float] = {}  # signed tokens that were used, until they end
LOCK = Lock()


class NotAccepted(Exception):
    """The agent is not let in; the text is for the log of the CRM, not for the page."""


def credentials(way: str) -> tuple[str, str]:
    """The id and the secret that the portal's operator gave this CRM."""
    return os.environ[f"CRM_{way}_ID"], os.environ.get(f"CRM_{way}_SECRET", "")


# --- redirect, form post: redeem the token ------------------------------------------------------------------


def redeem(token: str, way: str) -> dict[str, Any]:
    """Exchange the token for what it says. It works once, for a minute, and for this CRM alone."""
    return call(
        f"{PORTAL}/api/v1/tokens/redeem", json.dumps({"token": token}).encode(), "application/json", way
    )


# --- signed: check the token --------------------------------------------------------------------------------


def verified(token: str, *, typ: str, audience: str, nonce: str | None = None) -> dict[str, Any]:
    """What a signed token of this type says, if the portal signed it, for this CRM, just now."""
    with urlopen(f"{PORTAL}/.well-known/jwks.json", timeout=5) as answer:  # keep these for some minutes
        keys = KeySet.import_key_set(json.load(answer))
    try:
        found = jwt.decode(token, keys, algorithms=ALGORITHMS)
    except (JoseError, ValueError) as error:
        raise NotAccepted(f"signature: {error}") from error
    claims = found.claims
    if found.header.get("typ") != typ:
        raise NotAccepted("a token for something else")
    now = time.time()
    audiences = claims["aud"] if isinstance(claims["aud"], list) else [claims["aud"]]
    if claims["iss"] != PORTAL or audience not in audiences:
        raise NotAccepted("another issuer or audience")
    if not claims["iat"] - CLOCKS_DIFFER <= now < claims["exp"] + CLOCKS_DIFFER:
        raise NotAccepted("expired")
    if nonce is not None and not secrets.compare_digest(claims.get("nonce", ""), nonce):
        raise NotAccepted("another sign-in's token")
    return dict(claims)


def used_once(claims: dict[str, Any]) -> dict[str, Any]:
    """Refuse a signed token that was used already: nobody but the CRM can know."""
    with LOCK:
        for jti in [jti for jti, until in SEEN.items() if until < time.time()]:
            del SEEN[jti]
        if claims["jti"] in SEEN:
            raise NotAccepted("used already")
        SEEN[claims["jti"]] = claims["exp"] + CLOCKS_DIFFER
    return claims


# --- oidc: an ordinary code flow ----------------------------------------------------------------------------


def begin(asked: dict[str, str]) -> tuple[str, str]:
    """The address at which to sign in, and the state that the browser must bring back.

    `login_hint` says which call it is about; handed on as it came.
    """
    if asked.get("iss") != PORTAL:
        raise NotAccepted("another issuer asks")
    state, verifier, nonce = (secrets.token_urlsafe(32) for _ in range(3))
    while len(BEGUN) >= MOST_BEGUN:  # anybody may begin one: the oldest go
        BEGUN.pop(next(iter(BEGUN)), None)
    BEGUN[state] = {"verifier": verifier, "nonce": nonce}
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")
    query = {
        "response_type": "code",
        "client_id": credentials("OIDC")[0],
        "redirect_uri": f"{HERE}/oidc/callback",
        "scope": "openid profile email groups call",
        "state": state,
        "nonce": nonce,
        "code_challenge": challenge,
        "code_challenge_method": "S256",
        "login_hint": asked.get("login_hint", ""),
    }
    return f"{PORTAL}/oauth/authorize?{urlencode(query)}", state


def finish(answer: dict[str, str], states: set[str]) -> dict[str, Any]:
    """Exchange the code for what it says about the agent. `states` are those that this browser began."""
    begun = BEGUN.pop(answer.get("state", ""), None)
    if begun is None or answer["state"] not in states or answer.get("iss") != PORTAL:
        raise NotAccepted("not begun here, by this browser")
    if "code" not in answer:
        raise NotAccepted(answer.get("error", "no code"))
    form = {
        "grant_type": "authorization_code",
        "code": answer["code"],
        "redirect_uri": f"{HERE}/oidc/callback",
        "code_verifier": begun["verifier"],
    }
    tokens = call(
        f"{PORTAL}/oauth/token", urlencode(form).encode(), "application/x-www-form-urlencoded", "OIDC"
    )
    return verified(tokens["id_token"], typ="JWT", audience=credentials("OIDC")[0], nonce=begun["nonce"])


def call(url: str, body: bytes, content_type: str, way: str) -> dict[str, Any]:
    """POST to the portal with this CRM's id and secret. Raises NotAccepted when it refuses."""
    basic = base64.b64encode(":".join(credentials(way)).encode()).decode()
    headers = {"Content-Type": content_type, "Authorization": f"Basic {basic}"}
    try:
        with urlopen(Request(url, body, headers), timeout=5) as answer:
            return dict(json.load(answer))
    except HTTPError as error:
        raise NotAccepted(f"HTTP {error.code}: {error.read()[:300]!r}") from error


# --- The CRM's own pages ------------------------------------------------------------------------------------


class CRM(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        path, query = urlsplit(self.path).path, dict(parse_qsl(urlsplit(self.path).query))
        if path == "/":
            self.show(SESSIONS.get(self.cookie("crm_session")))
        elif path == "/redirect/login":
            self.let_in(lambda: redeem(query.get("token", ""), "REDIRECT"))
        elif path == "/oidc/start":
            self.begin(query)
        elif path == "/oidc/callback":
            self.let_in(lambda: finish(query, self.states()))
        else:
            self.answer(404, "Nothing here.")

    def do_POST(self) -> None:
        if self.headers.get("Origin") != PORTAL:  # or any page could sign its visitor in as somebody else
            self.answer(403, "Agents come from the portal.")
            return
        length = min(max(int(self.headers.get("Content-Length") or 0), 0), 64 * 1024)
        form = dict(parse_qsl(self.rfile.read(length).decode()))
        if self.path == "/form-post/login":
            self.let_in(lambda: redeem(form.get("token", ""), "FORM_POST"))
        elif self.path == "/signed/login":
            audience = credentials("SIGNED")[0]
            token = form.get("id_token", "")
            self.let_in(lambda: used_once(verified(token, typ="login+jwt", audience=audience)))
        else:
            self.answer(404, "Nothing here.")

    def let_in(self, login: Any) -> None:
        """Start a session for the agent and go on without the token in the address."""
        try:
            claims = login()
        except NotAccepted as reason:
            print(f"refused: {reason}", file=sys.stderr, flush=True)
            self.answer(403, "You could not be signed in. Please open the call again.")
            return
        session = secrets.token_urlsafe(32)
        SESSIONS[session] = claims
        self.go_to("/", f"crm_session={session}; Path=/; HttpOnly; SameSite=Lax")

    def begin(self, query: dict[str, str]) -> None:
        try:
            address, state = begin(query)
        except NotAccepted as reason:
            self.answer(400, str(reason))
            return
        # Named after the state, for two calls may be on their way at once. Over https add Secure, here and below.
        self.go_to(address, f"crm_state_{state[:8]}={state}; Path=/oidc; Max-Age=600; HttpOnly; SameSite=Lax")

    def show(self, claims: dict[str, Any] | None) -> None:
        if claims is None:
            self.answer(200, "Nobody is signed in. Open a call at the portal.")
            return
        name = claims.get("fullname") or claims.get("name") or claims["sub"]
        told = escape(json.dumps(claims, indent=2, ensure_ascii=False))
        self.answer(200, f"<h1>Welcome, {escape(name)}</h1><pre>{told}</pre>")

    def cookie(self, name: str) -> str:
        found = SimpleCookie(self.headers.get("Cookie", "")).get(name)
        return found.value if found else ""

    def states(self) -> set[str]:
        cookies = SimpleCookie(self.headers.get("Cookie", ""))
        return {cookie.value for name, cookie in cookies.items() if name.startswith("crm_state_")}

    def go_to(self, address: str, cookie: str) -> None:
        self.send_response(303)
        self.send_header("Location", address)
        self.send_header("Set-Cookie", cookie)
        self.send_header("Cache-Control", "no-store")
        self.send_header("Referrer-Policy", "no-referrer")
        self.end_headers()

    def answer(self, status: int, body: str) -> None:
        page = (
            f"<!doctype html><html lang=en><meta charset=utf-8><title>Your CRM</title>{body}</html>".encode()
        )
        self.send_response(status)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(page)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("Referrer-Policy", "no-referrer")
        self.end_headers()
        self.wfile.write(page)

    def log_message(self, *_: Any) -> None:
        """Addresses hold tokens: they are not logged."""


if __name__ == "__main__":
    print(f"Your CRM listens at {HERE}/", flush=True)
    ThreadingHTTPServer(("127.0.0.1", PORT), CRM).serve_forever()
