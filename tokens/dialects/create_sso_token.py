"""CreateSsoToken (wire.md, section 4): a billing system asks for a login of one of a client company's own people.

Where the original leaves something open: of a name that is given twice the last counts, as in PHP; an action in the
body goes before one in the query; who calls is found out before what he wants; a client that is switched off is
answered like one that is paused. Where the person goes from there is told in `tokens.issuing_to_people`.
"""

import hmac
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from django.conf import settings
from django.core.exceptions import SuspiciousOperation
from django.http.multipartparser import MultiPartParser, MultiPartParserError
from django.urls import reverse
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import lockout
from groups.client_people import UNKNOWN_CLIENT, UNKNOWN_PERSON, find_person
from groups.destinations import find_place
from groups.models import Client
from sso_portal.lib.addresses import Network, is_within, parse_networks
from sso_portal.lib.refusals import Refusal, Refused
from sso_portal.lib.secrets import digest_of
from sso_portal.lib.text import why_not_text
from tokens.dialects.base import (
    INVALID_FORM,
    LENGTH_REQUIRED,
    TOO_MANY,
    Door,
    StrictFormParser,
)
from tokens.issuing_to_people import CREATE, IssuedToPerson, create_sso_token
from tokens.models import ApiCredential, CredentialAddress
from tokens.parties import identifier_shown

ACTION = "createssotoken"
LONGEST = 512  # characters of a field
LONGEST_NUMBER = 18  # digits
LONGEST_ACTION = 64
CREDENTIALS = ("identifier", "secret", "username", "password", "accesskey")
FAILED = Refusal("unauthorized", "Authentication Failed", 403)
UNKNOWN = Refusal("unauthorized", "Invalid or missing credentials", 403, "unknown identifier")
NO_ACTION = Refusal("missing_field", "Empty action request", 400, field="action")
# The acts' refusals in the words of this format, which answers them with HTTP 200.
ARGUMENT_ERRORS = {
    "unknown_client": "Invalid client_id",
    "unknown_person": "Invalid user_id",
    "another_clients_person": "Invalid user_id for client",
    "nobody_named": "A valid client_id or user_id is required",
    "unknown_destination": "Invalid destination",
    "client_unavailable": "SSO authentication blocked for client {client}",
    "no_owner": "Token could not be provisioned: {message}",
    "person_inactive": "Token could not be provisioned: {message}",
    "unusable_destination": "Token could not be provisioned: {message}",
}
# And those of the framework that speak of other bodies than this format's.
OF_FORMS = {
    "unsupported_media_type": "Send the body as application/x-www-form-urlencoded or multipart/form-data.",
    INVALID_FORM.code: "The body is not a form in UTF-8.",
}


class FormParser(StrictFormParser):
    """A form in UTF-8; of a name that is given twice the last counts."""

    @staticmethod
    def together(pairs: list[tuple[str, str]]) -> dict[str, str]:
        return dict(pairs)


class MultipartParser(StrictFormParser):
    """A form as multipart/form-data; files in it are not looked at."""

    media_type = "multipart/form-data"

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Any = None) -> dict[str, str]:
        request: Request = (parser_context or {})["request"]
        try:
            # In UTF-8 whatever the content type says: some of the charsets it may name cannot read text at all.
            parser = MultiPartParser(request.META, stream, request._request.upload_handlers, "utf-8")
            fields, _files = parser.parse()
        except (MultiPartParserError, SuspiciousOperation, ValueError, LookupError) as error:
            raise Refused(INVALID_FORM) from error
        return {name: str(fields[name]) for name in fields if fields.getlist(name)}


class CreateSsoToken(Door):
    """`POST /includes/api.php`: the one action of it that the portal offers."""

    name = "people"
    action = CREATE
    parser_classes = (FormParser, MultipartParser)
    credential: ApiCredential

    def admit(self, request: Request) -> None:
        identifier = _field(request, "identifier") or _field(request, "username")
        secret = _field(request, "secret") or _field(request, "password")
        about: dict[str, Any] = {"details": identifier_shown(identifier)}
        if any(any(request.query_params.getlist(name)) for name in CREDENTIALS):
            raise Refused(replace(FAILED, detail="credentials in the query"), about)
        if not identifier or not secret:
            raise Refused(FAILED, about)
        found, networks = _look_up(identifier)
        if found is not None:
            about = {"actor": found.named}
            if not is_within(self.caller.address, networks):
                raise Refused(_invalid_address(self.caller.address_text), about)
        # Of an unknown identifier a secret is compared too, so that it costs as much as a wrong one.
        is_right = hmac.compare_digest(digest_of(secret), found.digest if found else digest_of(""))
        if found is None or not is_right:
            raise Refused(replace(FAILED, detail="wrong secret") if found else UNKNOWN, about)
        if not lockout.may_go_on(limit="create_sso_token", who=found.identifier):
            raise Refused(TOO_MANY, about, retry_after=60)
        self.credential = found

    def blames_credentials(self, refusal: Refusal) -> bool:
        return refusal.code == FAILED.code

    def word(self, refusal: Refusal) -> dict[str, Any]:
        return {"result": "error", "message": OF_FORMS.get(refusal.code, refusal.message)}

    def post(self, request: Request) -> Response:
        action = _field(request, "action") or request.query_params.get("action", "").strip()
        details = {name: _field(request, name)[:64] for name in ("client_id", "user_id", "destination")}
        try:
            if not action:
                raise Refused(NO_ACTION)
            if action.lower() != ACTION:
                raise Refused(_not_allowed(action[:LONGEST_ACTION].lower()))
            ApiCredential.objects.touch(self.credential)
            issued = self._create(request)
        except Refused as refused:
            refused.refusal = _worded(refused)
            refused.about = {
                "actor": self.credential.named,
                "details": {name: value for name, value in details.items() if value},
            } | refused.about
            raise
        address = f"{settings.PORTAL_URL}{reverse('single_sign_on')}?access_token={issued.secret}"
        return Response({"result": "success", "access_token": issued.secret, "redirect_url": address})

    def _create(self, request: Request) -> IssuedToPerson:
        person = find_person(
            client_id=_number(_field(request, "client_id"), UNKNOWN_CLIENT),
            person_id=_number(_field(request, "user_id"), UNKNOWN_PERSON),
            among=self.credential.clients.all(),
        )
        place = find_place(
            person.client,
            _field(request, "destination"),
            service_id=_field(request, "service_id"),
            domain_id=_field(request, "domain_id"),
            path=_field(request, "sso_redirect_path"),
        )
        return create_sso_token(
            person, place=place, by=self.credential.named, caller=self.caller, credential=self.credential
        )


class NothingHere(CreateSsoToken):
    """Every other address under /includes/: it answers no method."""

    @classmethod
    def methods(cls) -> list[str]:
        return []


def _field(request: Request, name: str) -> str:
    """A field of the form, trimmed; "" when it is absent. Raises Refused, naming it, for text that is none."""
    if "chunked" in request.headers.get("Transfer-Encoding", "").lower():
        raise Refused(LENGTH_REQUIRED)
    value = str(dict(request.data).get(name, "")).strip()
    if why := why_not_text(value, longest=LONGEST):
        raise Refused(Refusal("invalid_field", f"{name} {why}.", 400, field=name))
    return value


def _look_up(identifier: str) -> tuple[ApiCredential | None, Sequence[Network]]:
    """The live credential with its address list: two SELECTs, whether there is one or not."""
    found = ApiCredential.objects.live().filter(identifier=identifier).first()
    networks = CredentialAddress.objects.filter(credential__identifier=identifier)
    return found, parse_networks(list(networks.values_list("network", flat=True)))


def _invalid_address(address: str) -> Refusal:
    return Refusal("unauthorized", f"Invalid IP {address}", 403, "address not on the list")


def _not_allowed(action: str) -> Refusal:
    message = f'Invalid Permissions: API action "{action}" is not allowed'
    return Refusal("unknown_action", message, 403)


def _number(text: str, refusal: Refusal) -> int | None:
    """A number as text; None for none. Raises Refused for anything else."""
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= LONGEST_NUMBER):
        raise Refused(refusal)
    return int(text)


def _worded(refused: Refused) -> Refusal:
    """The refusal of an act in the words of this format; one of this format's own as it is."""
    refusal, client = refused.refusal, refused.about.get("client")
    words = ARGUMENT_ERRORS.get(refusal.code)
    if words is None:
        return refusal
    number = client.pk if isinstance(client, Client) else ""
    message = words.format(client=number, message=refusal.message)
    return replace(refusal, message=message, status=200)
