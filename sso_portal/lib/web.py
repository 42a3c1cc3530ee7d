"""What every page and door shares about a request and an answer."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import unquote_plus, urlsplit

from django.conf import settings
from django.http import HttpRequest, HttpResponseBase, HttpResponseRedirect

from sso_portal.lib.addresses import Address, client_address, text_of
from sso_portal.lib.arrivals import Answer, Arrival, arrival_of
from sso_portal.lib.refusals import TOO_LARGE, Refusal, Refused

NO_REFERRER = "no-referrer"
ORIGIN_ALONE = (
    "strict-origin"  # for pages whose form the receiver must know to be ours: else browsers say Origin: null
)
# Addresses that programs call: they answer in their own shape and in English, and know no page, cookie or form.
FOR_SOFTWARE = (
    "/api/",
    "/includes/",
    "/oauth/token",
    "/oauth/userinfo",
    "/oauth/revoke",
    "/oauth/introspect",
    "/.well-known/",
    "/bus/api",
    "/bus/me",
)
DOORS = {
    "sso": "agents",
    "oauth": "oidc",
    "bus": "bus",
    "client": "clients",
}  # by the first part of a page's path
LONGEST_ADDRESS = 8 * 1024  # characters; about what servers and proxies take
LONGEST_FORM = (
    64 * 1024
)  # bytes, of a form that strangers may send: reading one costs far more than receiving it
MOST_USUAL_FIELDS = 50  # of a query
PREFETCH_HEADERS = ("HTTP_SEC_PURPOSE", "HTTP_PURPOSE", "HTTP_X_MOZ")


class Query(Protocol):
    """The fields of an address, each with all its values; as `request.GET` has them."""

    def getlist(self, name: str, /) -> list[str]: ...


class UsualQuery(dict[str, list[str]]):
    """The fields of an arrival's address."""

    def getlist(self, name: str) -> list[str]:
        return self.get(name, [])


@dataclass(frozen=True)
class Caller:
    """Who is on the other end, as far as the network tells. Acts get this instead of the request."""

    reference: str
    address: Address | None
    agent_header: str
    door: str

    @property
    def address_text(self) -> str:
        return text_of(self.address)


def caller_of(request: HttpRequest | Arrival, *, door: str = "") -> Caller:
    """The caller of this request, coming in by this door (pages: told from the address)."""
    return Caller(
        reference=reference_of(request),
        address=client_address(request.META, settings.TRUSTED_PROXIES),
        agent_header=request.META.get("HTTP_USER_AGENT", "")[:256],
        door=door or DOORS.get(request.path.strip("/").partition("/")[0], "main"),
    )


def reference_of(request: HttpRequest | Arrival) -> str:
    """The reference number of this request: in logs, events and on refusal pages alike."""
    return getattr(request, "reference", "")


def usual_query(arrival: Arrival) -> UsualQuery:
    """As `request.GET`, at a fraction of the cost. Raises ValueError for what is not written as it should be."""
    written = arrival.META.get("QUERY_STRING", "")
    if not written.isascii() or written.count("&") >= MOST_USUAL_FIELDS:
        raise ValueError("characters that are not escaped, or too many fields")
    query = UsualQuery()
    for field in written.split("&"):
        name, _, value = field.partition("=")
        if field:
            query.setdefault(_unescaped(name), []).append(_unescaped(value))
    return query


def _unescaped(written: str) -> str:
    if "%" not in written and "+" not in written:
        return written
    # The plus of a telephone number, as a rule: nothing else is escaped then, and it cannot be a part of anything else.
    text = written.replace("+", " ").replace("%2B", "+")
    return unquote_plus(written) if "%" in text else text


def failure_of(request: HttpRequest) -> Exception | None:
    """What stopped this request while it was tried at once: it may be done, and is not to be tried again."""
    arrival = arrival_of(request)
    return arrival.failed if arrival else None


def issued_already(request: HttpRequest) -> Any:
    """What was issued when this request was tried at once, if a page of it is still to be made."""
    arrival = arrival_of(request)
    return arrival.issued if arrival else None


def length_of_body(meta: Mapping[str, Any]) -> int | None:
    """How many bytes the request says that it brings; None for what is no length (“²” is a digit, but none here)."""
    said = str(meta.get("CONTENT_LENGTH") or "0")
    return int(said) if said.isascii() and said.isdigit() and len(said) < 19 else None


def is_for_software(path: str) -> bool:
    """Whether programs call this address, rather than browsers on behalf of people."""
    return f"{path}/".startswith(FOR_SOFTWARE)


def is_navigation(request: HttpRequest | Arrival) -> bool:
    """Whether a person is going to this address, as far as the browser says.

    HEAD, prefetches and loads by scripts or pictures are not; they never mint or spend (wire.md, section 1).
    """
    # `META` here and below: `request.headers` would copy all of it first, for each pop.
    if request.method == "HEAD" or any(header in request.META for header in PREFETCH_HEADERS):
        return False
    mode, dest = request.META.get("HTTP_SEC_FETCH_MODE"), request.META.get("HTTP_SEC_FETCH_DEST")
    return mode in (None, "navigate") and dest in (None, "document", "iframe")


def is_fragment(request: HttpRequest) -> bool:
    """Whether htmx asks, for a part of the page that is open (going back asks for the whole of it)."""
    return request.headers.get("HX-Request") == "true" and "HX-History-Restore-Request" not in request.headers


def is_live(request: HttpRequest) -> bool:
    """Whether the open page asks by itself, to stay up to date: nobody sits there because of it."""
    return request.headers.get("X-Live") == "1"


def is_framed(request: HttpRequest | Arrival) -> bool:
    """Whether the page would open inside a frame, where a Lax cookie does not reach us."""
    return request.META.get("HTTP_SEC_FETCH_DEST") == "iframe"


def see_other(url: str) -> HttpResponseRedirect:
    """Go on with a GET there, whatever the method was here."""
    return HttpResponseRedirect(url, status=303)


def same_with_get(request: HttpRequest) -> str:
    """The address of a POST as a GET: query and body in one.

    Raises Refused for a name that is given twice (400), and for more than an address can hold (413).
    """
    merged = request.GET.copy()
    for name, values in request.POST.lists():
        merged.setlist(name, [*merged.getlist(name), *values])
    for name, values in merged.lists():
        if len(values) > 1:
            raise Refused(Refusal("malformed", f"{name[:40]} is given twice in this request.", 400))
    address = f"{request.path}?{merged.urlencode()}"
    if len(address) > LONGEST_ADDRESS:
        raise Refused(TOO_LARGE)
    return address


def see_other_at_once(url: str) -> Answer:
    """The same as an answer to an arrival, which tells the next page nothing of this one."""
    headers = {"Content-Type": "text/html; charset=utf-8", "Location": url, "Referrer-Policy": NO_REFERRER}
    return Answer(303, headers)


def origin_of(url: str) -> str:
    """Scheme, host and port of an address, as in a content security policy."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def allow_forms_to(response: HttpResponseBase, origins: Iterable[str]) -> None:
    """Let this page's form end at these origins too: Chromium holds redirects after a POST to `form-action`."""
    wanted = sorted(set(origins))
    if wanted:
        response._csp_update = {"form-action": wanted}  # type: ignore[attr-defined]  # django-csp's own mark


def allow_any_frame(response: HttpResponseBase) -> None:
    """Let this page be shown in a frame of any site. For pages that offer nothing but a link."""
    response._csp_replace = {"frame-ancestors": ["http:", "https:"]}  # type: ignore[attr-defined]  # as above
    response.xframe_options_exempt = True  # type: ignore[attr-defined]  # Django's own mark


def allow_frames_of(response: HttpResponseBase, origins: Iterable[str]) -> None:
    """Let this page be shown in frames of these origins; where there are none, of nobody's."""
    response._csp_replace = {"frame-ancestors": sorted(set(origins)) or ["'none'"]}  # type: ignore[attr-defined]  # as above


def keep_for_good(response: HttpResponseBase) -> None:
    """Let browsers keep this answer for ever: its address holds a digest of what is in it."""
    response.headers["Cache-Control"] = "public, max-age=31536000, immutable"
    response.is_kept = True  # type: ignore[attr-defined]  # or the outermost middleware would say no-store


def keep_for(response: HttpResponseBase, *, seconds: int) -> None:
    """Let whoever asked, and what stands between, keep this answer for a while: it is the same for everybody."""
    response.headers["Cache-Control"] = f"public, max-age={seconds}"
    response.is_kept = True  # type: ignore[attr-defined]  # as above
