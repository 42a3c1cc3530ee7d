"""The keys of a group, as its owner, its auditor and a stranger see them."""

import json
import re
import shlex
from datetime import timedelta

import pytest
from django.conf import settings
from django.utils import timezone

from accounts.models import Event, Outcome
from sso_portal.lib.secrets import new_readable_code, new_secret
from tests import factories
from tests.accounts.conftest import code_of
from tests.reading import page_of
from tokens.console.changing_keys import curl_sample
from tokens.models import ApiKey, PlatformKey, Scope, State

pytestmark = pytest.mark.django_db

WEEK, HOUR = "604800", "3600"
SECRET = re.compile(r"pk_[\w-]{43}")


@pytest.fixture
def keys_page(group):
    return f"/groups/{group.pk}/keys/"


@pytest.fixture
def key(group) -> PlatformKey:
    return factories.PlatformKeyFactory(group=group, name="Dialer")


def another(group, **fields) -> PlatformKey:
    return factories.PlatformKeyFactory(group=group, secret=new_secret("pk_"), **fields)


def lamps_of(response) -> list[str]:
    """The words beside the lamps: the group's own first."""
    return [word.strip() for word in re.findall(r"</svg>\s*([^<]*?)\s*</span>", response.content.decode())]


# --- Who may ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", ["owner", "manager", "auditor"])
def test_page_opens_for_every_role_without_a_fresh_factor(request, role, key, keys_page, visit_as):
    response = visit_as(request.getfixturevalue(role), ago=3000).get(keys_page)

    assert response.status_code == 200
    assert "Dialer" in page_of(response)


@pytest.mark.parametrize("role", ["manager", "auditor"])
def test_page_offers_no_change_to_those_who_may_not(request, role, key, keys_page, visit_as):
    factories.AddressRuleFactory(group=key.group)

    content = visit_as(request.getfixturevalue(role)).get(keys_page).content.decode()

    assert not re.findall(rf'href="{keys_page}(?:new|addresses|\d)', content)


PATHS = ["new/", "{key}/rotate/", "{key}/end/", "{key}/revoke/", "addresses/new/", "addresses/{rule}/remove/"]
PATHS += ["api/new/", "api/{api_key}/rotate/", "api/{api_key}/end/", "api/{api_key}/revoke/"]


@pytest.fixture(params=PATHS)
def change(request, key, keys_page):
    """The address of a page that changes something."""
    rule = factories.AddressRuleFactory(group=key.group)
    api_key = factories.ApiKeyFactory(group=key.group)
    return keys_page + request.param.format(key=key.pk, rule=rule.pk, api_key=api_key.pk)


@pytest.mark.parametrize("method", ["get", "post"])
@pytest.mark.parametrize("role", ["manager", "auditor"])
def test_change_is_refused_without_the_role(request, method, role, change, visit_as):
    assert getattr(visit_as(request.getfixturevalue(role)), method)(change).status_code == 403
    assert Event.objects.get().reason == "role_missing"


@pytest.mark.parametrize("method", ["get", "post"])
def test_change_is_missing_for_a_stranger(method, change, stranger, visit_as):
    assert getattr(visit_as(stranger), method)(change).status_code == 404


@pytest.mark.parametrize("method", ["get", "post"])
def test_change_asks_for_the_second_factor_again(method, change, owner, visit_as):
    response = getattr(visit_as(owner, ago=301), method)(change)

    assert response.status_code == 303
    assert response["Location"].startswith("/accounts/2fa/reauthenticate/")
    assert (PlatformKey.objects.live().count(), Event.objects.count()) == (1, 0)


def test_change_opens_for_the_owner(change, as_owner):
    assert as_owner.get(change).status_code == 200


@pytest.mark.parametrize("act", ["rotate", "end", "revoke"])
@pytest.mark.parametrize("method", ["get", "post"])
def test_key_of_another_group_is_missing(act, method, other_group, keys_page, as_owner):
    foreign = another(other_group)

    assert getattr(as_owner, method)(f"{keys_page}{foreign.pk}/{act}/", {"after": "0"}).status_code == 404
    assert foreign in PlatformKey.objects.live()


@pytest.mark.parametrize("act", ["rotate", "end", "revoke"])
def test_key_that_is_over_is_missing(act, key, keys_page, as_owner):
    PlatformKey.objects.update(revoked_at=timezone.now())

    assert as_owner.get(f"{keys_page}{key.pk}/{act}/").status_code == 404


def test_number_that_no_database_holds_is_missing(keys_page, as_owner):
    assert as_owner.get(f"{keys_page}{'9' * 18}/end/").status_code == 404
    assert as_owner.get(f"{keys_page}{'9' * 19}/end/").status_code == 404


# --- The list --------------------------------------------------------------------------------------------------------


def test_no_keys_yet_shows_the_next_step(keys_page, as_owner):
    assert f'href="{keys_page}new/"' in as_owner.get(keys_page).content.decode()


def test_nobody_may_call_while_the_list_is_empty(key, keys_page, as_owner):
    response = page_of(as_owner.get(keys_page))

    assert "Nobody can call yet: the address list is empty" in response
    assert "Nobody may call yet" in response


@pytest.mark.parametrize(
    ("fields", "word"),
    [
        ({}, "Live"),
        ({"expires_at": timezone.now() + timedelta(days=30)}, "Live"),
        ({"expires_at": timezone.now() + timedelta(days=3)}, "Ending"),
        ({"expires_at": timezone.now()}, "Ended"),
        ({"revoked_at": timezone.now()}, "Revoked"),
    ],
)
def test_state_is_a_lamp_and_a_word(group, keys_page, as_owner, fields, word):
    another(group, **fields)

    assert lamps_of(as_owner.get(keys_page))[1:] == [word]


def test_key_that_is_nearly_a_year_old_is_pointed_out(key, keys_page, as_owner):
    PlatformKey.objects.update(created_at=timezone.now() - timedelta(days=336))

    response = page_of(as_owner.get(keys_page))

    assert "336 days old" in response
    assert "It is nearly a year old. Rotate it" in response


def test_last_key_that_ends_is_pointed_out(group, key, keys_page, as_owner):
    PlatformKey.objects.update(expires_at=timezone.now() + timedelta(days=3))
    assert "No other key goes on after its end" in page_of(as_owner.get(keys_page))

    another(group)
    assert "No other key goes on after its end" not in page_of(as_owner.get(keys_page))


def test_two_live_keys_leave_no_room_for_another(group, key, keys_page, as_owner):
    another(group)

    content = as_owner.get(keys_page).content.decode()

    assert "Two are live, as many as there may be" in content
    assert f'href="{keys_page}new/"' not in content
    assert "/rotate/" not in content


def test_keys_of_another_group_are_not_shown(other_group, keys_page, as_owner):
    another(other_group, name="Of Southgate")

    assert "Of Southgate" not in page_of(as_owner.get(keys_page))


def test_page_shows_no_secret_and_no_digest(key, keys_page, as_owner):
    content = as_owner.get(keys_page).content.decode()

    assert factories.PLATFORM_KEY not in content
    assert key.digest not in content


def test_page_asks_the_database_no_more_for_longer_lists(
    group, keys_page, as_owner, django_assert_max_num_queries
):
    another(group), another(group)
    for n in range(30):
        another(group, revoked_at=timezone.now())
        factories.AddressRuleFactory(group=group, network=f"10.0.{n}.0/24")
        refuse(group, "unauthorized", detail="key ended")
    as_owner.get(keys_page)  # notes that the session was used

    with django_assert_max_num_queries(12):
        response = as_owner.get(keys_page)

    assert "20 keys that are over" in page_of(response)


def test_hostile_names_are_shown_as_text(group, keys_page, as_owner):
    another(group, name="<script>alert(1)</script>")
    factories.AddressRuleFactory(group=group, note="<img src=x onerror=alert(2)>")

    content = as_owner.get(keys_page).content.decode()

    assert "<script>alert" not in content
    assert "<img src=x" not in content


# --- Making a key ----------------------------------------------------------------------------------------------------


def test_new_key_is_shown_once(group, keys_page, as_owner):
    response = as_owner.post(f"{keys_page}new/", {"name": "Dialer"})

    assert response.status_code == 200
    secret = SECRET.search(response.content.decode())[0]
    assert PlatformKey.objects.shown(secret).get().group == group
    assert secret not in as_owner.get(keys_page).content.decode()
    assert secret not in str(dict(as_owner.session))
    assert secret not in str(list(Event.objects.values()))


def test_new_key_is_nowhere_kept_by_the_browser(keys_page, as_owner):
    response = as_owner.post(f"{keys_page}new/", {"name": "Dialer"})

    assert response.headers["Cache-Control"] == "no-store"
    assert not response.cookies.get("messages")


def test_new_key_works_as_its_sample_says(group, entitlement, agent, keys_page, as_owner):
    factories.AddressRuleFactory(group=group)
    response = as_owner.post(f"{keys_page}new/", {"name": "Dialer"})

    sample = re.search(r'<pre[^>]* id="sample"[^>]*>(.*?)</pre>', response.content.decode(), re.DOTALL)[1]
    answer = run(as_owner, unescape(sample))

    assert answer.json()["success"] == 1
    assert PlatformKey.objects.get().last_used_at is not None


def unescape(text: str) -> str:
    for entity, character in (("&quot;", '"'), ("&#x27;", "'"), ("&lt;", "<"), ("&gt;", ">"), ("&amp;", "&")):
        text = text.replace(entity, character)
    return text


def run(as_owner, sample: str):
    """What curl would do."""
    words = shlex.split(sample.replace("\\\n", " "))
    headers = dict(words[i + 1].split(": ", 1) for i, word in enumerate(words) if word == "-H")
    address = next(word for word in words if word.startswith("http"))
    body = words[words.index("-d") + 1]
    path = address.removeprefix(settings.PORTAL_URL)
    return as_owner.post(path, body, content_type=headers.pop("Content-Type"), headers=headers)


def test_sample_survives_any_name(group, entitlement):
    factories.AgentFactory(group=group, username="o'hara $(id) \\", full_name='Aoife "Ó" O’Hara')

    words = shlex.split(curl_sample(group, "pk_secret").replace("\\\n", " "))

    body = json.loads(words[words.index("-d") + 1])
    assert body == {"username": "o'hara $(id) \\", "fullname": 'Aoife "Ó" O’Hara', "department_id": 1}


def test_sample_of_an_empty_group_has_names_to_replace(group):
    assert "/api/sso/client " in curl_sample(group, "pk_secret")


@pytest.mark.parametrize("name", ["", "   ", "a\u202eb", "a\x00b", "x" * 201])
def test_name_that_cannot_be_is_refused_beside_its_field(keys_page, as_owner, name):
    response = as_owner.post(f"{keys_page}new/", {"name": name})

    assert 'id="id_name_error"' in response.content.decode()
    assert not PlatformKey.objects.exists()


def test_name_that_is_taken_is_refused_beside_its_field_and_recorded(key, keys_page, as_owner):
    response = as_owner.post(f"{keys_page}new/", {"name": "dialer"})

    assert response.status_code == 409
    assert 'id="id_name_error"' in response.content.decode()
    event = Event.objects.get()
    assert (event.action, event.outcome, event.reason) == ("key.create", Outcome.REFUSED, "name_taken")
    assert event.group_id == key.group_id


def test_third_key_is_refused_and_recorded(group, key, keys_page, as_owner):
    another(group)

    response = as_owner.post(f"{keys_page}new/", {"name": "Third"})

    assert response.status_code == 409
    assert "Two keys are live" in page_of(response)
    assert not SECRET.search(response.content.decode())
    assert Event.objects.get().reason == "two_live_keys"


def test_name_that_was_typed_is_kept_while_the_second_factor_is_asked_for(keys_page, owner, visit_as):
    later = visit_as(owner, ago=301)

    asked = later.post(f"{keys_page}new/", {"name": "Dialer of Leeds"})
    back = later.post(asked["Location"], {"code": code_of()}, follow=True)

    assert back.request["PATH_INFO"] == f"{keys_page}new/"
    assert 'value="Dialer of Leeds"' in back.content.decode()


# --- Rotating, ending, revoking --------------------------------------------------------------------------------------


def test_rotation_shows_the_new_key_and_tells_when_the_old_one_ends(key, keys_page, as_owner):
    response = as_owner.post(f"{keys_page}{key.pk}/rotate/", {"overlap": HOUR})

    key.refresh_from_db()
    secret = SECRET.search(response.content.decode())[0]
    assert PlatformKey.objects.shown(secret).get().name == "Dialer"
    assert key.state == State.ENDING
    assert key.expires_at.strftime("%Y-%m-%dT%H:%M:%SZ") in response.content.decode()


def test_overlap_is_seven_days_unless_chosen_otherwise(key, keys_page, as_owner):
    content = as_owner.get(f"{keys_page}{key.pk}/rotate/").content.decode()

    assert re.findall(r'value="(\d+)"[^>]*checked', content) == [WEEK]


@pytest.mark.parametrize("overlap", ["", "0", "604801", "-1", "x", "9" * 40])
def test_overlap_that_is_none_is_refused_beside_its_field(key, keys_page, as_owner, overlap):
    response = as_owner.post(f"{keys_page}{key.pk}/rotate/", {"overlap": overlap})

    assert 'id="id_overlap_error"' in response.content.decode()
    assert PlatformKey.objects.get().expires_at is None


def test_rotation_sent_again_makes_no_further_key(key, keys_page, as_owner):
    as_owner.post(f"{keys_page}{key.pk}/rotate/", {"overlap": WEEK})
    response = as_owner.post(f"{keys_page}{key.pk}/rotate/", {"overlap": WEEK})

    assert response.status_code == 409
    assert PlatformKey.objects.count() == 2


def test_end_is_set_and_told(key, keys_page, as_owner):
    response = as_owner.post(f"{keys_page}{key.pk}/end/", {"after": HOUR}, follow=True)

    key.refresh_from_db()
    assert key.state == State.ENDING
    assert f"{key} ends on" in page_of(response)


def test_key_is_ended_now(key, keys_page, as_owner):
    as_owner.post(f"{keys_page}{key.pk}/end/", {"after": "0"})

    assert not PlatformKey.objects.live().exists()


def test_end_of_the_last_key_is_warned_of(key, keys_page, as_owner):
    assert "nobody can call" in page_of(as_owner.get(f"{keys_page}{key.pk}/end/"))


def test_revoking_asks_first_and_tells_what_will_happen(key, keys_page, as_owner):
    PlatformKey.objects.update(last_used_at=timezone.now() - timedelta(hours=2))
    factories.AddressRuleFactory(group=key.group, network="203.0.113.0/24", note="Leeds")

    response = page_of(as_owner.get(f"{keys_page}{key.pk}/revoke/")).replace("\xa0", " ")

    assert "It was last used 2 hours ago" in response
    assert "203.0.113.0/24 (Leeds)" in response
    assert "No other key is live" in response
    assert key in PlatformKey.objects.live()


def test_revoked_key_moves_to_those_that_are_over(key, keys_page, as_owner):
    response = as_owner.post(f"{keys_page}{key.pk}/revoke/", follow=True)

    assert lamps_of(response)[1:] == ["Revoked"]
    assert Event.objects.get().action == "key.revoke"


# --- Refused calls ---------------------------------------------------------------------------------------------------


def refuse(group, reason, *, detail="", door="platform", hours=1) -> Event:
    return Event.objects.create(
        at=timezone.now() - timedelta(hours=hours),
        reference=new_readable_code(),
        action="login.issue",
        door=door,
        outcome=Outcome.REFUSED,
        reason=reason,
        group_id=group.pk,
        details={"detail": detail} if detail else {},
    )


def test_refused_calls_are_counted_by_reason(group, key, keys_page, as_owner):
    for detail in ("key ended", "key ended", "address not on the list"):
        refuse(group, "unauthorized", detail=detail)
    refuse(group, "agent_disabled", detail="suspended")
    refuse(group, "agent_disabled", detail="disabled")

    response = page_of(as_owner.get(keys_page))

    assert "<strong>2</strong> the key has ended" in response
    assert "<strong>1</strong> the address is not on the list" in response
    assert "<strong>2</strong> the agent is disabled, suspended, or has ended" in response


def test_latest_refused_calls_lead_to_what_happened(group, keys_page, as_owner):
    events = [refuse(group, "unknown_department", hours=n) for n in range(1, 8)]

    content = as_owner.get(keys_page).content.decode()

    assert [f"/refused/{event.reference}/" in content for event in events] == [True] * 5 + [False] * 2


@pytest.mark.parametrize(
    "event",
    [{"hours": 25}, {"door": "agents"}, {"other": True}],
    ids=["of-yesterday", "of-a-pop", "of-others"],
)
def test_refused_calls_are_the_groups_own_of_the_last_day(group, other_group, keys_page, as_owner, event):
    refuse(other_group if event.pop("other", False) else group, "unknown_department", **event)

    assert "Refused calls" not in page_of(as_owner.get(keys_page))


# --- Keys of the native API ------------------------------------------------------------------------------------------

API_SECRET = re.compile(r"ak_[\w-]{43}")


def test_api_key_is_made_with_its_scopes_and_shown_once(group, keys_page, as_owner):
    response = as_owner.post(
        f"{keys_page}api/new/", {"name": "Directory", "scopes": ["agents:read", "logins"]}
    )

    secret = API_SECRET.search(response.content.decode())[0]
    key = ApiKey.objects.shown(secret).get()
    assert (key.group, key.scopes) == (group, ["agents:read", "logins"])
    assert secret not in as_owner.get(keys_page).content.decode()
    assert Event.objects.get().details == {"name": "Directory", "scopes": ["agents:read", "logins"]}


@pytest.mark.parametrize("scope", Scope.values)
def test_sample_of_an_api_key_is_a_call_that_it_may_make(scope, group, entitlement, keys_page, as_owner):
    factories.AddressRuleFactory(group=group)
    response = as_owner.post(f"{keys_page}api/new/", {"name": "Directory", "scopes": [scope]})
    sample = unescape(
        re.search(r'<pre[^>]* id="sample"[^>]*>(.*?)</pre>', response.content.decode(), re.DOTALL)[1]
    )

    words = shlex.split(sample.replace("\\\n", " "))
    bearer = next(word.removeprefix("Authorization: ") for word in words if word.startswith("Authorization"))
    path = words[2].removeprefix(settings.PORTAL_URL)
    body = words[words.index("-d") + 1] if "-d" in words else None
    answer = (
        as_owner.post(path, body, content_type="application/json", headers={"Authorization": bearer})
        if body
        else as_owner.get(path, headers={"Authorization": bearer})
    )

    assert answer.status_code in ((403,) if scope == "logins" else (200, 201))
    assert "insufficient_scope" not in answer.content.decode()


@pytest.mark.parametrize("scopes", [[], ["everything"]])
def test_scopes_that_are_none_are_refused_beside_their_field(scopes, keys_page, as_owner):
    response = as_owner.post(f"{keys_page}api/new/", {"name": "Directory", "scopes": scopes})

    assert 'id="id_scopes_error"' in response.content.decode()
    assert not ApiKey.objects.exists()


def test_rotated_api_key_may_do_the_same(group, keys_page, as_owner):
    key = factories.ApiKeyFactory(group=group, name="Directory", scopes=["events:read"])

    response = as_owner.post(f"{keys_page}api/{key.pk}/rotate/", {"overlap": WEEK})

    new = ApiKey.objects.shown(API_SECRET.search(response.content.decode())[0]).get()
    key.refresh_from_db()
    assert (new.scopes, new.name, key.state) == (["events:read"], "Directory", State.ENDING)


def test_kinds_of_key_do_not_count_against_each_other(group, key, keys_page, as_owner):
    another(group)

    response = as_owner.post(f"{keys_page}api/new/", {"name": "Dialer", "scopes": ["logins"]})

    assert API_SECRET.search(response.content.decode())


@pytest.mark.parametrize("act", ["rotate", "end", "revoke"])
def test_address_of_one_kind_finds_no_key_of_the_other(act, key, keys_page, as_owner):
    assert as_owner.get(f"{keys_page}api/{key.pk}/{act}/").status_code == 404


def test_revoked_api_key_is_refused_at_once(group, keys_page, as_owner):
    key = factories.ApiKeyFactory(group=group)

    as_owner.post(f"{keys_page}api/{key.pk}/revoke/")

    assert not ApiKey.objects.live().exists()
    assert Event.objects.get().action == "key.revoke"


def test_page_tells_what_an_api_key_may_do(group, keys_page, as_owner):
    factories.ApiKeyFactory(group=group, scopes=["events:read", "agents:read"])

    assert "see agents · read events" in page_of(as_owner.get(keys_page))


def test_refused_calls_of_the_native_api_are_counted_too(group, keys_page, as_owner):
    refuse(group, "insufficient_scope", door="api")

    assert "<strong>1</strong> the key lacks the scope" in page_of(as_owner.get(keys_page))
