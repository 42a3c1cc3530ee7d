"""The back office, and its pages beside Django's own: secrets that are shown once, and questions before an act."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import wraps
from typing import Any, ClassVar, TypeVar, cast

from allauth.account.decorators import secure_admin_login
from django.conf import settings
from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.forms import BaseInlineFormSet
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.template.response import TemplateResponse
from django.utils.translation import gettext_lazy

from accounts import audit
from accounts.fresh_factor import ask_for_second_factor, has_fresh_factor
from sso_portal.lib.refusals import Refused
from sso_portal.lib.web import Caller, caller_of

View = Callable[..., HttpResponseBase]
V = TypeVar("V", bound=View)
# Endings of the names that Django gives to the addresses of such pages.
FORMS = ("_add", "_change", "_delete")
TIME_TO_TYPE = settings.ACCOUNT_REAUTHENTICATION_TIMEOUT // 2  # seconds


@dataclass(frozen=True)
class Shown:
    """Something to copy from the page, with what it is."""

    label: str
    value: str


class OnceEach(BaseInlineFormSet):
    """Rows that are told apart as the model tidies them, which the database would find out too late.

    `once` names the fields that no two rows may share; with `only_if`, rows where it is off do not count.
    """

    once: ClassVar[tuple[str, ...]] = ()
    only_if: ClassVar[str] = ""
    again: ClassVar[Any] = gettext_lazy("This is here twice.")

    def clean(self) -> None:
        super().clean()
        seen = set()
        for form in self.forms:
            row = form.instance
            if form.errors or (not form.has_changed() and row.pk is None) or form in self.deleted_forms:
                continue
            if self.only_if and not getattr(row, self.only_if):
                continue
            key = tuple(getattr(row, name) for name in self.once)
            if key in seen:
                raise ValidationError(self.again)
            seen.add(key)


def asking_again(view: View) -> View:
    """A page of the back office: what changes anything asks for the second factor again, after five minutes.

    A form is not kept meanwhile, since it may hold passwords: so its page asks already when half of that is over.
    """

    @wraps(view)
    def checked(request: HttpRequest, *given: Any, **named: Any) -> HttpResponseBase:
        page = (request.resolver_match and request.resolver_match.url_name) or ""
        is_form = page.endswith(FORMS) and _may_change(view, request)
        ahead = TIME_TO_TYPE if request.method != "POST" else 0
        asks = (is_form or request.method not in ("GET", "HEAD", "OPTIONS")) and page != "logout"
        if asks and not has_fresh_factor(request, ahead=ahead):
            return ask_for_second_factor(request, keeps_form=False)
        return view(request, *given, **named)

    return checked


def _may_change(view: View, request: HttpRequest) -> bool:
    """Whether the rows of this view's model may be changed; those to look at have a page that looks like a form."""
    keeper = getattr(view, "__self__", None)
    return not isinstance(keeper, admin.ModelAdmin) or keeper.has_change_permission(request)


class BackOffice(admin.AdminSite):
    """The back office: every page of it, wherever it is made, is for operators, and asks again."""

    site_header = "Agent Portal back office"
    site_title = "Back office"
    index_title = "What the operators keep"

    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        return secure_admin_login(super().login)(request, extra_context)  # type: ignore[no-any-return]  # untyped

    def admin_view(self, view: V, cacheable: bool = False) -> V:
        return super().admin_view(cast("V", asking_again(view)), cacheable)


def operator_of(request: HttpRequest) -> str:
    """The operator as audit events name him."""
    return f"administrator:{request.user.get_username()}"


def caller_here(request: HttpRequest) -> Caller:
    """The caller, coming in by the back office."""
    return caller_of(request, door="backoffice")


def show_once(
    request: HttpRequest,
    opts: Any,
    *,
    title: str,
    shown: Sequence[Shown],
    text: str = "",
    is_kept: bool = False,
) -> TemplateResponse:
    """The one page that a secret is ever on: it goes into no cookie, session or message.

    What `is_kept` is no secret, and can be looked up again.
    """
    context = {"title": title, "shown": shown, "text": text, "is_kept": is_kept, "opts": opts}
    return TemplateResponse(request, "backoffice/shown_once.html", admin.site.each_context(request) | context)


def ask_first(
    request: HttpRequest, rows: QuerySet[Any], *, action: str, title: str, text: str, button: str
) -> TemplateResponse | None:
    """The question before an action on these rows; None when it was answered with yes."""
    if "confirmed" in request.POST:
        return None
    context = {
        "title": title,
        "text": text,
        "button": button,
        "rows": list(rows),
        "action": action,
        "checkbox": ACTION_CHECKBOX_NAME,
        "opts": rows.model._meta,
    }
    return TemplateResponse(request, "backoffice/confirm.html", admin.site.each_context(request) | context)


def tell_refusal(request: HttpRequest, refused: Refused) -> None:
    """Say on the next page why an act was refused, and write it down."""
    audit.record_refusal(refused, caller=caller_here(request))
    messages.error(request, refused.refusal.message)
