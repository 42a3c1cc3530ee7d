"""Nobody is sent where nothing is registered; what goes back as an error; methods and loads."""

from urllib.parse import quote, urlencode

import pytest

from accounts.models import Event, Outcome
from tests import factories
from tests.reading import directives, words_of
from tests.tokens.circumstances import STOPS, name_of
from tests.tokens.dialects.oidc.authorize.asking import (
    HOSTILE,
    PATH,
    assert_page,
    assert_sent_back,
    told,
    usual,
    without,
)
from tests.tokens.dialects.oidc.parties import (
    REDIRECT_URI,
    VERIFIER,
)
from tests.tokens.loads import NO_NAVIGATION
from tokens.models import AccessToken, Kind, LoginToken, RelyingParty, Use

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("entitlement")]


# --- Nobody is sent where nothing is registered ----------------------------------------------------------------------


@pytest.mark.parametrize("identifier", ["", "rp_unknown", "' OR 1=1 --", HOSTILE, "x" * 9000, None])
def test_unknown_party_is_refused_by_a_page(authorize, identifier):
    page = assert_page(authorize(client_id=identifier))

    assert "not registered with the portal" in page
    assert Event.objects.get().reason == "unknown_relying_party"


def test_party_that_is_switched_off_is_unknown(authorize, party):
    RelyingParty.objects.update(is_active=False)

    assert "not registered with the portal" in assert_page(authorize())


OTHERS_ADDRESSES = [
    *("", "/callback", "//demoaws.crm.example/callback", "https:/demoaws.crm.example/callback"),
    *("https://demoaws.crm.example/", "https://demoaws.crm.example/callback/", f"{REDIRECT_URI}?a=b"),
    *(f"{REDIRECT_URI}#", f"{REDIRECT_URI}#a", f"{REDIRECT_URI} ", f" {REDIRECT_URI}", f"{REDIRECT_URI}\n"),
    *("http://demoaws.crm.example/callback", "https://demoaws.crm.example:443/callback"),
    *("HTTPS://demoaws.crm.example/callback", "https://DEMOAWS.crm.example/callback"),
    *("https://demoaws.crm.example/Callback", "https://demoaws.crm.example/./callback"),
    *("https://demoaws.crm.example/x/../callback", "https://demoaws.crm.example/%63allback"),
    *("https://demoaws.crm.example.evil.example/callback", "https://evil.example/callback"),
    *(
        "https://demoaws.crm.example@evil.example/callback",
        "https://evil.example\\@demoaws.crm.example/callback",
    ),
    *(
        "https://evil.example/?https://demoaws.crm.example/callback",
        "javascript:alert(1)",
        "data:text/html,x",
    ),
    *("https://demoaws.crm.example/callback\x00", f"{REDIRECT_URI}%00", "x" * 9000, HOSTILE),
]


@pytest.mark.parametrize("address", OTHERS_ADDRESSES, ids=lambda address: ascii(address)[:60])
def test_address_that_is_not_registered_letter_by_letter_is_refused_by_a_page(authorize, address):
    assert_page(authorize(redirect_uri=address))

    assert not LoginToken.objects.exists()


def test_address_that_is_missing_is_refused_though_only_one_is_registered(authorize):
    assert "not registered for it" in assert_page(authorize(redirect_uri=None))


def test_address_that_is_registered_for_something_else_is_refused(authorize, party):
    address = "https://demoaws.crm.example/bye"
    factories.RegisteredAddressFactory(relying_party=party, use=Use.LOGGED_OUT, address=address)

    assert_page(authorize(redirect_uri=address))


def test_address_of_another_party_of_the_client_is_refused(authorize, old_party):
    address = "https://demoaws.crm.example/old"
    factories.RegisteredAddressFactory(relying_party=old_party, address=address)

    assert_page(authorize(redirect_uri=address))


@pytest.mark.parametrize("name", ["client_id", "redirect_uri"])
def test_party_or_address_given_twice_is_refused_by_a_page(signed_in, party, name):
    asked = usual(party)

    assert_page(signed_in.get(f"{PATH}?{urlencode(asked)}&{name}={quote(asked[name], safe='')}"))


def test_refused_address_is_written_down_and_not_shown(authorize, party):
    response = authorize(redirect_uri="https://evil.example/callback")

    event = Event.objects.get()
    assert (event.action, event.reason, event.client) == ("login.issue", "unknown_redirect_uri", "demoaws")
    assert (event.actor, event.object) == ("anonymous", party.named)
    assert event.details["redirect_uri"] == "https://evil.example/callback"
    assert "evil.example" not in response.content.decode()


# --- What goes back as an error --------------------------------------------------------------------------------------

WRONG = [
    ({"response_type": None}, "invalid_request"),
    ({"response_type": "token"}, "unsupported_response_type"),
    ({"response_type": "id_token"}, "unsupported_response_type"),
    ({"response_type": "code id_token"}, "unsupported_response_type"),
    ({"response_type": "nonsense"}, "unsupported_response_type"),
    ({"response_type": "id_token token"}, "unauthorized_client"),
    ({"response_mode": "web_message"}, "invalid_request"),
    ({"response_mode": "query.jwt"}, "invalid_request"),
    ({"code_challenge": None, "code_challenge_method": None}, "invalid_request"),
    ({"code_challenge": None}, "invalid_request"),
    ({"code_challenge_method": None}, "invalid_request"),
    ({"code_challenge_method": "plain"}, "invalid_request"),
    ({"code_challenge_method": "s256"}, "invalid_request"),
    ({"code_challenge": "short"}, "invalid_request"),
    ({"code_challenge": "x" * 44}, "invalid_request"),
    ({"code_challenge": "!" * 43}, "invalid_request"),
    ({"code_challenge": VERIFIER + "\n"}, "invalid_request"),
    ({"scope": "openid  profile"}, "invalid_scope"),
    ({"scope": " openid"}, "invalid_scope"),
    ({"scope": 'open"id'}, "invalid_scope"),
    ({"scope": "x" * 201}, "invalid_request"),
    ({"nonce": "x" * 256}, "invalid_request"),
    ({"nonce": "a\nb"}, "invalid_request"),
    ({"prompt": "nonsense"}, "invalid_request"),
    ({"prompt": "none login"}, "invalid_request"),
    ({"max_age": "-1"}, "invalid_request"),
    ({"max_age": "soon"}, "invalid_request"),
    ({"max_age": "1" * 10}, "invalid_request"),
    ({"max_age": "\u0661"}, "invalid_request"),
    ({"group": "northwind"}, "invalid_request"),
    ({"group": "1" * 10}, "invalid_request"),
    ({"request": "eyJ"}, "request_not_supported"),
    ({"request_uri": "https://evil.example/request"}, "request_uri_not_supported"),
    ({"registration": "{}"}, "registration_not_supported"),
]


@pytest.mark.parametrize(("changed", "error"), WRONG, ids=str)
def test_what_is_wrong_goes_back_to_the_party(authorize, changed, error):
    response = authorize(**changed)

    by = "fragment" if "token" in (changed.get("response_type") or "") else "query"
    assert_sent_back(response, error, by=by)
    assert told(response, by=by)["state"] == "a state"


def test_what_is_wrong_is_written_down_for_the_client(authorize, party):
    authorize(code_challenge_method="plain")

    event = Event.objects.get()
    assert (event.action, event.outcome, event.reason) == ("login.issue", Outcome.REFUSED, "invalid_request")
    assert (event.actor, event.object, event.client) == ("anonymous", party.named, "demoaws")


@pytest.mark.parametrize(
    "name", ["response_type", "scope", "nonce", "state", "code_challenge", "made_up", HOSTILE]
)
def test_parameter_given_twice_goes_back_to_the_party(signed_in, party, name):
    twice = urlencode([*usual(party).items(), (name, "a"), (name, "a")])

    response = signed_in.get(f"{PATH}?{twice}")

    assert_sent_back(response, "invalid_request")


def test_state_given_twice_is_not_repeated(signed_in, party):
    response = signed_in.get(f"{PATH}?{urlencode(usual(party))}&state=another")

    assert "state" not in told(response)


def test_strangers_cannot_fill_the_log(authorize, somebody, limit_a_minute):
    limit_a_minute("recorded refusals", 2)
    for changed in (
        {"redirect_uri": "https://evil.example/"},
        {"scope": "a  b"},
        {"client_id": "rp_unknown"},
    ):
        authorize(somebody, **changed)

    assert Event.objects.count() == 2


def test_party_registered_without_pkce_and_without_nonce_is_refused(signed_in, old_party):
    asked = without(usual(old_party), "code_challenge", "code_challenge_method", "nonce")

    assert_sent_back(signed_in.get(PATH, asked), "invalid_request")


def test_nonce_binds_nothing_without_an_id_token(signed_in, old_party):
    asked = without(usual(old_party), "code_challenge", "code_challenge_method") | {"scope": "profile"}

    assert_sent_back(signed_in.get(PATH, asked), "invalid_scope")


def test_confidential_party_registered_with_pkce_must_use_it(signed_in, old_party):
    RelyingParty.objects.update(needs_pkce=True)
    asked = without(usual(old_party), "code_challenge", "code_challenge_method")

    assert_sent_back(signed_in.get(PATH, asked), "invalid_request")


@pytest.mark.parametrize("stop", STOPS, ids=name_of)
def test_agent_who_may_not_enter_goes_back_denied(authorize, agent, entitlement, stop):
    stop.act(agent, entitlement)

    response = authorize()

    event = Event.objects.get()
    description = assert_sent_back(response, "access_denied")
    assert (event.action, event.reason, event.agent) == ("login.issue", stop.code, agent.subject)
    assert (event.group_id, event.client) == (agent.group_id, "demoaws")
    assert response.headers["X-Request-Id"] in description


@pytest.mark.parametrize("stop", STOPS, ids=name_of)
def test_token_grant_for_whom_may_not_enter_is_denied(by_token, agent, entitlement, stop):
    stop.act(agent, entitlement)

    assert_sent_back(by_token(), "access_denied", by="fragment")
    assert not AccessToken.objects.exists()


def codes(session, party, number: int) -> None:
    """So many codes, issued to this session just now."""
    for _ in range(number):
        factories.LoginTokenFactory(
            kind=Kind.CODE, agent=session.agent, session=session, client=party.client, issued_to=party
        )


def test_sixty_codes_a_minute_are_the_most(authorize, session, party, agent):
    codes(session, party, 60)

    assert told(authorize())["error"] == "temporarily_unavailable"
    assert (Event.objects.get().reason, Event.objects.get().agent) == ("too_many_requests", agent.subject)


def test_fifty_nine_codes_a_minute_are_not_too_many(authorize, session, party):
    codes(session, party, 59)

    assert "code" in told(authorize())


def test_codes_do_not_count_as_pops(signed_in, session, party, group):
    codes(session, party, 60)

    assert "?token=" in signed_in.get("/sso/group/demoaws", {"group": group.pk}).headers["Location"]


# --- Methods and loads -----------------------------------------------------------------------------------------------


def test_post_becomes_the_same_get(signed_in, party):
    response = signed_in.post(PATH, usual(party))

    assert response.status_code == 303
    assert response.headers["Location"] == f"{PATH}?{urlencode(usual(party))}"
    assert not LoginToken.objects.exists()
    assert "code" in told(signed_in.get(response.headers["Location"]))


def test_post_that_names_something_twice_is_refused(signed_in, party):
    assert_page(signed_in.post(f"{PATH}?{urlencode(usual(party))}", {"state": "another"}))


@pytest.mark.parametrize("headers", NO_NAVIGATION, ids=lambda headers: ",".join(headers.values()))
def test_load_that_is_no_navigation_answers_nothing(authorize, headers):
    response = authorize(headers=headers)

    assert (response.status_code, response.content) == (204, b"")
    assert not LoginToken.objects.exists()


def test_head_answers_nothing(signed_in, party):
    assert signed_in.head(PATH, usual(party)).status_code == 204
    assert not LoginToken.objects.exists()


@pytest.mark.parametrize("method", ["put", "delete", "patch", "options"])
def test_other_methods_are_refused(signed_in, party, method):
    assert getattr(signed_in, method)(f"{PATH}?{urlencode(usual(party))}").status_code == 405
    assert not LoginToken.objects.exists()


FRAMED = {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "iframe"}


def test_framed_request_is_offered_in_a_tab(authorize):
    response = authorize(headers=FRAMED)

    assert response.status_code == 200
    assert "Open in a tab" in words_of(response)
    assert not LoginToken.objects.exists()


def test_framed_silent_request_is_answered(authorize):
    assert "code" in told(authorize(headers=FRAMED, prompt="none"))


def test_framed_silent_request_is_answered_by_form_in_a_frame_of_the_party(authorize):
    response = authorize(headers=FRAMED, prompt="none", response_mode="form_post")

    assert directives(response)["frame-ancestors"] == ["https://demoaws.crm.example"]
    assert "X-Frame-Options" not in response.headers
