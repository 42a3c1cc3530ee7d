"""The OpenAPI 3.1 document of the portal's own API: what each address takes and answers, with the limits it keeps."""

import copy
from collections.abc import Sequence
from functools import cache
from typing import Any

from django.conf import settings
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.models import Outcome
from groups.finding_agents import LONGEST_SEARCH, Standing
from groups.importing.at_once import MOST_ROWS
from groups.models import AgentStatus
from tokens.dialects.native import agents, events
from tokens.dialects.native.door import LONGEST_CURSOR, PROBLEM, NativeDoor
from tokens.dialects.native.shapes import (
    AGENT_EXAMPLE,
    BULK,
    MOMENT,
    SUBJECT,
    Schema,
    one_of,
    ref_to,
    schemas,
    text_of,
)
from tokens.models import Scope


class Document(NativeDoor):
    """`GET /api/schema`: the document, for everybody."""

    action = "api"

    def admit(self, request: Request) -> None:
        """Everybody may read it."""

    def get(self, request: Request) -> Response:
        return Response(document())


def document() -> dict[str, Any]:
    """The whole document. A copy: whoever asks may change it."""
    return copy.deepcopy(_document())


# --- How it says no --------------------------------------------------------------------------------------------------

REFUSALS: dict[str, tuple[int, str]] = {
    "invalid_fields": (400, "A field is missing or wrong; `errors` says which, and why."),
    "faulty_rows": (400, "Some rows cannot be taken, so nothing was changed; `rows` says which, and why."),
    "missing_field": (400, "A field is missing."),
    "invalid_field": (400, "A field is wrong."),
    "invalid_token": (
        400,
        "The token is unknown, spent, expired, another client's, or its agent is let in no more.",
    ),
    "invalid_json": (400, "The body is not a JSON object in UTF-8."),
    "unauthorized": (401, "What was shown is missing or wrong, or may not be used from this address."),
    "insufficient_scope": (403, "The key lacks the scope."),
    "group_inactive": (403, "The group's access has been stopped."),
    "agent_disabled": (403, "The agent is suspended or disabled, or his access has ended."),
    "client_unavailable": (403, "The group or the agent may not enter this client, or it has paused."),
    "not_found": (404, "No agent of your group has this subject."),
    "username_taken": (409, "Another agent of the group has this username."),
    "changed_meanwhile": (409, "Somebody changed the same at the same time. Send it again."),
    "length_required": (411, "The body came in chunks, without a Content-Length."),
    "too_large": (413, "The body is larger than 1 MiB."),
    "unsupported_media_type": (415, "The body is not application/json."),
    "too_many_requests": (429, "More than this minute's share. Wait for Retry-After."),
    "unavailable": (503, "The portal cannot answer right now. Nothing was lost; wait for Retry-After."),
}
WITH_KEY = ("unauthorized", "insufficient_scope", "group_inactive", "too_many_requests", "unavailable")
WITH_BODY = ("invalid_json", "length_required", "too_large", "unsupported_media_type")
REQUEST_ID = {
    "X-Request-Id": {"required": True, "schema": {"type": "string"}, "description": "As `request_id`."}
}
HEADERS = {
    401: {"WWW-Authenticate": {"required": True, "schema": {"type": "string"}}},
    429: {"Retry-After": {"required": True, "schema": {"type": "integer"}, "description": "Seconds."}},
    503: {"Retry-After": {"required": True, "schema": {"type": "integer"}, "description": "Seconds."}},
}


def _refused(codes: Sequence[str]) -> dict[str, Any]:
    by_status: dict[int, list[str]] = {}
    for code in codes:
        by_status.setdefault(REFUSALS[code][0], []).append(code)
    return {str(status): _problem(status, listed) for status, listed in sorted(by_status.items())}


def _problem(status: int, codes: list[str]) -> dict[str, Any]:
    members: Schema = {"status": {"const": status}, "code": {"enum": codes}}
    schema = {"allOf": [ref_to("Problem"), {"properties": members}]}
    if "faulty_rows" in codes:
        schema["allOf"].append({"properties": BULK})
    return {
        "description": " ".join(f"`{code}`: {REFUSALS[code][1]}" for code in codes),
        "headers": REQUEST_ID | HEADERS.get(status, {}),
        "content": {
            PROBLEM: {
                "schema": schema,
                "examples": {code: {"value": _problem_example(code)} for code in codes},
            }
        },
    }


def _problem_example(code: str) -> dict[str, Any]:
    status, detail = REFUSALS[code]
    told: dict[str, Any] = {
        "type": "about:blank",
        "title": code.replace("_", " "),
        "status": status,
        "code": code,
        "detail": detail,
        "request_id": "K7QF-3M2P-X8TA",
    }
    if code == "invalid_fields":
        why = "username is required."
        return told | {"detail": why, "errors": {"username": [why]}}
    return told | (BULK_FAULTY_EXAMPLE if code == "faulty_rows" else {})


# --- The addresses ---------------------------------------------------------------------------------------------------

BULK_EXAMPLE = {
    "summary": {"created": 1, "changed": 0, "unchanged": 0, "faulty": 0},
    "rows": [{"row": 0, "username": "amara.chen", "verdict": "created", "subject": SUBJECT, "errors": {}}],
}
BULK_FAULTY_EXAMPLE = {
    "summary": {"created": 0, "changed": 0, "unchanged": 0, "faulty": 1},
    "rows": [
        {
            "row": 0,
            "username": "amara.chen",
            "verdict": "faulty",
            "subject": None,
            "errors": {"full_name": ["full_name is required for a new agent."]},
        }
    ],
}
EVENT_EXAMPLE = {
    "id": "481516",
    "at": "2026-03-02T08:57:11.204Z",
    "action": "login.issue",
    "outcome": "ok",
    "reason": None,
    "door": "agents",
    "actor": f"agent:{SUBJECT}",
    "client": "demoaws",
    "agent": SUBJECT,
    "object": "token:4f1c02a9be77",
    "address": "203.0.113.24",
    "request_id": "K7QF-3M2P-X8TA",
    "details": {"kind": "hand_off", "call": {"did": "0101", "cid": "0142"}},
}
REDEMPTION_EXAMPLE = {
    "iss": "https://portal.example",
    "sub": SUBJECT,
    "aud": "rp_3f9a1c5e7b20d486",
    "username": "amara.chen",
    "fullname": "Amara Chen",
    "email": None,
    "group": {"id": 21, "code": "northwind", "name": "Northwind Collections"},
    "client": "demoaws",
    "departments": [1],
    "campaigns": "all",
    "call": {"did": "+18005550101", "cid": "+15550142", "call_id": "c-9041", "campaign_id": None},
    "destination": None,
    "amr": ["pwd"],
    "auth_time": 1772441831,
    "issued_at": 1772445600,
    "sid": "Zk3xq0",
}
NEW_AGENT_EXAMPLE = {
    "username": "amara.chen",
    "full_name": "Amara Chen",
    "email": "amara.chen@northwind.example",
    "clients": [{"client": "demoaws", "campaigns": [1, 2]}],
}
NEW_LOGIN_EXAMPLE = {
    "username": "amara.chen",
    "full_name": "Amara Chen",
    "client": "demoaws",
    "departments": [1],
    "call": {"did": "+18005550101", "cid": "+15550142", "call_id": "c-9041"},
}
ACTS = {
    "enable": ("Enable an agent", "He may sign in again, unless his end date has come."),
    "suspend": ("Suspend an agent", "For now: he is signed out at once, and no door lets him in."),
    "disable": ("Disable an agent", "For who has left: he is signed out at once, and no door lets him in."),
    "unlock": ("Unlock an agent", "Whom wrong passwords locked may try again at once."),
    "end-sessions": ("End an agent's sessions", "He is signed out on every device, and may sign in again."),
}


def _operation(
    name: str,
    tag: str,
    summary: str,
    text: str,
    *,
    answer: str,
    example: Any,
    refusals: Sequence[str],
    scope: Scope | None = None,
    body: tuple[str, Any] | None = None,
    parameters: Sequence[dict[str, Any]] = (),
    status: int = 200,
    headers: dict[str, Any] | None = None,
) -> dict[str, Any]:
    needs = [{"key": [scope.value]}] if scope else [{"relyingParty": []}]
    told: dict[str, Any] = {
        "operationId": name,
        "tags": [tag],
        "summary": summary,
        "description": text + (f" Needs the scope `{scope}`." if scope else ""),
        "security": needs,
        "responses": {
            str(status): {
                "description": "Done.",
                "headers": REQUEST_ID | (headers or {}),
                "content": {"application/json": {"schema": ref_to(answer), "example": example}},
            }
        }
        | _refused([*refusals, *(WITH_BODY if body else ())]),
    }
    if parameters:
        told["parameters"] = list(parameters)
    if body:
        schema, sample = body
        told["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": ref_to(schema), "example": sample}},
        }
    return told


def _query(name: str, schema: Schema, text: str, example: Any = None) -> dict[str, Any]:
    told = {"name": name, "in": "query", "required": False, "description": text, "schema": schema}
    return told | ({"example": example} if example is not None else {})


def _limit(usual: int, most: int) -> dict[str, Any]:
    return _query(
        "limit", {"type": "integer", "minimum": 1, "maximum": most, "default": usual}, "Rows of a page."
    )


ONE = {
    "name": "subject",
    "in": "path",
    "required": True,
    "description": "The agent's subject.",
    "schema": {"type": "string", "pattern": "^[0-9a-f]{32}$"},
    "example": SUBJECT,
}
CURSOR = _query(
    "cursor",
    {"type": "string", "minLength": 1, "maxLength": LONGEST_CURSOR},
    "Where to go on: the `next_cursor` of the page before. The other parameters stay the same.",
)


def _paths() -> dict[str, Any]:
    acts = {
        f"/api/v1/agents/{{subject}}/{act}": {
            "post": _operation(
                f"{act.replace('-', '_')}_agent" if act != "end-sessions" else "end_sessions_of_agent",
                "Agents",
                summary,
                f"{text} Takes no body. Done again, it changes nothing more.",
                scope=Scope.AGENTS_WRITE,
                parameters=[ONE],
                answer="Agent",
                example=AGENT_EXAMPLE,
                refusals=["not_found", *WITH_KEY],
            )
        }
        for act, (summary, text) in ACTS.items()
    }
    return {
        "/api/v1/agents": {"get": _list_agents(), "post": _create_agent()},
        "/api/v1/agents/bulk": {"post": _bulk()},
        "/api/v1/agents/{subject}": {"get": _get_agent(), "patch": _change_agent()},
        **acts,
        "/api/v1/logins": {"post": _ask_for_login()},
        "/api/v1/tokens/redeem": {"post": _redeem()},
        "/api/v1/events": {"get": _list_events()},
        "/api/v1/entitlements": {"get": _list_entitlements()},
    }


def _list_agents() -> dict[str, Any]:
    return _operation(
        "list_agents",
        "Agents",
        "List agents",
        "The group's agents by username, a page at a time.",
        scope=Scope.AGENTS_READ,
        parameters=[
            _query(
                "q", text_of(LONGEST_SEARCH, ""), "Words that the username or the name must hold.", "amara"
            ),
            _query("status", one_of(AgentStatus.values, ""), "What was decided of them."),
            _query("standing", one_of(Standing.values, ""), "What is true of them now."),
            _limit(agents.ON_A_PAGE, agents.MOST_ON_A_PAGE),
            CURSOR,
        ],
        answer="AgentPage",
        example={"agents": [AGENT_EXAMPLE], "next_cursor": None},
        refusals=["invalid_fields", *WITH_KEY],
    )


def _create_agent() -> dict[str, Any]:
    return _operation(
        "create_agent",
        "Agents",
        "Create an agent",
        "A new agent, who has no password yet: an administrator gives an activation code, or your software asks for "
        "logins. Without `all_clients` and `clients`, every client of the group is open to the agent.",
        scope=Scope.AGENTS_WRITE,
        body=("NewAgent", NEW_AGENT_EXAMPLE),
        answer="Agent",
        example=AGENT_EXAMPLE,
        status=201,
        headers={"Location": {"required": True, "schema": {"type": "string", "format": "uri-reference"}}},
        refusals=["invalid_fields", "username_taken", "changed_meanwhile", *WITH_KEY],
    )


def _get_agent() -> dict[str, Any]:
    return _operation(
        "get_agent",
        "Agents",
        "Get an agent",
        "One agent of the group.",
        scope=Scope.AGENTS_READ,
        parameters=[ONE],
        answer="Agent",
        example=AGENT_EXAMPLE,
        refusals=["not_found", *WITH_KEY],
    )


def _change_agent() -> dict[str, Any]:
    return _operation(
        "change_agent",
        "Agents",
        "Change an agent",
        "The fields that are there are changed, the others stay. An end date that has come signs the agent out. "
        "To disable, suspend or enable, use the addresses below.",
        scope=Scope.AGENTS_WRITE,
        parameters=[ONE],
        body=("AgentChange", {"full_name": "Amara Chen-Osei", "ends_at": "2027-03-31T17:30:00Z"}),
        answer="Agent",
        example=AGENT_EXAMPLE,
        refusals=["invalid_fields", "not_found", "username_taken", "changed_meanwhile", *WITH_KEY],
    )


def _bulk() -> dict[str, Any]:
    return _operation(
        "bulk_agents",
        "Agents",
        "Create or change many agents",
        f"Up to {MOST_ROWS:,} rows in one transaction. Rows are told apart by username, whatever its case, so the same "
        "rows sent twice change nothing the second time.",
        scope=Scope.AGENTS_WRITE,
        body=("Bulk", {"agents": [NEW_AGENT_EXAMPLE], "only_good": False}),
        answer="BulkResult",
        example=BULK_EXAMPLE,
        refusals=["invalid_fields", "faulty_rows", "changed_meanwhile", *WITH_KEY],
    )


def _ask_for_login() -> dict[str, Any]:
    return _operation(
        "create_login",
        "Logins",
        "Ask for a login",
        "The address that signs an agent in to a client: open it in the agent's browser, once. An agent who is new is "
        "made; name and e-mail address are brought up to date for agents that were made this way.",
        scope=Scope.LOGINS,
        body=("NewLogin", NEW_LOGIN_EXAMPLE),
        answer="Login",
        example={"url": "https://demoaws.example/sso/login?token=lt_…", "expires_in": 60},
        refusals=["invalid_fields", "agent_disabled", "client_unavailable", *WITH_KEY],
    )


def _redeem() -> dict[str, Any]:
    return _operation(
        "redeem_token",
        "Logins",
        "Redeem a login token",
        "For the client's CRM: exchanges a login token for what it says, once. Shows the id and the secret of the "
        "relying party (HTTP Basic). A token of another client is not used up.",
        body=("NewRedemption", {"token": "lt_4pXhW9…"}),
        answer="Redemption",
        example=REDEMPTION_EXAMPLE,
        refusals=[
            "missing_field",
            "invalid_field",
            "invalid_token",
            "unauthorized",
            "too_many_requests",
            "unavailable",
        ],
    )


def _list_events() -> dict[str, Any]:
    order = one_of([events.NEWEST, events.OLDEST], "") | {"default": events.NEWEST}
    return _operation(
        "list_events",
        "Events",
        "List events",
        "What happened in the group, the newest first. To follow it, ask with `order=oldest`, keep `next_cursor`, and "
        "go on from there later: no event is told twice or missed. That way round, events are held back for a minute.",
        scope=Scope.EVENTS,
        parameters=[
            _query("since", MOMENT, "No event before this moment.", "2026-03-01T00:00:00Z"),
            _query("until", MOMENT, "No event at or after this moment."),
            _query("action", text_of(events.LONGEST_ACTION, ""), "Only this act.", "login.issue"),
            _query("outcome", one_of(Outcome.values, ""), "Only what was done, or what was refused."),
            _query("order", order, "Which come first."),
            _limit(events.ON_A_PAGE, events.MOST_ON_A_PAGE),
            CURSOR,
        ],
        answer="EventPage",
        example={"events": [EVENT_EXAMPLE], "has_more": False, "next_cursor": None},
        refusals=["invalid_fields", *WITH_KEY],
    )


def _list_entitlements() -> dict[str, Any]:
    numbered = [{"number": 1, "name": "Customer care"}]
    row = {"client": "demoaws", "name": "Demo AWS", "status": "open", "departments": numbered}
    return _operation(
        "list_entitlements",
        "Entitlements",
        "List what the group may enter",
        "The clients, each with its departments and campaigns by the numbers that its CRM knows them by.",
        scope=Scope.ENTITLEMENTS,
        answer="Entitlements",
        example={"entitlements": [row | {"campaigns": [{"number": 1, "name": "Spring billing"}]}]},
        refusals=list(WITH_KEY),
    )


@cache
def _document() -> dict[str, Any]:
    scopes = "\n".join(f"- `{scope.value}`: {scope.label}" for scope in Scope)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Agent Portal API",
            "version": "1",
            "summary": "For a call center's own software: agents, logins, events, entitlements.",
            "description": INTRODUCTION.replace("SCOPES", scopes),
        },
        "servers": [{"url": settings.PORTAL_URL}],
        "tags": [
            {"name": "Agents", "description": "The people of the group who answer the calls."},
            {
                "name": "Logins",
                "description": "Addresses that sign an agent in to a client, and what they are worth.",
            },
            {"name": "Events", "description": "The audit log of the group."},
            {"name": "Entitlements", "description": "What the group may enter."},
        ],
        "paths": _paths(),
        "components": {
            "schemas": schemas(),
            "securitySchemes": {
                "key": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "A key of the group, made on its page “Keys”.",
                },
                "relyingParty": {
                    "type": "http",
                    "scheme": "basic",
                    "description": "Id and secret of a client's relying party.",
                },
            },
        },
    }


INTRODUCTION = f"""\
Answers are JSON in UTF-8, never kept by caches. Unknown fields are ignored, a trailing slash is tolerated.

**Keys.** Show a key of your group as `Authorization: Bearer ak_…`, from an address on the group's list. \
What a key may be used for are its scopes:

SCOPES

**Limits.** {settings.LIMITS_PER_MINUTE["native"]} requests a minute and key, bodies of 1 MiB. Beyond, the answer is \
429 with `Retry-After`.

**Refusals** are problem details (RFC 9457, `{PROBLEM}`) with a `code` for programs and a `detail` for people; \
`errors` says what is wrong with each field, `request_id` (also the header `X-Request-Id`) finds the request in the \
group's activity. Beside what is listed with each address: 404 `not_found` and 405 `method_not_allowed` (with `Allow`) \
for addresses and methods that are not here, 421 for another host name."""
