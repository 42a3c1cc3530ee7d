"""Pops that are refused, and what is shown and written down of it."""

import re
from html import unescape
from urllib.parse import parse_qs, urlsplit

import pytest

from accounts.models import Event, Outcome
from groups import models as groups
from groups.targets import unseal
from tests import factories
from tests.reading import words_of
from tests.tokens.circumstances import CLOSED_CLIENTS, STOPPED_AGENTS, name_of
from tests.tokens.pop.popping import HOSTILE, nothing_minted, without_reference

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("entitlement")]


def test_pop_to_an_unknown_client_looks_like_one_without_entitlement(pop):
    factories.ClientFactory(subdomain="acme", name="Acme Industries")

    foreign, unknown = pop("acme"), pop("nosuch")

    assert (foreign.status_code, unknown.status_code) == (403, 403)
    assert without_reference(foreign).replace("acme", "·") == without_reference(unknown).replace(
        "nosuch", "·"
    )


def test_pop_to_a_client_without_entitlement_does_not_tell_its_name(pop):
    factories.ClientFactory(subdomain="acme", name="Acme Industries")

    assert "Acme Industries" not in words_of(pop("acme"))


def test_pop_to_an_unknown_and_a_foreign_client_is_recorded_alike(pop):
    factories.ClientFactory(subdomain="acme")

    pop("acme")
    pop("nosuch")

    foreign, unknown = Event.objects.order_by("pk")
    assert (foreign.reason, foreign.details) == (unknown.reason, unknown.details)
    assert (foreign.client, unknown.client) == ("acme", "nosuch")


@pytest.mark.parametrize("stop", STOPPED_AGENTS + CLOSED_CLIENTS, ids=name_of)
def test_pop_of_somebody_who_may_not_enter_is_refused(pop, agent, entitlement, stop):
    stop.act(agent, entitlement)

    response = pop()

    event = Event.objects.get()
    assert response.status_code == 403
    assert (event.outcome, event.reason, event.details["detail"]) == (Outcome.REFUSED, stop.code, stop.why)
    assert nothing_minted()


def test_refused_pop_shows_who_where_and_a_reference_that_the_log_knows(pop, client_company):
    groups.Client.objects.update(is_paused=True)

    response = pop()

    reference = re.search(r'ticket__number"[^>]*>([^<]+)<', response.content.decode()).group(1).strip()
    page = words_of(response)
    assert Event.objects.get().reference == reference == response.headers["X-Request-Id"]
    assert all(name in page for name in ("Alice Ames", "Northwind", "Demo AWS"))


def test_refused_pop_names_agent_group_and_client_in_the_event(pop, agent, group):
    groups.Client.objects.update(is_paused=True)

    pop()

    event = Event.objects.get()
    assert (event.agent, event.group_id, event.client) == (agent.subject, group.pk, "demoaws")
    assert event.actor == f"agent:{agent.subject}"


def test_refused_pop_offers_to_sign_in_as_somebody_else_with_the_call_kept(pop, group):
    groups.Client.objects.update(is_paused=True)

    response = pop(did="7")

    (link,) = re.findall(r'href="(/sso/sign-in[^"]+)"', response.content.decode())
    target = unseal(parse_qs(urlsplit(unescape(link)).query)["to"][0])
    assert target.path == f"/sso/group/demoaws?group={group.pk}&did=7"


def test_refused_pop_is_never_stored(pop):
    assert pop("nosuch").headers["Cache-Control"] == "no-store"


def test_refused_pop_escapes_hostile_names(pop, agent):
    groups.Client.objects.update(is_paused=True, name=HOSTILE)
    groups.Group.objects.update(name=HOSTILE)
    groups.Agent.objects.update(full_name=HOSTILE)

    response = pop()

    assert response.status_code == 403
    assert "<script>alert" not in response.content.decode()
    assert words_of(response).count("alert(1)") >= 3


@pytest.mark.parametrize("subdomain", ["%3Cscript%3E", "a_b", "demoaws.evil", "x" * 64, "д"])
def test_pop_to_what_is_no_subdomain_is_not_found(pop, subdomain):
    response = pop(subdomain)

    assert response.status_code == 404
    assert "<script>" not in response.content.decode().partition("<body")[2].replace("<script type", "")
