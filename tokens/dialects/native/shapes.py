"""The shapes of the API's document: what each field is, with the limits that it is read with."""

from collections.abc import Sequence
from typing import Any

from accounts.models import Outcome
from groups.agent_columns import YEARS
from groups.finding_agents import Standing
from groups.importing.at_once import MOST_ROWS
from groups.models import NAME_LENGTH, USERNAME_LENGTH, AgentStatus, ProvisionedBy
from sso_portal.lib.text import BIDI
from tokens.dialects.native import logins
from tokens.dialects.native.fields import LARGEST_NUMBER, LONGEST_EMAIL, MOST_LISTED, SUBDOMAIN
from tokens.dialects.native.redeem import LONGEST_TOKEN

Schema = dict[str, Any]

# Control and bidi characters; usernames refuse what cannot be seen, too (beyond the BMP as well, which goes unsaid).
UNSHOWN = r"\u0000-\u001f\u007f-\u009f\u2028\u2029" + "".join(f"\\u{ord(c):04x}" for c in sorted(BIDI))
UNSEEN = (
    UNSHOWN
    + r"\u00ad\u0600-\u0605\u06dd\u070f\u0890\u0891\u08e2\u180e\u200b-\u200f\u2060-\u206f\ufeff\ufff9-\ufffb"
)
SUBJECT = "9f2c1e7a40b84d3c8a5d6e0f1b2c3d4e"
MOMENT: Schema = {"type": "string", "format": "date-time"}


def ref_to(name: str) -> Schema:
    """A schema by its name."""
    return {"$ref": f"#/components/schemas/{name}"}


def text_of(
    longest: int, text: str, *, required: bool = False, example: str = "", refused: str = UNSHOWN
) -> Schema:
    some = rf"^[^{refused}]*[^{refused}\s][^{refused}]*$"
    told: Schema = {"type": "string", "maxLength": longest, "description": text}
    told |= {"minLength": 1, "pattern": some} if required else {"pattern": rf"^[^{refused}]*$"}
    return told | ({"examples": [example]} if example else {})


def or_null(schema: Schema) -> Schema:
    return schema | {"type": [schema["type"], "null"]}


def one_of(words: Sequence[str], text: str) -> Schema:
    return {"type": "string", "enum": list(words), "description": text}


def object_of(
    properties: dict[str, Schema], *, required: Sequence[str] | None = None, text: str = ""
) -> Schema:
    """An object; of answers, every field is always there."""
    needed = list(properties) if required is None else list(required)
    told: Schema = {"type": "object", "properties": properties}
    told |= {"required": needed} if needed else {}
    return told | ({"description": text} if text else {})


def list_of(items: Schema, text: str = "", **limits: int) -> Schema:
    return {"type": "array", "items": items} | ({"description": text} if text else {}) | limits


NUMBER: Schema = {"type": "integer", "minimum": 0, "maximum": LARGEST_NUMBER}
USERNAME: Schema = text_of(
    USERNAME_LENGTH,
    "What the agent signs in with; unique in the group, whatever its case. No control, format or bidi characters.",
    required=True,
    example="amara.chen",
    refused=UNSEEN,
)
FULL_NAME: Schema = text_of(
    NAME_LENGTH, "The agent's name, as people read it.", required=True, example="Amara Chen"
)
EMAIL: Schema = {
    "type": ["string", "null"],
    "maxLength": LONGEST_EMAIL,
    "anyOf": [{"format": "email"}, {"enum": ["", None]}],
    "description": "Told to clients whose software asks for one; nothing is sent there. null: none.",
    "examples": ["amara.chen@northwind.example"],
}
ENDS_AT: Schema = {
    "type": ["string", "null"],
    "format": "date-time",
    "pattern": r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?([Zz]|[+-][0-9]{2}:[0-9]{2})$",
    "description": (
        f"When the agent's access ends, kept to the minute, in the years {YEARS[0]} to {YEARS[-1]}. null: it does not."
    ),
    "examples": ["2027-03-31T17:30:00Z"],
}
ALL_CLIENTS: Schema = {
    "type": "boolean",
    "description": (
        "true: every client of the group, later ones too. false: those in `clients` alone, which then is required. "
        "Not given, while `clients` is: false."
    ),
}
CAMPAIGNS: Schema = {
    "description": "Numbers of the client's campaigns, or “all” of those that the group may work for.",
    "anyOf": [{"enum": ["all"]}, list_of(NUMBER, minItems=1, maxItems=MOST_LISTED)],
    "examples": [[1, 2]],
}
ONE_CLIENT: Schema = {
    "type": "string",
    "pattern": f"^{SUBDOMAIN.pattern}$",
    "description": "The client's subdomain.",
    "examples": ["demoaws"],
}
CLIENTS_SAID: Schema = list_of(
    object_of({"client": ONE_CLIENT, "campaigns": CAMPAIGNS}, required=["client"]),
    "The clients that the agent may enter, each once. With `all_clients`, those whose campaigns are narrowed.",
    maxItems=MOST_LISTED,
)
ACCESS_SAID: dict[str, Schema] = {
    "email": EMAIL,
    "ends_at": ENDS_AT,
    "all_clients": ALL_CLIENTS,
    "clients": CLIENTS_SAID,
}
NUMBERS_SAID: Schema = or_null(list_of(NUMBER, maxItems=MOST_LISTED))
STATUS: Schema = one_of(
    AgentStatus.values, "What was decided: active; suspended for now; disabled, for who has left."
)

AGENT: dict[str, Schema] = {
    "subject": {
        "type": "string",
        "pattern": "^[0-9a-f]{32}$",
        "description": "Stable for good and never used again: the `sub` of every login.",
        "examples": [SUBJECT],
    },
    "username": {"type": "string", "examples": ["amara.chen"]},
    "full_name": {"type": "string", "examples": ["Amara Chen"]},
    "email": {"type": ["string", "null"], "examples": ["amara.chen@northwind.example"]},
    "status": STATUS,
    "standing": one_of(Standing.values, "The gravest that is true of the agent now."),
    "ends_at": or_null(MOMENT) | {"examples": [None]},
    "all_clients": {"type": "boolean"},
    "clients": list_of(object_of({"client": ONE_CLIENT, "campaigns": CAMPAIGNS})),
    "provisioned_by": one_of(
        ProvisionedBy.values,
        "administrator: by hand, or by this API; api: on the fly, at a login; import: from a CSV file.",
    ),
    "locked_until": or_null(MOMENT)
    | {"description": "Set while wrong passwords keep the agent from signing in."},
    "last_signed_in_at": or_null(MOMENT),
    "created_at": MOMENT,
}
AGENT_EXAMPLE = {
    "subject": SUBJECT,
    "username": "amara.chen",
    "full_name": "Amara Chen",
    "email": "amara.chen@northwind.example",
    "status": "active",
    "standing": "signed_in",
    "ends_at": None,
    "all_clients": False,
    "clients": [{"client": "demoaws", "campaigns": [1, 2]}, {"client": "sandboxdemo", "campaigns": "all"}],
    "provisioned_by": "administrator",
    "locked_until": None,
    "last_signed_in_at": "2026-03-02T08:57:11Z",
    "created_at": "2025-11-18T10:04:52Z",
}
ERRORS: Schema = {
    "type": "object",
    "additionalProperties": list_of({"type": "string"}),
    "description": "What is wrong with each field.",
}
COUNT: Schema = {"type": "integer", "minimum": 0}
BULK: dict[str, Schema] = {
    "summary": object_of(dict.fromkeys(("created", "changed", "unchanged", "faulty"), COUNT)),
    "rows": list_of(
        object_of(
            {
                "row": COUNT | {"description": "Its place in `agents`, from 0 on."},
                "username": {"type": ["string", "null"]},
                "verdict": one_of(["created", "changed", "unchanged", "faulty"], "What became of it."),
                "subject": {"type": ["string", "null"], "description": "The agent's; null for nobody."},
                "errors": ERRORS,
            }
        )
    ),
}
CALL: dict[str, Schema] = {name: or_null(text_of(longest, text)) for (name, longest), text in zip(
    logins.LONGEST.items(),
    ["The number that was dialled.", "The caller's number.", "The call's id in your telephone system.",
     "The call's campaign, in your words. It grants nothing."],
    strict=True,
)}  # fmt: skip
NUMBERED: Schema = list_of(object_of({"number": NUMBER, "name": {"type": "string"}}))


def _page(name: str, more: Schema | None = None) -> Schema:
    cursor = {
        "type": ["string", "null"],
        "description": "For `cursor`, to get the next page; null: there is none.",
    }
    return object_of({name.lower() + "s": list_of(ref_to(name))} | (more or {}) | {"next_cursor": cursor})


def schemas() -> dict[str, Schema]:
    row: dict[str, Schema] = {"username": USERNAME, "full_name": FULL_NAME, "status": STATUS} | ACCESS_SAID
    return {
        "Agent": object_of(AGENT) | {"examples": [AGENT_EXAMPLE]},
        "AgentPage": _page("Agent"),
        "NewAgent": object_of(
            {"username": USERNAME, "full_name": FULL_NAME} | ACCESS_SAID, required=["username", "full_name"]
        ),
        "AgentChange": object_of(
            {"username": USERNAME, "full_name": FULL_NAME} | ACCESS_SAID,
            required=[],
            text="Fields that are not there stay as they are.",
        ),
        "Bulk": object_of(
            {
                "agents": list_of(
                    object_of(row, required=["username"]),
                    "Each makes the agent of its username, who needs a full_name, or changes what it says of him.",
                    minItems=1,
                    maxItems=MOST_ROWS,
                ),
                "only_good": {
                    "type": "boolean",
                    "default": False,
                    "description": "true: faulty rows are left out. false: where one is faulty, nothing is changed.",
                },
            },
            required=["agents"],
        ),
        "BulkResult": object_of(BULK),
        "NewLogin": object_of(
            {
                "username": USERNAME,
                "full_name": FULL_NAME,
                "email": EMAIL,
                "client": text_of(63, "The client's subdomain.", required=True, example="demoaws"),
                "departments": NUMBERS_SAID
                | {"description": "As which departments, by number. null: all that are granted."},
                "campaigns": NUMBERS_SAID
                | {"description": "For which campaigns, by number. null: all that are granted."},
                "call": object_of(CALL, required=[]) | {"type": ["object", "null"]},
                "destination": {
                    "type": ["string", "null"],
                    "maxLength": logins.LONGEST_DESTINATION,
                    "pattern": f"^{logins.DESTINATION.pattern}$",
                    "description": "Where in the CRM, by a name that the client knows; never an address.",
                },
            },
            required=["username", "full_name", "client"],
        ),
        "Login": object_of(
            {
                "url": {
                    "type": "string",
                    "format": "uri",
                    "description": "Open it in the agent's browser, once.",
                },
                "expires_in": {"type": "integer", "minimum": 1, "description": "Seconds."},
            }
        ),
        "Event": object_of(
            {
                "id": {"type": "string", "pattern": "^[0-9]+$"},
                "at": MOMENT,
                "action": {"type": "string", "description": "`<object>.<verb>`, done or refused."},
                "outcome": one_of(Outcome.values, "Whether it was done."),
                "reason": {"type": ["string", "null"], "description": "A word that says why it was refused."},
                "door": {"type": "string", "description": "The way in that it came by."},
                "actor": {"type": "string", "description": "agent:…, administrator:…, key:…"},
                "client": {"type": ["string", "null"], "description": "Subdomain."},
                "agent": {"type": ["string", "null"], "description": "Subject."},
                "object": {"type": ["string", "null"]},
                "address": {"type": ["string", "null"]},
                "request_id": {"type": "string"},
                "details": {"type": "object", "description": "What changed. Never a secret."},
            }
        ),
        "EventPage": _page("Event", {"has_more": {"type": "boolean"}}),
        "Entitlements": object_of(
            {
                "entitlements": list_of(
                    object_of(
                        {
                            "client": ONE_CLIENT,
                            "name": {"type": "string"},
                            "status": one_of(
                                ["open", "paused", "off"], "Whether agents are let in there now."
                            ),
                            "departments": NUMBERED,
                            "campaigns": NUMBERED,
                        }
                    )
                )
            }
        ),
        "NewRedemption": object_of(
            {"token": text_of(LONGEST_TOKEN, "The `token` that reached your login address.", required=True)}
        ),
        "Redemption": _redemption(),
        "Problem": object_of(
            {
                "type": {"type": "string"},
                "title": {"type": "string"},
                "status": {"type": "integer"},
                "code": {"type": "string", "description": "Stable, for programs."},
                "detail": {"type": "string", "description": "For people; may change."},
                "request_id": {"type": "string", "description": "Tell it to whoever looks into it."},
                "errors": ERRORS,
            },
            required=["type", "title", "status", "code", "detail", "request_id"],
            text="Problem details (RFC 9457).",
        ),
    }


def _redemption() -> Schema:
    text, maybe = {"type": "string"}, {"type": ["string", "null"]}
    return object_of(
        {
            "iss": {"type": "string", "format": "uri"},
            "sub": text | {"description": "The agent's subject: the key to know him by."},
            "aud": text | {"description": "Your relying party's id."},
            "username": text,
            "fullname": text,
            "email": maybe,
            "group": object_of({"id": {"type": "integer"}, "code": text, "name": text}),
            "client": text | {"description": "Subdomain."},
            "departments": list_of(NUMBER),
            "campaigns": {"anyOf": [{"enum": ["all"]}, list_of(NUMBER)]},
            "call": object_of(dict.fromkeys(logins.LONGEST, maybe)),
            "destination": maybe,
            "amr": list_of(text) | {"description": "How the agent signed in (RFC 8176)."},
            "auth_time": {"type": ["integer", "null"]},
            "issued_at": {"type": "integer"},
            "sid": maybe,
        }
    )
