"""`/api/docs`: the OpenAPI document as a page, drawn on the server: HTML, a style sheet, copy buttons."""

import json
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from django.conf import settings
from django.http import HttpResponse
from django.template.loader import render_to_string
from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe
from rest_framework.request import Request

from tokens.dialects.native.document import document
from tokens.dialects.native.door import NativeDoor
from tokens.dialects.native.shapes import Schema

CODE, STRONG = re.compile(r"`([^`]+)`"), re.compile(r"\*\*([^*]+)\*\*")
TYPES = {
    "string": "text",
    "integer": "number",
    "boolean": "true or false",
    "array": "list",
    "object": "object",
}
CREDENTIALS = {"key": "-H 'Authorization: Bearer ak_…'", "relyingParty": "-u 'rp_…:rs_…'"}


class Page(NativeDoor):
    """`GET /api/docs`: the page, for everybody."""

    action = "api"

    def admit(self, request: Request) -> None:
        """Everybody may read it."""

    def get(self, request: Request) -> HttpResponse:
        return HttpResponse(render_to_string("tokens/api_docs.html", _context()))


@dataclass(frozen=True)
class Row:
    """A field or a parameter, in words."""

    name: str
    kind: str
    is_required: bool
    text: SafeString


@dataclass(frozen=True)
class Operation:
    """One method of an address, in words."""

    name: str
    method: str
    path: str
    summary: str
    text: SafeString
    parameters: list[Row]
    body: list[Row]
    answer: list[Row]
    status: str
    sample: str
    example: str
    refusals: list[tuple[str, list[tuple[str, SafeString]]]]


def marked(text: str) -> SafeString:
    """A text of the document with its `code` and **strong** words; anything else in it is shown as it is."""
    told = STRONG.sub(r"<strong>\1</strong>", CODE.sub(r"<code>\1</code>", escape(text)))
    return mark_safe(told)  # noqa: S308  (escaped above)


@cache
def _context() -> dict[str, Any]:
    told = document()
    by_tag: dict[str, list[Operation]] = {tag["name"]: [] for tag in told["tags"]}
    for path, methods in told["paths"].items():
        for method, operation in methods.items():
            by_tag[operation["tags"][0]].append(_operation(method, path, operation, told))
    return {
        "title": told["info"]["title"],
        "summary": told["info"]["summary"],
        "introduction": _paragraphs(told["info"]["description"]),
        "sections": [(tag["name"], tag["description"], by_tag[tag["name"]]) for tag in told["tags"]],
        "document_url": f"{settings.PORTAL_URL}/api/schema",
        "base_url": settings.PORTAL_URL,
    }


def _paragraphs(text: str) -> list[tuple[str, Any]]:
    """The paragraphs of a text: ("text", …) or ("list", […])."""
    told: list[tuple[str, Any]] = []
    for block in text.split("\n\n"):
        if block.startswith("- "):
            told.append(("list", [marked(line.removeprefix("- ")) for line in block.splitlines()]))
        else:
            told.append(("text", marked(block)))
    return told


def _operation(method: str, path: str, operation: dict[str, Any], told: dict[str, Any]) -> Operation:
    (status, answer), *refused = operation["responses"].items()
    content = answer["content"]["application/json"]
    body = operation.get("requestBody", {}).get("content", {}).get("application/json")
    return Operation(
        name=operation["operationId"],
        method=method.upper(),
        path=path,
        summary=operation["summary"],
        text=marked(operation["description"]),
        parameters=[
            Row(each["name"], _kind(each["schema"]), each["required"], marked(each["description"]))
            for each in operation.get("parameters", ())
        ],
        body=list(_rows(body["schema"], told)) if body else [],
        answer=list(_rows(content["schema"], told)),
        status=status,
        sample=_sample(method, path, operation, body),
        example=_as_text(content["example"]),
        refusals=[(number, _codes(response)) for number, response in refused],
    )


def _codes(response: dict[str, Any]) -> list[tuple[str, SafeString]]:
    examples = response["content"]["application/problem+json"]["examples"]
    return [
        (code, marked(text))
        for code, text in re.findall(r"`(\w+)`: (.*?)(?= `\w+`: |$)", response["description"])
        if code in examples
    ]


def _rows(schema: Schema, told: dict[str, Any], above: str = "") -> Iterator[Row]:
    """The fields of an object, those within others after these, by their paths."""
    schema = _resolved(schema, told)
    for name, field in schema.get("properties", {}).items():
        within = _resolved(field, told)
        path = f"{above}{name}"
        is_required = not above and name in schema.get("required", ())
        yield Row(path, _kind(within), is_required, marked(within.get("description", "")))
        if "items" in within:
            yield from _rows(within["items"], told, f"{path}[].")
        elif "properties" in within:
            yield from _rows(within, told, f"{path}.")


def _resolved(schema: Schema, told: dict[str, Any]) -> Schema:
    if "$ref" in schema:
        found: Schema = told["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
        return found
    return schema


def _kind(schema: Schema) -> str:
    """A type with its limits, in words."""
    if "enum" in schema:
        return " | ".join(str(word) for word in schema["enum"])
    if "anyOf" in schema and "type" not in schema:
        return " or ".join(_kind(one) for one in schema["anyOf"])
    types = [schema["type"]] if isinstance(schema["type"], str) else schema["type"]
    said = " or ".join(TYPES.get(each, each) for each in types)
    if schema.get("format") == "date-time":
        said = said.replace("text", "moment")
    if schema.get("items", {}).get("type") == "integer":
        said = said.replace("list", "list of numbers")
    return said + _limits(schema)


def _limits(schema: Schema) -> str:
    if "maxLength" in schema:
        return f", at most {schema['maxLength']:,} characters"
    if "maxItems" in schema:
        return f", at most {schema['maxItems']:,}"
    if "minimum" in schema and "maximum" in schema and schema["maximum"] < 10_000:
        return f", {schema['minimum']} to {schema['maximum']}"
    return ""


def _sample(method: str, path: str, operation: dict[str, Any], body: dict[str, Any] | None) -> str:
    """The request as a command."""
    (scheme,) = operation["security"][0]
    for each in operation.get("parameters", ()):
        path = path.replace(f"{{{each['name']}}}", str(each.get("example", "")))
    verb = "" if method == "get" or (method == "post" and body) else f" -X {method.upper()}"
    lines = [f"curl -sS{verb} {settings.PORTAL_URL}{path}", CREDENTIALS[scheme]]
    if body:
        lines += ["-H 'Content-Type: application/json'", f"-d {shlex.quote(_as_text(body['example']))}"]
    return " \\\n  ".join(lines)


def _as_text(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)
