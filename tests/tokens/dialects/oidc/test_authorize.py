"""The authorization endpoint (wire.md, section 6): agents come from relying parties, and go back to them."""

import re
from datetime import timedelta
from time import time
from urllib.parse import parse_qs, quote, urlencode, urlsplit

import pytest
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value
from django.db import connection
from django.test import Client
from django.utils import timezone

from accounts.models import Event, Outcome
from groups import models as groups
from groups.targets import unseal
from sso_portal.lib.encryption import encrypt
from sso_portal.lib.secrets import digest_of
from tests import factories
from tests.conftest import PORTAL
from tests.tokens.circumstances import STOPS, age, name_of
from tests.tokens.dialects.oidc.parties import (
    CHALLENGE,
    FORM,
    REDIRECT_URI,
    SCOPE,
    VERIFIER,
    read_id_token,
)
from tests.tokens.test_pop import HOSTILE, NO_NAVIGATION, directives, text_of
from tests.tokens.test_queries import Statements
from tokens.dialects.oidc.exchanging import exchange
from tokens.id_tokens import half_hash
from tokens.issuing import CallContext
from tokens.models import AccessToken, Kind, LoginToken, RelyingParty, Use
from tokens.redeeming import redeem
from tokens.signing_keys import sign

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("entitlement")]

ISSUER = "http://localhost:8000"
PATH = "/oauth/authorize"


@pytest.fixture
def party(client_company):
    """An application of demoaws that runs in browsers."""
    party = factories.RelyingPartyFactory(client=client_company, is_public=True, secret="")
    factories.RegisteredAddressFactory(relying_party=party, address=REDIRECT_URI)
    return party


@pytest.fixture
def old_party(client_company):
    """Software of demoaws that knows no PKCE, and takes its tokens from the address."""
    party = factories.RelyingPartyFactory(client=client_company, needs_pkce=False, allows_token_grant=True)
    factories.RegisteredAddressFactory(relying_party=party, address=REDIRECT_URI)
    return party


def usual(party) -> dict[str, str]:
    """What a relying party that does it right asks for."""
    return {
        "client_id": party.identifier,
        "redirect_uri": REDIRECT_URI,
        "response_type": "code",
        "scope": SCOPE,
        "state": "a state",
        "nonce": "a nonce",
        "code_challenge": CHALLENGE,
        "code_challenge_method": "S256",
    }


def without(asked: dict[str, str], *names: str) -> dict[str, str]:
    return {name: value for name, value in asked.items() if name not in names}


@pytest.fixture
def authorize(signed_in, party):
    """Send Alice's browser there; whatever the test does not say is usual. A value of None leaves a parameter out."""

    def send(browser=signed_in, headers=None, **changed):
        asked = {name: value for name, value in (usual(party) | changed).items() if value is not None}
        return browser.get(PATH, asked, headers=headers)

    return send


@pytest.fixture
def by_token(signed_in, old_party):
    """Ask for tokens in the address."""

    def send(**changed):
        asked = without(usual(old_party), "code_challenge", "code_challenge_method")
        asked |= {"response_type": "id_token token"}
        given = {name: value for name, value in (asked | changed).items() if value is not None}
        return signed_in.get(PATH, given)

    return send


@pytest.fixture
def somebody():
    """A browser in which nobody is signed in."""
    return Client(HTTP_HOST=PORTAL)


def told(response, at: str = REDIRECT_URI, by: str = "query") -> dict[str, str]:
    """What the relying party is told, at its registered address and nowhere else."""
    parts = urlsplit(response.headers["Location"])
    assert response.status_code == 303, response.headers
    assert f"{parts.scheme}://{parts.netloc}{parts.path}" == at.partition("?")[0]
    assert (parts.fragment if by == "query" else parts.query) == ""
    pairs = parse_qs(getattr(parts, by), keep_blank_values=True, strict_parsing=True)
    assert all(len(values) == 1 for values in pairs.values())
    return {name: values[0] for name, values in pairs.items()}


def assert_sent_back(response, error: str, **how) -> str:
    """An error at the relying party, with its state and the issuer; its description."""
    answer = told(response, **how)
    assert answer["error"] == error, answer
    assert answer["iss"] == ISSUER
    assert answer.keys() <= {"error", "error_description", "state", "iss"}
    allowed = set(map(chr, [0x20, 0x21, *range(0x23, 0x5C), *range(0x5D, 0x7F)]))
    assert answer["error_description"]
    assert set(answer["error_description"]) <= allowed
    assert not LoginToken.objects.filter(kind=Kind.CODE).exists()
    return answer["error_description"]


def assert_page(response, status: int = 400) -> str:
    """A page of our own, which sends nobody anywhere; what it says."""
    assert (response.status_code, "Location" in response.headers) == (status, False)
    assert response.headers["Content-Type"].startswith("text/html")
    return text_of(response)


def target_of(response):
    """Where the sign-in page would send the agent on to."""
    assert response.status_code == 303
    assert response.headers["Location"].startswith("/sso/sign-in?")
    return unseal(parse_qs(urlsplit(response.headers["Location"]).query)["to"][0])


def sign_in(browser, response, username="alice"):
    """Sign in at the page that this answer leads to, and follow on, as a browser would."""
    page = response.headers["Location"]
    signed_in = browser.post(page, {"username": username, "password": factories.PASSWORD})
    assert signed_in.status_code == 303, text_of(signed_in)
    return browser.get(signed_in.headers["Location"])


def make_older(session, by: timedelta) -> None:
    groups.AgentSession.objects.filter(pk=session.pk).update(started_at=timezone.now() - by)


# --- The code --------------------------------------------------------------------------------------------------------


def test_signed_in_agent_goes_back_with_a_code(authorize):
    answer = told(authorize())

    assert answer.keys() == {"code", "state", "iss"}
    assert (answer["state"], answer["iss"]) == ("a state", ISSUER)
    assert LoginToken.objects.get().digest == digest_of(answer["code"])


def test_code_is_bound_to_session_party_and_request(authorize, session, party, agent):
    authorize()

    token = LoginToken.objects.get()
    assert (token.kind, token.session, token.issued_to) == (Kind.CODE, session, party)
    assert (token.agent, token.client) == (agent, party.client)
    assert token.terms == {
        "redirect_uri": REDIRECT_URI,
        "scope": SCOPE,
        "nonce": "a nonce",
        "challenge": CHALLENGE,
    }


def test_code_is_exchanged_for_tokens(authorize, party, caller):
    code = told(authorize())["code"]

    exchanged = exchange(
        code, relying_party=party, redirect_uri=REDIRECT_URI, verifier=VERIFIER, caller=caller
    )
    assert exchanged.login.agent.username == "alice"


def test_code_is_written_down(authorize, agent, group):
    response = authorize()

    event = Event.objects.get()
    assert (event.action, event.outcome, event.door) == ("login.issue", Outcome.OK, "oidc")
    assert (event.actor, event.group_id, event.client) == (f"agent:{agent.subject}", group.pk, "demoaws")
    assert event.reference == response.headers["X-Request-Id"]
    assert event.details["kind"] == "code"


def test_answer_is_never_stored_and_tells_no_referrer(authorize):
    response = authorize()

    assert response.headers["Cache-Control"] == "no-store"
    assert response.headers["Referrer-Policy"] == "no-referrer"
    assert not response.cookies


def test_trailing_slash_is_tolerated(signed_in, party):
    assert "code" in told(signed_in.get(f"{PATH}/", usual(party)))


def test_answer_without_state_has_none(authorize):
    assert told(authorize(state=None)).keys() == {"code", "iss"}


def test_scope_is_cut_to_what_means_something_here(authorize):
    authorize(scope="openid offline_access crm.write openid call")

    assert LoginToken.objects.get().terms["scope"] == "openid offline_access call"


@pytest.mark.parametrize("scope", [None, "", "profile"])
def test_plain_oauth_without_openid_is_accepted(authorize, scope):
    assert "code" in told(authorize(scope=scope))


def test_party_with_pkce_needs_no_nonce(authorize):
    assert "code" in told(authorize(nonce=None))


def test_party_registered_without_pkce_goes_by_nonce(signed_in, old_party):
    asked = without(usual(old_party), "code_challenge", "code_challenge_method")

    assert "code" in told(signed_in.get(PATH, asked))
    assert LoginToken.objects.get().terms["challenge"] == ""


@pytest.mark.parametrize("unknown", ["display", "ui_locales", "acr_values", "claims", "resource", "x"])
def test_other_parameters_are_ignored(authorize, unknown):
    assert "code" in told(authorize(**{unknown: "1"}))


def test_parameter_without_a_value_counts_as_absent(authorize):
    assert "code" in told(
        authorize(request="", prompt="", max_age="", group="", response_mode="", login_hint="")
    )


@pytest.mark.parametrize("prompt", ["none", "consent"])
def test_signed_in_agent_is_asked_nothing(authorize, prompt):
    assert "code" in told(authorize(prompt=prompt))


# --- Response modes --------------------------------------------------------------------------------------------------


def test_fragment_is_answered_in_the_fragment(authorize):
    assert "code" in told(authorize(response_mode="fragment"), by="fragment")


def test_query_of_the_registered_address_is_kept(authorize, party):
    address = f"{REDIRECT_URI}?tenant=7"
    factories.RegisteredAddressFactory(relying_party=party, address=address)

    answer = told(authorize(redirect_uri=address))

    assert (answer["tenant"], answer["state"]) == ("7", "a state")


def test_form_post_posts_to_the_registered_address(authorize):
    response = authorize(response_mode="form_post")

    page = response.content.decode()
    fields = dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]+)">', page))
    assert f'action="{REDIRECT_URI}"' in page
    assert fields == {"code": fields["code"], "state": "a state", "iss": ISSUER}
    assert LoginToken.objects.get().digest == digest_of(fields["code"])


def test_form_post_may_end_where_the_party_goes_on_to(authorize, party):
    groups.Client.objects.update(further_origins="https://app.crm.example")

    response = authorize(response_mode="form_post")

    allowed = {"'self'", "https://demoaws.crm.example", "https://app.crm.example"}
    assert set(directives(response)["form-action"]) == allowed
    assert directives(response)["frame-ancestors"] == ["'none'"]
    assert response.headers["Referrer-Policy"] == "no-referrer"


def test_form_post_posts_errors_too(authorize):
    page = authorize(response_mode="form_post", response_type="nonsense").content.decode()

    assert 'name="error" value="unsupported_response_type"' in page
    assert 'name="state" value="a state"' in page


@pytest.mark.parametrize("state", [HOSTILE, "ünï©ode \U0001f600", "a b+c%20&d=e#f", "x" * 4096, "'; --"])
@pytest.mark.parametrize("mode", ["query", "fragment"])
def test_state_comes_back_letter_by_letter(authorize, state, mode):
    response = authorize(state=state, response_mode=mode)

    assert told(response, by=mode)["state"] == state
    assert not set("<>\"' \r\n") & set(response.headers["Location"])


def test_state_in_a_form_is_text(authorize):
    page = authorize(state=HOSTILE, response_mode="form_post").content.decode()

    assert "<script>alert" not in page


@pytest.mark.parametrize("state", ["a\r\nSet-Cookie: b=c", "\x01", "\u202e", "x" * 4097], ids=ascii)
def test_state_that_no_field_may_hold_is_refused_and_not_repeated(authorize, state):
    response = authorize(state=state)

    assert_sent_back(response, "invalid_request")
    assert "state" not in told(response)


# --- Tokens in the address -------------------------------------------------------------------------------------------


def test_token_grant_answers_in_the_fragment(by_token):
    answer = told(by_token(), by="fragment")

    assert answer.keys() == {"access_token", "token_type", "expires_in", "scope", "id_token", "state", "iss"}
    assert (answer["token_type"], answer["expires_in"], answer["scope"]) == ("Bearer", "900", SCOPE)


def test_token_grant_binds_the_id_token_to_nonce_and_access_token(by_token, old_party, agent, session):
    answer = told(by_token(), by="fragment")

    claims = read_id_token(answer["id_token"]).claims
    assert (claims["aud"], claims["sub"], claims["sid"]) == (
        old_party.identifier,
        agent.subject,
        session.sid,
    )
    assert claims["nonce"] == "a nonce"
    assert claims["at_hash"] == half_hash(answer["access_token"])


def test_token_grant_begins_a_family_without_refresh_tokens(by_token, old_party):
    answer = told(by_token(), by="fragment")

    token = AccessToken.objects.get(digest=digest_of(answer["access_token"]))
    assert (token.family.relying_party, token.family.nonce) == (old_party, "a nonce")
    assert not token.family.refresh_tokens.exists()


def test_token_grant_writes_both_acts_down(by_token):
    by_token()

    assert list(Event.objects.values_list("action", "outcome")) == [
        ("login.issue", Outcome.OK),
        ("login.redeem", Outcome.OK),
    ]


def test_token_grant_in_the_other_order_is_the_same(by_token):
    assert "id_token" in told(by_token(response_type="token id_token"), by="fragment")


def test_token_grant_by_form_post(by_token):
    assert 'name="id_token"' in by_token(response_mode="form_post").content.decode()


def test_token_grant_never_answers_in_the_query(by_token):
    assert_sent_back(by_token(response_mode="query"), "invalid_request", by="fragment")


def test_token_grant_without_nonce_is_refused(by_token):
    assert_sent_back(by_token(nonce=None), "invalid_request", by="fragment")


def test_token_grant_without_openid_is_refused(by_token):
    assert_sent_back(by_token(scope="profile"), "invalid_scope", by="fragment")


def test_token_grant_that_is_not_allowed_is_refused(by_token):
    RelyingParty.objects.update(allows_token_grant=False)

    assert_sent_back(by_token(), "unauthorized_client", by="fragment")
    assert not AccessToken.objects.exists()


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
    assert "Open in a tab" in text_of(response)
    assert not LoginToken.objects.exists()


def test_framed_silent_request_is_answered(authorize):
    assert "code" in told(authorize(headers=FRAMED, prompt="none"))


def test_framed_silent_request_is_answered_by_form_in_a_frame_of_the_party(authorize):
    response = authorize(headers=FRAMED, prompt="none", response_mode="form_post")

    assert directives(response)["frame-ancestors"] == ["https://demoaws.crm.example"]
    assert "X-Frame-Options" not in response.headers


# --- Signing in ------------------------------------------------------------------------------------------------------


def test_somebody_signs_in_and_comes_back_with_a_code(authorize, somebody, agent):
    answer = told(sign_in(somebody, authorize(somebody)))

    assert answer["state"] == "a state"
    assert LoginToken.objects.get().agent == agent


def test_sign_in_page_knows_the_way_and_the_client(authorize, somebody, group):
    target = target_of(authorize(somebody))

    assert target.path.startswith(f"{PATH}?client_id=")
    assert (target.client, target.origins) == ("demoaws", ["https://demoaws.crm.example"])


def test_sign_in_form_may_end_at_the_registered_address(authorize, somebody, agent, party):
    factories.RegisteredAddressFactory(relying_party=party, address="https://login.crm.example/callback")
    groups.Client.objects.update(further_origins="https://app.crm.example")
    response = authorize(somebody, redirect_uri="https://login.crm.example/callback")

    page = somebody.get(response.headers["Location"])

    allowed = set(directives(page)["form-action"])
    assert allowed == {
        "'self'",
        "https://demoaws.crm.example",
        "https://app.crm.example",
        "https://login.crm.example",
    }


def test_idle_agent_unlocks_and_comes_back(authorize, session, signed_in):
    groups.AgentSession.objects.update(idle_at=timezone.now() - timedelta(minutes=1))
    response = authorize()

    assert "Welcome back" in text_of(signed_in.get(response.headers["Location"]))
    assert "code" in told(sign_in(signed_in, response))


@pytest.mark.usefixtures("agent")
def test_group_parameter_says_where_to_sign_in(authorize, somebody, other_group):
    response = authorize(somebody, group=str(other_group.pk))

    assert f"group={other_group.pk}" in response.headers["Location"]


def test_session_of_another_group_than_is_asked_for_signs_in_anew(authorize, other_group):
    response = authorize(group=str(other_group.pk))

    assert response.headers["Location"].startswith(f"/sso/sign-in?group={other_group.pk}&")


def test_session_of_the_group_that_is_asked_for_will_do(authorize, group):
    assert "code" in told(authorize(group=str(group.pk)))


@pytest.mark.parametrize("number", ["0", "999999999"])
def test_unknown_group_is_refused_at_the_door(authorize, somebody, number):
    assert_page(somebody.get(authorize(somebody, group=number).headers["Location"]), status=404)


def test_two_groups_entitled_ask_which(authorize, somebody, other_group, client_company):
    factories.EntitlementFactory(group=other_group, client=client_company)

    response = authorize(somebody)

    page = response.content.decode()
    assert "Which group are you in?" in text_of(response)
    assert f'action="{PATH}"' in page
    assert "https://demoaws.crm.example" in directives(response)["form-action"]
    assert "Northwind" not in page


def test_group_that_was_chosen_is_signed_in_to_with_nothing_lost(
    authorize, somebody, group, other_group, client_company, agent, party
):
    factories.EntitlementFactory(group=other_group, client=client_company)
    page = authorize(somebody, state=HOSTILE).content.decode()
    kept = re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)">', page)
    assert {name for name, _ in kept} == usual(party).keys()

    chosen = authorize(somebody, state=HOSTILE, group=str(group.pk))

    assert chosen.headers["Location"].startswith(f"/sso/sign-in?group={group.pk}&")
    assert told(sign_in(somebody, chosen))["state"] == HOSTILE


def test_inactive_group_is_not_one_to_ask_about(authorize, somebody, group, other_group, client_company):
    factories.EntitlementFactory(group=other_group, client=client_company)
    groups.Group.objects.filter(pk=other_group.pk).update(is_active=False)

    assert authorize(somebody).headers["Location"].startswith(f"/sso/sign-in?group={group.pk}&")


# --- prompt=none -----------------------------------------------------------------------------------------------------


def test_silent_without_a_session_needs_a_sign_in(authorize, somebody):
    assert_sent_back(authorize(somebody, prompt="none"), "login_required")


def test_silent_with_an_idle_session_needs_a_sign_in(authorize, session):
    groups.AgentSession.objects.update(idle_at=timezone.now() - timedelta(minutes=1))

    assert_sent_back(authorize(prompt="none"), "login_required")


def test_silent_with_an_ended_session_needs_a_sign_in(authorize, session):
    groups.AgentSession.objects.filter(pk=session.pk).end("signed_out")

    assert_sent_back(authorize(prompt="none"), "login_required")


def test_silent_with_a_session_of_another_group_needs_a_sign_in(authorize, other_group):
    assert_sent_back(authorize(prompt="none", group=str(other_group.pk)), "login_required")


def test_silent_never_asks_for_the_group(authorize, somebody, other_group, client_company):
    factories.EntitlementFactory(group=other_group, client=client_company)

    assert_sent_back(authorize(somebody, prompt="none"), "login_required")


def test_silent_question_whether_somebody_is_there_fills_no_log(authorize, somebody):
    authorize(somebody, prompt="none")

    assert not Event.objects.exists()


def test_silent_with_an_older_session_than_is_asked_for_needs_a_sign_in(authorize, session):
    make_older(session, timedelta(minutes=10))

    assert_sent_back(authorize(prompt="none", max_age="300"), "login_required")


def test_silent_for_the_agent_of_the_hint_is_answered(authorize, agent):
    assert "code" in told(authorize(prompt="none", id_token_hint=sign({"sub": agent.subject})))


@pytest.mark.parametrize("hint", [None, "nonsense", "a.b.c"])
def test_silent_for_somebody_else_than_the_hint_needs_a_sign_in(authorize, hint):
    assert_sent_back(authorize(prompt="none", id_token_hint=hint or sign({"sub": "bob"})), "login_required")


@pytest.mark.parametrize(("prompt", "is_used"), [("none", False), (None, True)])
def test_silent_request_does_not_keep_the_session_from_going_idle(authorize, session, prompt, is_used):
    a_while_ago = timezone.now() - timedelta(minutes=5)
    groups.AgentSession.objects.update(last_seen_at=a_while_ago)

    told(authorize(prompt=prompt))

    session.refresh_from_db()
    assert (session.last_seen_at > a_while_ago) == is_used


# --- prompt=login and max_age: a sign-in that happened ---------------------------------------------------------------

ANEW = [{"prompt": "login"}, {"prompt": "select_account"}, {"max_age": "0"}, {"max_age": "60"}]


@pytest.fixture
def old_session(session):
    """Alice signed in ten minutes ago."""
    make_older(session, timedelta(minutes=10))
    return session


@pytest.mark.usefixtures("old_session")
@pytest.mark.parametrize("wish", ANEW, ids=str)
def test_new_sign_in_is_asked_for_and_leads_back_at_once(authorize, signed_in, wish):
    answer = told(sign_in(signed_in, authorize(**wish)))

    token = LoginToken.objects.get()
    assert digest_of(answer["code"]) == token.digest
    assert timezone.now() - token.session.started_at < timedelta(minutes=1)


@pytest.mark.usefixtures("old_session")
@pytest.mark.parametrize("wish", ANEW, ids=str)
def test_new_sign_in_shows_the_page_though_somebody_is_signed_in(authorize, signed_in, wish):
    page = signed_in.get(authorize(**wish).headers["Location"])

    assert page.status_code == 200
    assert 'name="password"' in page.content.decode()


@pytest.mark.usefixtures("old_session")
@pytest.mark.parametrize("wish", ANEW, ids=str)
def test_new_sign_in_of_somebody_who_was_not_there_is_asked_once(authorize, somebody, wish):
    assert "code" in told(sign_in(somebody, authorize(somebody, **wish)))


def test_session_younger_than_max_age_will_do(authorize, session):
    make_older(session, timedelta(seconds=50))

    assert "code" in told(authorize(max_age="60"))


@pytest.mark.usefixtures("old_session")
@pytest.mark.parametrize("wish", ANEW, ids=str)
def test_way_back_without_the_sign_in_asks_again(authorize, signed_in, wish):
    """An agent who takes the address behind the sign-in page has not signed in."""
    response = authorize(**wish)
    for _ in range(3):
        response = signed_in.get(target_of(response).path)

    assert response.headers["Location"].startswith("/sso/sign-in?")
    assert not LoginToken.objects.exists()


@pytest.mark.usefixtures("old_session")
def test_note_of_one_request_is_worth_nothing_for_the_next(authorize, signed_in):
    first = target_of(response := authorize(prompt="login"))
    sign_in(signed_in, response)
    LoginToken.objects.all().delete()
    note = parse_qs(urlsplit(first.path).query)["asked"][0]

    response = authorize(prompt="login", state="of the next", asked=note)

    assert response.headers["Location"].startswith("/sso/sign-in?")
    assert not LoginToken.objects.exists()


@pytest.mark.usefixtures("old_session")
def test_note_serves_no_longer_than_the_browser_needs_to_come_back(authorize, signed_in):
    target = target_of(response := authorize(prompt="login"))
    sign_in(signed_in, response)
    groups.AgentSession.objects.filter(ended_at=None).update(started_at=timezone.now() - timedelta(minutes=6))

    assert signed_in.get(target.path).headers["Location"].startswith("/sso/sign-in?")


@pytest.mark.usefixtures("old_session")
@pytest.mark.parametrize("note", ["", "1", "2999-01-01T00:00:00+00:00", "a:b:c", HOSTILE])
def test_note_that_nobody_signed_is_worth_nothing(authorize, note):
    assert authorize(prompt="login", asked=note).headers["Location"].startswith("/sso/sign-in?")


@pytest.mark.usefixtures("old_session")
def test_wish_taken_out_of_the_address_takes_the_note_along(authorize, signed_in, party):
    """Without the wish the party is told the true time of the sign-in, which it compares."""
    target = target_of(authorize(max_age="60"))
    answer = told(signed_in.get(target.path.replace("max_age=60", "max_age=9999")))

    started = LoginToken.objects.get(digest=digest_of(answer["code"])).session.started_at
    assert timezone.now() - started > timedelta(minutes=9)


@pytest.mark.usefixtures("old_session")
def test_somebody_else_may_sign_in_anew(authorize, signed_in, group):
    bob = factories.AgentFactory(group=group, username="bob")

    sign_in(signed_in, authorize(prompt="login"), username="bob")

    assert LoginToken.objects.get().agent == bob


# --- … with a second factor ------------------------------------------------------------------------------------------


@pytest.fixture
def app(agent):
    """Alice's authenticator app."""
    return groups.AgentFactor.objects.create(agent=agent, secret=encrypt(factories.TOTP_SECRET))


@pytest.fixture
def proved_session(app, old_session):
    """Alice showed her password and her app's code ten minutes ago."""
    groups.AgentSession.objects.update(methods=["pwd", "mfa"])
    return old_session


def let_go_idle() -> None:
    groups.AgentSession.objects.filter(ended_at=None).update(idle_at=timezone.now() - timedelta(seconds=1))


def show_code(browser, page: str):
    """Type the app's code at the page that asks for it, and follow on."""
    assert page.startswith("/sso/second-factor?"), page
    shown = browser.post(
        page, {"code": format_hotp_value(hotp_value(factories.TOTP_SECRET, int(time()) // 30))}
    )
    assert shown.status_code == 303, text_of(shown)
    return browser.get(shown.headers["Location"])


def claims_told(response, party) -> dict[str, object]:
    """What the ID token says that the code of this answer is worth."""
    form = {"grant_type": "authorization_code", "code": told(response)["code"], "redirect_uri": REDIRECT_URI}
    form |= {"client_id": party.identifier, "code_verifier": VERIFIER}
    answer = Client(HTTP_HOST=PORTAL).post("/oauth/token", urlencode(form), FORM)
    return read_id_token(answer.json()["id_token"]).claims


@pytest.mark.usefixtures("proved_session")
@pytest.mark.parametrize("wish", [{"prompt": "login"}, {"max_age": "0"}], ids=str)
@pytest.mark.parametrize("is_idle", [False, True], ids=["live", "idle"])
def test_new_sign_in_takes_both_factors_and_the_party_is_told(
    authorize, signed_in, party, session, wish, is_idle
):
    if is_idle:
        let_go_idle()
    page = authorize(**wish).headers["Location"]
    assert 'name="username"' in signed_in.get(page).content.decode()
    asked = signed_in.post(page, {"username": "alice", "password": factories.PASSWORD})

    claims = claims_told(show_code(signed_in, asked.headers["Location"]), party)

    assert claims["amr"] == ["pwd", "mfa"]
    assert time() - claims["auth_time"] < 60
    assert claims["sid"] == session.sid  # to other parties the session goes on


@pytest.mark.usefixtures("proved_session")
def test_unlocking_is_no_new_sign_in_where_it_spared_the_second_factor(authorize, signed_in):
    """An agent unlocks his session at the door, by the password alone, and goes back to the waiting request."""
    let_go_idle()
    waiting = target_of(response := authorize(prompt="login")).path
    page = response.headers["Location"].replace("&switch=1", "")
    unlocked = signed_in.post(page, {"username": "alice", "password": factories.PASSWORD})
    assert unlocked.headers["Location"] == waiting

    again = signed_in.get(waiting)

    assert again.headers["Location"].startswith("/sso/sign-in?")
    assert not LoginToken.objects.exists()


@pytest.mark.usefixtures("proved_session")
@pytest.mark.parametrize(("max_age", "will_do"), [("300", False), ("3600", True)])
def test_unlocked_session_is_as_old_as_its_second_factor(authorize, signed_in, group, max_age, will_do):
    for _ in range(2):  # unlocking twice makes it no younger
        let_go_idle()
        signed_in.post(
            f"/sso/sign-in?group={group.pk}", {"username": "alice", "password": factories.PASSWORD}
        )

    response = authorize(max_age=max_age)

    assert response.headers["Location"].startswith(REDIRECT_URI if will_do else "/sso/sign-in?")


@pytest.mark.usefixtures("old_session")
def test_unlocking_is_a_new_sign_in_of_who_has_no_second_factor(authorize, signed_in, party):
    let_go_idle()

    claims = claims_told(sign_in(signed_in, authorize(prompt="login")), party)

    assert claims["amr"] == ["pwd"]


# --- The call that the portal began it with --------------------------------------------------------------------------

CALL = CallContext("+15550100", "+15550199", "c-7", "2", "crm:home")


@pytest.fixture
def launch(issue_to_alice):
    """What a pop left for the sign-in that it asked the CRM to begin."""
    return issue_to_alice(kind=Kind.LAUNCH, call=CALL, departments=[1], campaigns=[2])


def code_of(response) -> LoginToken:
    return LoginToken.objects.get(digest=digest_of(told(response)["code"]))


def unspent(issued) -> bool:
    return LoginToken.objects.get(pk=issued.token.pk).redeemed_at is None


def test_launch_gives_its_call_to_the_code(authorize, launch):
    code = code_of(authorize(login_hint=launch.secret))

    assert (code.did, code.cid, code.call_id) == ("+15550100", "+15550199", "c-7")
    assert (code.campaign_id, code.destination) == ("2", "crm:home")
    assert (code.departments, code.campaigns) == ([1], [2])


def test_launch_is_spent_and_written_down_once(authorize, launch):
    response = authorize(login_hint=launch.secret)

    actions = Event.objects.filter(reference=response.headers["X-Request-Id"]).order_by("pk")
    assert not unspent(launch)
    assert list(actions.values_list("action", "actor")) == [
        ("login.redeem", "portal"),
        ("login.issue", f"agent:{launch.token.agent.subject}"),
    ]


def test_launch_that_was_spent_gives_no_call(authorize, launch):
    authorize(login_hint=launch.secret)

    code = code_of(authorize(login_hint=launch.secret))

    assert (code.did, code.departments) == ("", None)


def test_two_tabs_never_swap_their_calls(authorize, issue_to_alice):
    first = issue_to_alice(kind=Kind.LAUNCH, call=CallContext(call_id="first"))
    second = issue_to_alice(kind=Kind.LAUNCH, call=CallContext(call_id="second"))

    calls = [code_of(authorize(login_hint=each.secret)).call_id for each in (second, first)]

    assert calls == ["second", "first"]


@pytest.mark.parametrize("hint", ["alice", "alice@northwind.example", "lt_unknown", HOSTILE, ""])
def test_any_other_hint_is_ignored(authorize, hint):
    assert code_of(authorize(login_hint=hint)).did == ""
    assert Event.objects.get().action == "login.issue"


def test_launch_of_another_agent_is_ignored_and_kept(authorize, launch, group):
    bob = factories.AgentFactory(group=group, username="bob")
    LoginToken.objects.filter(pk=launch.token.pk).update(agent=bob)

    assert code_of(authorize(login_hint=launch.secret)).did == ""
    assert unspent(launch)


def test_launch_of_another_client_is_ignored_and_kept(authorize, launch):
    LoginToken.objects.filter(pk=launch.token.pk).update(client=factories.ClientFactory())

    assert code_of(authorize(login_hint=launch.secret)).did == ""
    assert unspent(launch)


@pytest.mark.parametrize("kind", [Kind.HAND_OFF, Kind.ENTRANCE, Kind.SIGNED, Kind.CODE])
def test_token_of_another_kind_is_ignored_and_kept(authorize, issue_to_alice, kind):
    other = issue_to_alice(kind=kind, call=CALL)

    assert code_of(authorize(login_hint=other.secret)).did == ""
    assert unspent(other)


def test_launch_that_came_too_late_is_ignored(authorize, launch):
    age(launch.token, timedelta(seconds=61))

    assert code_of(authorize(login_hint=launch.secret)).did == ""


def test_launch_is_no_login_by_itself(authorize, somebody, launch):
    response = authorize(somebody, login_hint=launch.secret)

    assert response.headers["Location"].startswith("/sso/sign-in?")
    assert unspent(launch)


def test_launch_survives_the_sign_in_before_it(authorize, somebody, launch):
    answer = told(sign_in(somebody, authorize(somebody, login_hint=launch.secret)))

    assert LoginToken.objects.get(digest=digest_of(answer["code"])).call_id == "c-7"


def test_launch_says_which_group_to_sign_in_to(
    authorize, somebody, launch, group, other_group, client_company
):
    factories.EntitlementFactory(group=other_group, client=client_company)

    response = authorize(somebody, login_hint=launch.secret)

    assert response.headers["Location"].startswith(f"/sso/sign-in?group={group.pk}&")


def test_launch_of_departments_that_were_withdrawn_gives_no_call(authorize, launch, client_company):
    client_company.departments.update(is_active=False)

    code = code_of(authorize(login_hint=launch.secret))

    assert (code.did, code.departments) == ("", None)


def test_relying_party_cannot_redeem_a_launch(launch, party, caller):
    with pytest.raises(Exception, match="invalid_token"):
        redeem(launch.secret, relying_party=party, caller=caller)


def test_token_grant_carries_the_call(by_token, launch):
    answer = told(by_token(login_hint=launch.secret), by="fragment")

    claims = read_id_token(answer["id_token"]).claims
    assert (claims["call"]["call_id"], claims["departments"], claims["campaigns"]) == ("c-7", [1], [2])
    assert claims["destination"] == "crm:home"


# --- Statements ------------------------------------------------------------------------------------------------------


@pytest.fixture
def statements(authorize):

    def count(**changed) -> Statements:
        with Statements(connection) as sent:
            authorize(**changed)
        return sent

    return count


@pytest.mark.django_db(transaction=True)
def test_signed_in_agent_costs_two_selects_and_one_transaction_of_two_inserts(statements):
    sent = statements()

    assert sent.by_kind == {"SELECT": 2, "INSERT": 2}
    assert sent.in_order == ["SELECT", "SELECT", "BEGIN", "INSERT", "INSERT", "COMMIT"]


@pytest.mark.django_db(transaction=True)
def test_launch_costs_one_select_and_its_claim_more(statements, launch):
    sent = statements(login_hint=launch.secret)

    assert sent.by_kind == {"SELECT": 3, "UPDATE": 1, "INSERT": 3}
    assert sent.in_order.count("BEGIN") == 1


@pytest.mark.django_db(transaction=True)
def test_load_that_is_no_navigation_costs_nothing(statements):
    assert statements(headers={"Sec-Purpose": "prefetch"}).in_order == []
