"""Races for codes and refresh tokens between two real server processes: one wins, and nothing breaks."""

import json
import time
from collections import Counter
from urllib.parse import urlencode

import pytest

from accounts.models import Event, Outcome
from tests.tokens.dialects.oidc.parties import FORM, REDIRECT_URI, VERIFIER, basic
from tests.tokens.test_races import Answer, Ask, all_at_once, servers
from tokens.models import AccessToken, RefreshToken, TokenFamily

__all__ = ["servers"]
pytestmark = [
    pytest.mark.postgresql,
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("entitlement"),
]
CALLERS, ROUNDS = 200, 2


@pytest.fixture
def ask_for(relying_party):
    """A request of demoaws' relying party to the token endpoint."""

    def ask(**form: str) -> Ask:
        headers = {"Host": "localhost", "Content-Type": FORM} | basic(relying_party.identifier)
        return Ask("POST", "/oauth/token", headers, urlencode(form))

    return ask


@pytest.fixture
def exchange_of(ask_for):
    def ask(code: str) -> Ask:
        return ask_for(
            grant_type="authorization_code",
            code=code,
            redirect_uri=REDIRECT_URI,
            code_verifier=VERIFIER,
        )

    return ask


@pytest.fixture
def refresh_of(ask_for):
    return lambda secret: ask_for(grant_type="refresh_token", refresh_token=secret)


def assert_won_once(answers: list[Answer]) -> None:
    assert Counter(answer.status for answer in answers) == {200: 1, 400: len(answers) - 1}
    refused = {json.loads(answer.body)["error"] for answer in answers if answer.status == 400}
    assert refused == {"invalid_grant"}


def test_a_code_exchanged_two_hundred_times_at_once_is_won_once(servers, make_code, exchange_of):
    for number in range(1, ROUNDS + 1):
        ask = exchange_of(make_code())
        began = time.monotonic()

        answers = all_at_once(servers, [ask] * CALLERS)

        print(f"round {number}: {Counter(a.status for a in answers)} in {time.monotonic() - began:.2f} s")
        assert_won_once(answers)
        assert (TokenFamily.objects.count(), AccessToken.objects.count()) == (number, number)
        # The others used it a second time: whatever it gave is worth nothing.
        assert not TokenFamily.objects.filter(revoked_at=None).exists()


def test_a_refresh_token_used_two_hundred_times_at_once_is_won_once(
    servers, make_code, exchange_of, refresh_of
):
    for number in range(1, ROUNDS + 1):
        given = json.loads(servers[0].send(exchange_of(make_code())).body)
        began = time.monotonic()

        answers = all_at_once(servers, [refresh_of(given["refresh_token"])] * CALLERS)

        print(f"round {number}: {Counter(a.status for a in answers)} in {time.monotonic() - began:.2f} s")
        assert_won_once(answers)
        assert RefreshToken.objects.count() == 2 * number
        assert not TokenFamily.objects.filter(revoked_at=None).exists()


def test_a_race_is_written_down_whole(servers, make_code, exchange_of):
    ask = exchange_of(make_code())

    all_at_once(servers, [ask] * 50)

    outcomes = Counter(Event.objects.filter(action="login.redeem").values_list("outcome", flat=True))
    assert outcomes == {Outcome.OK: 1, Outcome.REFUSED: 49}
    assert Event.objects.filter(action="login.revoke").count() == 1


def test_many_codes_at_once_are_all_exchanged(servers, make_code, exchange_of):
    answers = all_at_once(servers, [exchange_of(make_code()) for _ in range(50)])

    assert Counter(answer.status for answer in answers) == {200: 50}
    assert TokenFamily.objects.filter(revoked_at=None).count() == 50


def test_a_revocation_holds_on_every_process(servers, make_code, exchange_of, relying_party):
    given = json.loads(servers[0].send(exchange_of(make_code())).body)
    userinfo = Ask(
        "GET", "/oauth/userinfo", {"Host": "localhost", "Authorization": f"Bearer {given['access_token']}"}
    )
    assert {server.send(userinfo).status for server in servers for _ in range(8)} == {200}

    headers = {"Host": "localhost", "Content-Type": FORM} | basic(relying_party.identifier)
    servers[0].send(Ask("POST", "/oauth/revoke", headers, urlencode({"token": given["refresh_token"]})))

    assert {server.send(userinfo).status for server in servers for _ in range(8)} == {401}
