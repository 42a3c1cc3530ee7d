"""Who exists here is nobody's business: every "no" to a stranger reads the same, and costs the same."""

import difflib
import json
import re
import statistics
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
from django.db.models.functions import Now
from django.utils import timezone

from accounts.models import Attempt
from groups.models import AgentStatus
from sso_portal.lib.hashing import PeopleHasher
from tests import factories
from tests.attacks.wire import FORM, JSON, Answer, send
from tests.attacks.world import World
from tests.tokens.dialects.oidc.parties import basic
from tokens.models import Kind, LoginToken

pytestmark = pytest.mark.django_db
WRONG = "not the password of anybody"
TOLD_APART = re.compile(
    r"[0-9A-Z]{4}-[0-9A-Z]{4}-[0-9A-Z]{4}"
)  # the reference number: each answer has its own
OF_EACH = ("Content-Length", "Expires")  # the length of what was typed; the second of the answer
TRIES = 40
# Read while the tests are collected: before they run, and run cheaply.
FULL_COST = {figure: getattr(PeopleHasher, figure) for figure in ("time_cost", "memory_cost")}
PATIENCE = 3  # measurements, of which one must agree: a busy machine spoils one, and makes nothing alike


def told(answer: Answer) -> tuple[Any, ...]:
    """All that a stranger can tell answers apart by."""
    hidden = re.compile(r'(name="csrfmiddlewaretoken" value=")[^"]*|(csrf=)[^;]*|(expires=)[^;]*')
    text = TOLD_APART.sub("REFERENCE", hidden.sub(r"\1\2\3", answer.text))
    headers = [(name, TOLD_APART.sub("", hidden.sub(r"\1\2\3", value))) for name, value in answer.headers]
    return answer.status, sorted(header for header in headers if header[0] not in OF_EACH), text


@pytest.fixture
def at_full_cost(monkeypatch):
    """Hashes cost what they cost outside of tests."""
    for figure, cost in FULL_COST.items():
        monkeypatch.setattr(PeopleHasher, figure, cost)
    monkeypatch.setattr(factories, "_encoded", {})


# --- Agents ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def names(world: World, other_group: Any) -> dict[str, str]:
    """By what is the matter with it, a name at the group's door; nobody of them gets in with `WRONG`."""
    made = {
        "wrong": {},
        "disabled": {"status": AgentStatus.DISABLED},
        "suspended": {"status": AgentStatus.SUSPENDED},
        "ended": {"ends_at": timezone.now() - timedelta(days=1)},
        "locked": {},
        "without a password": {"password": ""},
        "with an activation code": {
            "activation_digest": "0" * 64,
            "activation_expires_at": timezone.now() + timedelta(days=1),
        },
    }
    for number, fields in enumerate(made.values()):
        factories.AgentFactory(group=world.group, username=f"somebody{number}", **fields)
    factories.AgentFactory(group=other_group, username="somebody8")
    locked = f"somebody{list(made).index('locked')}"
    Attempt.objects.create(
        door=world.group.door,
        name=locked,
        failures=5,
        window_ends_at=Now() + timedelta(minutes=15),
        locked_until=Now() + timedelta(minutes=30),
    )
    of = {why: f"somebody{number}" for number, why in enumerate(made)}
    return of | {"foreign": "somebody8", "unknown": "somebody9"}


def at_the_door(world: World, name: str, password: str = WRONG) -> Answer:
    """A sign-in from a browser that has the form open."""
    body = urlencode({"username": name, "password": password, "csrfmiddlewaretoken": "x" * 32})
    headers = {"Cookie": f"csrf={'x' * 32}"}
    return send(
        "POST", f"/sso/sign-in?group={world.group.pk}", body=body.encode(), kind=FORM, headers=headers
    )


def at_the_bus(world: World, name: str, password: str = WRONG) -> Answer:
    body = json.dumps({"email": name, "password": password}).encode()
    return send(
        "POST", "/bus/api/sign-in", body=body, kind=JSON, headers=world.credentials("/bus/api/sign-in")
    )


def assert_alike_to_read(answers: dict[str, tuple[Any, ...]]) -> None:
    """Nothing tells these answers apart; else it is said what does."""
    (first, usual), *others = answers.items()
    told_apart = [
        (first, why, answer[0], set(map(repr, answer[1])) ^ set(map(repr, usual[1])),
         [line for line in difflib.ndiff(usual[2].split("\n"), answer[2].split("\n")) if line[0] in "+-"])
        for why, answer in others if answer != usual
    ]  # fmt: skip
    assert told_apart == []


def of_nobody(answer: tuple[Any, ...], name: str) -> tuple[Any, ...]:
    """The answer without the name that was typed, which the form repeats."""
    return (*answer[:2], answer[2].replace(name, "NAME"))


@pytest.mark.parametrize("door", [at_the_door, at_the_bus])
@pytest.mark.parametrize("password", [WRONG, factories.PASSWORD], ids=["wrong", "right"])
def test_every_no_to_an_agent_reads_the_same(world, names, door, password):
    if password == factories.PASSWORD:
        names = {why: name for why, name in names.items() if why not in ("wrong", "with an activation code")}
    answers = {why: of_nobody(told(door(world, name, password)), name) for why, name in names.items()}

    assert_alike_to_read(answers)
    assert answers["unknown"][0] in (200, 403)


def cost_of(act: Callable[[], Answer], *, status: int) -> float:
    """What an answer of this status costs this thread; what other processes do meanwhile does not count."""
    began = time.thread_time()
    answer = act()
    taken = time.thread_time() - began
    assert answer.status == status
    return taken


def medians(acts: dict[str, Callable[[], Answer]], *, status: int, tries: int) -> dict[str, float]:
    """The median cost of each, taken in turns."""
    costs: dict[str, list[float]] = {why: [] for why in acts}
    for _ in range(tries):
        for why, act in acts.items():
            costs[why].append(cost_of(act, status=status))
    return {why: statistics.median(taken) for why, taken in costs.items()}


def assert_alike(acts: dict[str, Callable[[], Answer]], *, status: int, tries: int = TRIES) -> None:
    """The medians lie within a quarter of one another."""
    for act in acts.values():
        cost_of(act, status=status)  # what is only slow the first time
    for _ in range(PATIENCE):
        found = medians(acts, status=status, tries=tries)
        if max(found.values()) <= 1.25 * min(found.values()):
            return
    pytest.fail(
        f"Told apart by what they cost: { {why: f'{1000 * cost:.2f} ms' for why, cost in found.items()} }"
    )


def test_every_no_to_an_agent_costs_the_same(at_full_cost, world, names, settings):
    """Of the reasons that a stranger would like to know."""
    settings.LOCKOUT_FAILURES = 10_000
    why = ("unknown", "wrong", "disabled", "foreign", "locked")

    assert_alike({reason: lambda name=names[reason]: at_the_door(world, name) for reason in why}, status=200)


# --- Administrators --------------------------------------------------------------------------------------------------


@pytest.fixture
def emails(world: World) -> dict[str, str]:
    factories.AdministratorFactory(email="gone@northwind.example", is_active=False)
    factories.AdministratorFactory(email="plain@northwind.example")
    factories.SecondFactorFactory(user__email="olga@northwind.example")  # hashed now, at what that costs here
    return {
        "unknown": "nobody@northwind.example",
        "wrong": "olga@northwind.example",
        "disabled": "gone@northwind.example",
        "without a second factor": "plain@northwind.example",
    }


def at_the_main_door(email: str) -> Answer:
    return post_form("/accounts/login/", login=email, password=WRONG)


def post_form(address: str, **fields: str) -> Answer:
    body = urlencode(fields | {"csrfmiddlewaretoken": "x" * 32}).encode()
    return send("POST", address, body=body, kind=FORM, headers={"Cookie": f"csrf={'x' * 32}"})


def test_every_no_to_an_administrator_reads_the_same(emails):
    answers = {why: of_nobody(told(at_the_main_door(email)), email) for why, email in emails.items()}

    assert_alike_to_read(answers)


def test_every_no_to_an_administrator_costs_the_same(at_full_cost, emails, settings):
    settings.LOCKOUT_FAILURES = 10_000

    assert_alike(
        {why: lambda email=email: at_the_main_door(email) for why, email in emails.items()}, status=200
    )


def test_mail_for_a_new_password_reads_the_same_for_everybody(emails):
    answers = {
        why: told(post_form("/accounts/password/reset/", email=email)) for why, email in emails.items()
    }

    assert_alike_to_read(answers)


@pytest.mark.parametrize("end", ["spent", "over", "withdrawn"])
def test_invitation_that_leads_nowhere_reads_the_same(world, end):
    never = told(send("GET", "/invitations/iv_never-was/"))
    past = timezone.now() - timedelta(days=1)
    made = factories.InvitationFactory(group=world.group, secret="iv_that-ended")
    if end == "withdrawn":
        made.delete()
    else:
        type(made).objects.filter(pk=made.pk).update(**{"spent_at" if end == "spent" else "expires_at": past})

    assert told(send("GET", "/invitations/iv_that-ended/")) == never


# --- Software --------------------------------------------------------------------------------------------------------


def test_every_no_to_a_relying_party_reads_and_costs_the_same(world):
    stopped = factories.RelyingPartyFactory(client=world.party.client, is_active=False, secret="")
    who = {
        "unknown": basic("rp_nobody-at-all"),
        "wrong": basic(world.party.identifier, "rs_wrong"),
        "inactive": basic(stopped.identifier, "rs_wrong"),
    }
    for address, body, kind in (
        ("/oauth/token", b"grant_type=authorization_code&code=x", FORM),
        ("/oauth/introspect", b"token=x", FORM),
        ("/api/v1/tokens/redeem", b'{"token": "x"}', JSON),
    ):
        ask = {
            why: lambda headers=headers, to=(address, body, kind): send(
                "POST", to[0], body=to[1], kind=to[2], headers=headers
            )
            for why, headers in who.items()
        }
        assert len({repr(told(act())) for act in ask.values()}) == 1, address
        assert_alike(ask, status=401, tries=15)


@pytest.mark.parametrize(
    ("address", "header", "prefix"),
    [("/api/sso/demoaws", "Platform-Key", ""), ("/api/v1/agents", "Authorization", "Bearer ")],
)
def test_every_no_to_a_groups_key_reads_the_same(world, other_group, address, header, prefix):
    """Unknown, ended, revoked, another group's from an address that is not on its list."""
    factory = factories.PlatformKeyFactory if header == "Platform-Key" else factories.ApiKeyFactory
    past = timezone.now() - timedelta(minutes=1)
    factory(group=world.group, secret="xk_ended", expires_at=past)
    factory(group=world.group, secret="xk_revoked", revoked_at=past)
    factory(group=other_group, secret="xk_foreign")
    answers = [
        told(send("POST", address, body=b"{}", kind=JSON, headers={header: prefix + secret}))
        for secret in ("xk_unknown", "xk_ended", "xk_revoked", "xk_foreign")
    ]

    assert {status for status, *_ in answers} == {401}
    assert len(set(map(repr, answers))) == 1


def test_every_no_to_a_token_reads_the_same(world):
    """A token that never was, of another client, used up, too old."""
    other = factories.RelyingPartyFactory(client=factories.ClientFactory(), secret="rs_of-another")
    ours, theirs = basic(world.party.identifier), basic(other.identifier, "rs_of-another")
    spent, over = world.issue(Kind.HAND_OFF), world.issue(Kind.HAND_OFF)
    at_redeem(spent, ours)
    LoginToken.objects.filter(redeemed_at=None).update(
        issued_at=Now() - timedelta(minutes=3), expires_at=Now() - timedelta(minutes=2)
    )
    foreign = world.issue(Kind.HAND_OFF)

    answers = [
        told(at_redeem(token, headers))
        for token, headers in (("lt_unknown", ours), (spent, ours), (over, ours), (foreign, theirs))
    ]

    assert len(set(map(repr, answers))) == 1, answers
    assert at_redeem(foreign, ours).status == 200  # nobody spent it by trying


def at_redeem(token: str, headers: dict[str, str]) -> Answer:
    body = json.dumps({"token": token}).encode()
    return send("POST", "/api/v1/tokens/redeem", body=body, kind=JSON, headers=headers)
