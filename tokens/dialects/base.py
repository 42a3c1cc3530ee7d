"""What every door for software does, so that none can forget it: strict JSON, admission, throttle, refusals."""

import base64
import json
from collections.abc import Sequence
from typing import Any, ClassVar
from urllib.parse import parse_qsl

import orjson
from django.core.exceptions import RequestDataTooBig
from rest_framework import exceptions
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.parsers import BaseParser
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts import audit, lockout
from sso_portal.lib.arrivals import Answer, Arrival
from sso_portal.lib.outages import is_outage, tell_outage
from sso_portal.lib.refusals import NOT_FOUND, UNAVAILABLE, Refusal, Refused
from sso_portal.lib.text import why_not_text
from sso_portal.lib.web import LONGEST_FORM, Caller, caller_of, failure_of, length_of_body

LONGEST_BODY = 1024 * 1024  # bytes
SMALL_BODY = 4096  # bytes; of what is answered at once
DEEPEST = 20  # levels of lists and objects
MOST_FIELDS = 200

TOO_MANY = Refusal("too_many_requests", "Too many requests. Wait, and see Retry-After.", 429)
TOO_LARGE = Refusal("too_large", "The body is larger than 1 MiB.", 413)
TOO_LARGE_FORM = Refusal("too_large", "The form is larger than 64 KiB.", 413)
INVALID_JSON = Refusal("invalid_json", "The body is not a JSON object in UTF-8.", 400)
INVALID_FORM = Refusal("invalid_request", "The body is not a form in UTF-8 with each name once.", 400)
LENGTH_REQUIRED = Refusal("length_required", "Send the body with a Content-Length, not in chunks.", 411)
FRAMEWORK_REFUSALS: dict[type[Exception], Refusal] = {
    exceptions.MethodNotAllowed: Refusal(
        "method_not_allowed", "This address does not answer this method.", 405
    ),
    exceptions.UnsupportedMediaType: Refusal(
        "unsupported_media_type", "Send the body as application/json.", 415
    ),
    exceptions.NotFound: NOT_FOUND,
    exceptions.ParseError: INVALID_JSON,
    RequestDataTooBig: TOO_LARGE,
}


class JSONOnly(BaseContentNegotiation):
    """Answers are JSON, whatever Accept says."""

    def select_parser(self, request: Request, parsers: Sequence[BaseParser]) -> BaseParser | None:  # type: ignore[override]
        media_type = (request.content_type or "").split(";")[0].strip().lower()
        return next((parser for parser in parsers if parser.media_type == media_type), None)

    def select_renderer(  # type: ignore[override]
        self, request: Request, renderers: Sequence[Any], format_suffix: str | None = None
    ) -> tuple[Any, str]:
        return renderers[0], renderers[0].media_type


class StrictParser(BaseParser):
    """Reads bodies of up to so many bytes. A `Door` judges that by what a request says, before it reads any."""

    longest: ClassVar[int] = LONGEST_BODY
    too_large: ClassVar[Refusal] = TOO_LARGE

    @classmethod
    def read(cls, stream: Any) -> bytes:
        """The body. Raises Refused where it is longer."""
        body: bytes = stream.read(cls.longest + 1)
        if len(body) > cls.longest:
            raise Refused(cls.too_large)
        return body


class StrictJSONParser(StrictParser):
    """A JSON object in UTF-8: no NaN, no name twice, not too deep, not too large."""

    media_type = "application/json"

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Any = None) -> dict[str, Any]:
        return self.parsed(self.read(stream))

    @staticmethod
    def parsed(body: bytes) -> dict[str, Any]:
        """The object. Raises Refused where it is none."""
        try:
            parsed = _DECODER.decode(body.decode())
        except (ValueError, RecursionError) as error:
            raise Refused(INVALID_JSON) from error
        if not isinstance(parsed, dict) or _is_deeper(parsed, DEEPEST):
            raise Refused(INVALID_JSON)
        return parsed


class StrictFormParser(StrictParser):
    """A form in UTF-8: no name twice, not too many, not too large."""

    media_type = "application/x-www-form-urlencoded"
    longest = LONGEST_FORM
    too_large = TOO_LARGE_FORM

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Any = None) -> dict[str, str]:
        body = self.read(stream)
        try:
            pairs = parse_qsl(
                body.decode(), keep_blank_values=True, errors="strict", max_num_fields=MOST_FIELDS
            )
            return self.together(pairs)
        except ValueError as error:
            raise Refused(INVALID_FORM) from error

    @staticmethod
    def together(pairs: list[tuple[str, str]]) -> dict[str, str]:
        """The fields by their names. Raises ValueError for a name that is given twice."""
        return _no_name_twice(pairs)


def _no_name_twice(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    named = dict(pairs)
    if len(named) < len(pairs):
        raise ValueError("a name is given twice")
    return named


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


# Made once: `json` would make it anew each time.
_DECODER = json.JSONDecoder(object_pairs_hook=_no_name_twice, parse_constant=_no_constant)


def _is_deeper(value: dict[str, Any] | list[Any], levels: int) -> bool:
    if levels == 0:
        return True
    items = value.values() if isinstance(value, dict) else value
    nested = [item for item in items if isinstance(item, (dict, list))]
    return any(_is_deeper(item, levels - 1) for item in nested)


class Door(APIView):
    """One address for software. Subclasses say whom they `admit`, and how a refusal is worded."""

    authentication_classes = ()
    permission_classes = ()  # `admit` decides
    parser_classes: Sequence[type[StrictParser]] = (StrictJSONParser,)
    renderer_classes = (JSONRenderer,)
    content_negotiation_class = JSONOnly
    name: ClassVar[str]  # in events and logs
    action: ClassVar[str]  # what is asked for here, in events

    caller: Caller

    def admit(self, request: Request) -> None:
        """Find out who calls. Raises Refused with status 401 for credentials that are missing or wrong."""
        raise NotImplementedError

    def word(self, refusal: Refusal) -> dict[str, Any]:
        """The refusal as this API words it."""
        raise NotImplementedError

    def blames_credentials(self, refusal: Refusal) -> bool:
        """Whether the refusal says that what was shown is wrong: one address may hear that so often a minute."""
        return refusal.status == 401

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        self.caller = caller_of(request._request, door=self.name)
        if failure := failure_of(request._request):
            raise failure
        if not self.methods():
            raise exceptions.NotFound
        method = request.method or ""
        if method.lower() not in self.methods():
            raise exceptions.MethodNotAllowed(method)
        length, parser = length_of_body(request.META), self.parser_classes[0]
        if length is None or length > parser.longest:
            raise Refused(parser.too_large)
        super().initial(request, *args, **kwargs)
        try:
            self.admit(request)
        except Refused as refused:
            # Asked after the fact, so that one caller's bad keys never shut out another's good one.
            who = self.caller.address_text
            is_guess = self.blames_credentials(refused.refusal)
            if is_guess and not lockout.may_go_on(limit="refused credentials", who=who):
                raise Refused(TOO_MANY, refused.about, retry_after=60) from refused
            raise

    @classmethod
    def methods(cls) -> list[str]:
        """The methods that this address answers; of the rest none, OPTIONS included."""
        return [name for name in ("get", "head", "post", "patch", "put", "delete") if hasattr(cls, name)]

    def handle_exception(self, exc: Exception) -> Response:
        """Word a refusal, and record it. Anything that is none is a bug, and passed on."""
        refused = exc if isinstance(exc, Refused) else self._refused_by_framework(exc)
        if refused.refusal.status != UNAVAILABLE.status:
            refused.about = {"action": self.action} | refused.about
            audit.record_refusal(refused, caller=self.caller)
        response = Response(self.word(refused.refusal), status=refused.refusal.status)
        if refused.refusal.status == 405:
            response.headers["Allow"] = ", ".join(name.upper() for name in self.methods())
        if refused.retry_after or refused.refusal.status == UNAVAILABLE.status:
            response.headers["Retry-After"] = str(refused.retry_after or 5)
        return response

    def _refused_by_framework(self, exc: Exception) -> Refused:
        if is_outage(exc):
            tell_outage(exc)
            return Refused(UNAVAILABLE)
        for kind, refusal in FRAMEWORK_REFUSALS.items():
            if isinstance(exc, kind):
                return Refused(refusal)
        raise exc

    def options(self, request: Request, *args: Any, **kwargs: Any) -> Response:  # type: ignore[override]
        raise exceptions.MethodNotAllowed("OPTIONS")

    @property
    def default_response_headers(self) -> dict[str, str]:
        return {}


def usual_body(arrival: Arrival) -> dict[str, Any] | None:
    """The JSON object that a small POST brought; None for whatever must be looked at more closely."""
    told = arrival.META
    length = length_of_body(told) or 0
    is_usual = arrival.method == "POST" and told.get("CONTENT_TYPE") == StrictJSONParser.media_type
    if not is_usual or not 0 < length <= SMALL_BODY or "HTTP_TRANSFER_ENCODING" in told:
        return None
    try:
        return StrictJSONParser.parsed(arrival.body)
    except Refused:
        return None


def answer_in_json(answer: dict[str, Any]) -> Answer:
    """As the framework words it, at a fraction of the cost."""
    return Answer(200, {"Content-Type": JSONRenderer.media_type}, orjson.dumps(answer))


def basic_credentials(request: Arrival | Request) -> tuple[str, str] | None:
    """The name and password of HTTP Basic (RFC 7617); None where there are none to read."""
    scheme, _, encoded = request.META.get("HTTP_AUTHORIZATION", "").strip().partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        name, colon, password = base64.b64decode(encoded.strip(), validate=True).decode().partition(":")
    except ValueError:  # not Base64, not UTF-8, not even ASCII
        return None
    return (name, password) if colon else None


def json_body(request: Request) -> dict[str, Any]:
    """The JSON object that a request brought. Raises Refused where it brought none."""
    if "chunked" in request.headers.get("Transfer-Encoding", "").lower():
        raise Refused(LENGTH_REQUIRED)
    if request.stream is None:  # the framework parses nothing then, and calls it empty
        raise Refused(INVALID_JSON)
    return dict(request.data)


def text_field(body: dict[str, Any], name: str, *, longest: int, required: bool = False) -> str:
    """A text of the body, trimmed; "" when it is absent, null or blank. Raises Refused, naming the field."""
    value = body.get(name)
    text = value.strip() if isinstance(value, str) else value
    if text is None or text == "":
        if required:
            raise Refused(Refusal("missing_field", f"{name} is required.", 400, field=name))
        return ""
    if not isinstance(text, str):
        raise Refused(Refusal("invalid_field", f"{name} must be text.", 400, field=name))
    if why := why_not_text(text, longest=longest):
        raise Refused(Refusal("invalid_field", f"{name} {why}.", 400, field=name))
    return text
