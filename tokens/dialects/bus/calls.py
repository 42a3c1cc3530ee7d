"""What the bus page's script asks for the host: POST only, JSON in and out, below /bus/api/."""

from dataclasses import replace
from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response

from accounts import lockout
from groups import cookies, standing
from groups.signing_in import WRONG
from sso_portal.lib.hashing import LONGEST_PASSWORD, is_encodable
from sso_portal.lib.refusals import Refusal, Refused
from tokens import connecting
from tokens.dialects.base import TOO_MANY, json_body, text_field
from tokens.dialects.bus.door import NOT_REGISTERED, BusDoor, PageCall, group_of, page_of
from tokens.dialects.bus.page import Page, seal
from tokens.dialects.bus.telling import told, user_told
from tokens.models import ADDRESS_LENGTH

LONGEST_APP, LONGEST_NAME, LONGEST_TOKEN = 100, 254, 256


class Register(BusDoor):
    """The host says who it is: told back is the value for further calls, and who is signed in already, if known."""

    action = "bus.register"
    page: Page

    def admit(self, request: Request) -> None:
        self.page = page_of(request)

    def post(self, request: Request) -> Response:
        body = json_body(request)
        origin = text_field(body, "origin", longest=ADDRESS_LENGTH)
        if not origin:
            raise Refused(NOT_REGISTERED)
        names = [text_field(body, name, longest=LONGEST_APP) for name in ("appName", "release")]
        page = replace(self.page, origin=origin, app=" ".join(filter(None, names)))
        group = group_of(page)
        session = cookies.sessions_of(request._request).first()
        is_there = session is not None and not connecting.is_anothers(session, group=group)
        user = user_told(session.agent) if session and is_there else None
        return Response({"page": seal(page), "currentUser": user})


class SignIn(PageCall):
    """AUTH.EMAIL_AND_PASSWORD."""

    action = connecting.CONNECT

    def post(self, request: Request) -> Response:
        body = json_body(request)
        try:
            connected = connecting.connect_by_password(
                group=self.group,
                typed=text_field(body, "email", longest=LONGEST_NAME, required=True),
                password=_password_of(body),
                app=self.page.app,
                replaces=_token_of(body, "replaces"),
                caller=self.caller,
            )
        except Refused as refused:
            if refused.refusal != WRONG:
                raise
            refused.refusal = replace(WRONG, status=403)  # the door's page answers 200, with the form again
            raise
        return Response(told(connected))


class Code(PageCall):
    """AUTH.SSO."""

    action = connecting.REDEEM_CODE

    def post(self, request: Request) -> Response:
        body = json_body(request)
        connected = connecting.connect_by_code(
            group=self.group,
            code=text_field(body, "code", longest=LONGEST_TOKEN, required=True),
            redirect_url=text_field(body, "redirectUrl", longest=ADDRESS_LENGTH, required=True),
            app=self.page.app,
            replaces=_token_of(body, "replaces"),
            caller=self.caller,
        )
        return Response(told(connected))


class Session(PageCall):
    """The session that the browser carries, where the page is same-site with the portal: the host goes on with it."""

    action = connecting.CONNECT

    def post(self, request: Request) -> Response:
        json_body(request)
        session = cookies.sessions_of(request._request).first()
        if session and not lockout.may_go_on(limit="bus", who=session.sid):
            raise Refused(TOO_MANY, {"group": self.group, "agent": session.agent}, retry_after=60)
        connected = connecting.connect_by_session(
            session, group=self.group, app=self.page.app, caller=self.caller
        )
        return Response(told(connected))


class Refresh(PageCall):
    """The next tokens, shortly before the ID token ends."""

    action = "login.refresh"

    def post(self, request: Request) -> Response:
        refresh = text_field(json_body(request), "refreshToken", longest=LONGEST_TOKEN, required=True)
        return Response(told(connecting.go_on(refresh, group=self.group, caller=self.caller)))


class SignOut(PageCall):
    """AUTH.LOGOUT: of whom the token was given for, and of whom the browser's session is, where it comes along."""

    action = "agent.sign_out"

    def post(self, request: Request) -> Response:
        token = _token_of(json_body(request), "token")
        if token:
            connecting.disconnect(token, group=self.group, caller=self.caller)
        session = cookies.sessions_of(request._request).first()
        if session and session.agent.group_id == self.group.pk:
            standing.sign_out(session, caller=self.caller)
        return Response({})


def _token_of(body: dict[str, Any], name: str) -> str:
    return text_field(body, name, longest=LONGEST_TOKEN)


def _password_of(body: dict[str, Any]) -> str:
    """The password as it was typed: nothing is trimmed, and any character may be in it."""
    password = body.get("password")
    if not isinstance(password, str) or not password:
        raise Refused(Refusal("missing_field", "password is required, as text.", 400, field="password"))
    if len(password) > LONGEST_PASSWORD:
        why = f"password is longer than {LONGEST_PASSWORD} characters."
        raise Refused(Refusal("invalid_field", why, 400, field="password"))
    if not is_encodable(password):
        why = "password has half of a surrogate pair in it."
        raise Refused(Refusal("invalid_field", why, 400, field="password"))
    return password
