"""Dialled numbers: which client a call leads to, and the acts that change that."""

from dataclasses import dataclass
from typing import Any, TypeVar

from django.db import transaction
from django.db.models import Case, IntegerField, Q, QuerySet, Subquery, Value, When
from django.db.models.functions import JSONObject
from django.utils.translation import gettext as _

from accounts import audit
from groups.models import Campaign, Client, DialledNumber, Group
from sso_portal.lib.refusals import Refusal, Refused
from sso_portal.lib.telephone import Dialled
from sso_portal.lib.text import last_four
from sso_portal.lib.web import Caller

# --- Looking up ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Route:
    """Where a dialled number leads."""

    number: str  # E.164
    subdomain: str
    campaign: str  # the client's own number of it; "" where every campaign is meant


Rows = TypeVar("Rows", bound=QuerySet[Any])
ROUTE = {"number": "number", "subdomain": "client__subdomain", "campaign": "campaign__number"}


def with_route(rows: Rows, *, dialled: Dialled, group_id: int) -> Rows:
    """Add what `route_of` needs, in the same SELECT."""
    found = _meant_by(dialled, group_id=group_id).values(told=JSONObject(**ROUTE))
    return rows.annotate(leads_to=Subquery(found[:1]), or_to=Subquery(found[1:2]))


def route_of(row: Any, *, dialled: Dialled) -> Route | None:
    """Where the number leads that a row of `with_route` was asked for; None where it leads nowhere."""
    return _certain([told for told in (row.leads_to, row.or_to) if told], dialled=dialled)


def client_of(dialled: Dialled, *, group_id: int) -> Subquery:
    """The client that `route_of` leads to, for `groups.entering.with_entry`."""
    return Subquery(_meant_by(dialled, group_id=group_id).values("client")[:1])


def find_route(dialled: Dialled, *, group_id: int) -> Route | None:
    """Where this number leads when it was dialled; None where it leads nowhere."""
    found = _meant_by(dialled, group_id=group_id).values(told=JSONObject(**ROUTE))
    return _certain([row["told"] for row in found[:2]], dialled=dialled)


def _meant_by(dialled: Dialled, *, group_id: int) -> QuerySet[DialledNumber]:
    """The group's numbers that may be meant: those in full first."""
    meant = Q(number__in=dialled.international) | Q(national__in=dialled.national)
    numbers = DialledNumber.objects.filter(meant, group=group_id)
    if not dialled.international:
        return numbers.order_by("number")
    in_full = [When(number=number, then=Value(rank)) for rank, number in enumerate(dialled.international)]
    rank = Case(*in_full, default=Value(len(in_full)), output_field=IntegerField())
    return numbers.order_by(rank, "number")


def _certain(found: list[dict[str, Any]], *, dialled: Dialled) -> Route | None:
    """The first of those found, unless the second may be meant as well.

    A call that leads nowhere is helped by hand; one that leads into the wrong client's CRM is not helped at all.
    """
    routes = [
        Route(told["number"], told["subdomain"], "" if told["campaign"] is None else str(told["campaign"]))
        for told in found
    ]
    if not routes or routes[0].number in dialled.international:
        return routes[0] if routes else None
    first, *others = routes
    leads_elsewhere = [
        route for route in others if (route.subdomain, route.campaign) != (first.subdomain, first.campaign)
    ]
    if not dialled.may_mean(first.number) or any(dialled.may_mean(route.number) for route in leads_elsewhere):
        return None
    return first


# --- Changing --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Assignment:
    """That this number leads to this client, perhaps to one of its campaigns."""

    number: str  # E.164
    client: Client
    campaign: Campaign | None = None
    note: str = ""

    @property
    def told(self) -> dict[str, Any]:
        """As the audit log tells it."""
        return {
            "number": last_four(self.number),
            "client": self.client.subdomain,
            "campaign": self.campaign.number if self.campaign else None,
            "note": self.note,
        }

    @classmethod
    def of(cls, dialled: DialledNumber) -> "Assignment":
        """What is so now."""
        return cls(dialled.number, dialled.client, dialled.campaign, dialled.note)

    def fill(self, row: DialledNumber) -> DialledNumber:
        """Put it into a row of the group's."""
        row.number, row.client, row.campaign, row.note = self.number, self.client, self.campaign, self.note
        return row


def locked(group: Group) -> Group:
    """The group, its numbers held still until the transaction ends. (Its agents' pops go on: they ask for no key.)"""
    return Group.objects.select_for_update(no_key=True).get(pk=group.pk)


def add_number(group: Group, assignment: Assignment, *, by: str, caller: Caller) -> DialledNumber:
    """Let a number lead to a client. Raises Refused (`number_taken`) when it leads somewhere already."""
    with transaction.atomic():
        _ensure_free(locked(group), assignment.number)
        row = assignment.fill(DialledNumber(group=group))
        row.save()
        audit.record(
            "dialled_number.add",
            caller=caller,
            actor=by,
            group=group,
            client=assignment.client,
            about=f"dialled_number:{row.pk}",
            details=assignment.told,
        )
    return row


def change_number(dialled: DialledNumber, assignment: Assignment, *, by: str, caller: Caller) -> bool:
    """Let a number lead elsewhere; whether anything changed. Raises Refused when somebody else has removed it
    (`number_gone`), or when the number that it becomes leads somewhere already (`number_taken`).
    """
    with transaction.atomic():
        group = locked(dialled.group)
        numbers = group.dialled_numbers.select_related("client", "campaign")
        row = numbers.filter(pk=dialled.pk).first()
        if row is None:
            raise Refused(Refusal("number_gone", _("Somebody else has removed this number."), 409))
        was = Assignment.of(row)
        if was == assignment:
            return False
        if was.number != assignment.number:
            _ensure_free(group, assignment.number)
        assignment.fill(row).save()
        before, after = was.told, assignment.told
        audit.record(
            "dialled_number.change",
            caller=caller,
            actor=by,
            group=group,
            client=assignment.client,
            about=f"dialled_number:{row.pk}",
            details={name: [before[name], after[name]] for name in after if before[name] != after[name]}
            | {"number": after["number"]},
        )
    return True


def remove_number(dialled: DialledNumber, *, by: str, caller: Caller) -> bool:
    """Let a number lead nowhere; False when somebody else was faster."""
    with transaction.atomic():
        removed, _by_model = DialledNumber.objects.filter(pk=dialled.pk).delete()
        if removed:
            audit.record(
                "dialled_number.remove",
                caller=caller,
                actor=by,
                group=dialled.group,
                client=dialled.client,
                about=f"dialled_number:{dialled.pk}",
                details=Assignment.of(dialled).told,
            )
    return bool(removed)


def _ensure_free(group: Group, number: str) -> None:
    taken = group.dialled_numbers.filter(number=number).select_related("client").first()
    if taken is not None:
        message = _("This number is listed already: it leads to %(client)s.") % {"client": taken.client.name}
        raise Refused(Refusal("number_taken", message, 409, field="number"))
