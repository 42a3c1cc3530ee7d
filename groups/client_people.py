"""Client companies' own people: whom software means by its numbers, and whether he is let in now."""

from django.db.models import QuerySet
from django.utils.translation import gettext_noop

from groups.models import Client, ClientPerson
from sso_portal.lib.refusals import Refusal, Refused

UNKNOWN_CLIENT = Refusal("unknown_client", gettext_noop("There is no such client."), 404)
UNKNOWN_PERSON = Refusal("unknown_person", gettext_noop("There is no such person."), 404)
ANOTHER_CLIENTS = Refusal(
    "another_clients_person", gettext_noop("This person is not one of the client's."), 404
)
NO_OWNER = Refusal("no_owner", gettext_noop("The client has no owner."), 409)
NOBODY_NAMED = Refusal("nobody_named", gettext_noop("Name a client or a person."), 400)


def find_person(*, client_id: int | None, person_id: int | None, among: QuerySet[Client]) -> ClientPerson:
    """The person of these numbers, with his client, which is one of `among`; without a number of his, its owner.

    Raises Refused for numbers that name nobody there. A person whom no client of `among` has is, where a client is
    named beside him, another client's: that much of other clients the wire format tells.
    """
    if client_id is None and person_id is None:
        raise Refused(NOBODY_NAMED)
    client = among.filter(pk=client_id).first() if client_id is not None else None
    if client_id is not None and client is None:
        raise Refused(UNKNOWN_CLIENT)
    if person_id is None:
        person = ClientPerson.objects.filter(client=client, is_owner=True).select_related("client").first()
        if person is None:
            raise Refused(NO_OWNER, {"client": client})
        return person
    person = ClientPerson.objects.filter(pk=person_id).select_related("client").first()
    if person is None or (client is None and not among.filter(pk=person.client_id).exists()):
        raise Refused(UNKNOWN_PERSON, {"client": client})
    if client is not None and person.client_id != client.pk:
        raise Refused(ANOTHER_CLIENTS, {"client": client})
    return person


def why_not_let_in(person: ClientPerson) -> Refusal | None:
    """Why this person is let in nowhere now; None: he is. Needs his client."""
    client = person.client
    if not client.is_active or client.is_paused:
        detail = "paused" if client.is_active else "client inactive"
        return Refusal(
            "client_unavailable", gettext_noop("This client has paused all sign-ins for now."), 403, detail
        )
    if not person.is_active:
        return Refusal(
            "person_inactive", gettext_noop("This person's access has been stopped."), 403, "person inactive"
        )
    return None
