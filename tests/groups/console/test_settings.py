"""The settings page, and what its settings do at the agents' door."""

import re
import time
from typing import Any

import pytest
from allauth.account.internal.flows.login import AUTHENTICATION_METHODS_SESSION_KEY
from django.core.files.uploadedfile import SimpleUploadedFile

from accounts.models import Event
from groups.branding import brand_of
from groups.models import AgentSession, Group, GroupLogo
from groups.standing import give_activation_code
from tests import factories
from tests.factories import PASSWORD
from tests.groups.conftest import WRONG_PASSWORD
from tests.groups.test_branding import picture
from tests.reading import page_of

pytestmark = pytest.mark.django_db
HOSTILE = "<script>alert(1)</script>"
SECTIONS = ("group", "access", "networks", "look")
HERE = "127.0.0.1"


@pytest.fixture
def address(group):
    return lambda rest="": f"/groups/{group.pk}/settings/{rest}"


@pytest.fixture
def save(as_owner, address):
    """Send a section as the page shows it, with these fields changed."""

    def save(section: str, *, follow: bool = True, page: str | None = None, **changed: Any) -> Any:
        page = page or as_owner.get(address()).content.decode()
        fields = shown_in(page, section) | {f"{section}-{name}": value for name, value in changed.items()}
        sent = {name: value for name, value in fields.items() if value is not None}
        return as_owner.post(address(f"{section}/"), sent, follow=follow)

    return save


def shown_in(page: str, section: str) -> dict[str, str]:
    """What a as_owner would send of this section's form."""
    (form,) = re.findall(rf'<form[^>]*settings/{section}/".*?</form>', page, re.DOTALL)
    fields = {}
    for tag in re.findall(r"<input[^>]*>", form):
        name, value = re.search(r' name="([^"]*)"', tag), re.search(r' value="([^"]*)"', tag)
        kind = re.search(r' type="([^"]*)"', tag)
        is_off = kind and kind[1] in ("radio", "checkbox", "file") and " checked" not in tag
        if name and name[1].startswith(f"{section}-") and not is_off:
            fields[name[1]] = value[1] if value else "on" if kind and kind[1] == "checkbox" else ""
    for name, body in re.findall(r'<select name="([^"]*)".*?>(.*?)</select>', form, re.DOTALL):
        chosen = re.search(r'<option value="([^"]*)" selected', body)
        fields[name] = chosen[1] if chosen else ""
    for name, body in re.findall(r'<textarea name="([^"]*)"[^>]*>\s*(.*?)</textarea>', form, re.DOTALL):
        fields[name] = body
    return fields


# --- Who ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("who", ["manager", "auditor"])
def test_other_roles_see_the_settings_and_no_forms(request, who, address, visit_as):
    response = visit_as(request.getfixturevalue(who)).get(address())

    assert "everywhere" in page_of(response)
    assert 'method="post" action="/groups' not in response.content.decode()


@pytest.mark.parametrize("section", SECTIONS)
@pytest.mark.parametrize("method", ["get", "post"])
def test_changes_are_for_owners_alone(section, method, manager, auditor, stranger, address, visit_as):
    answers = [
        getattr(visit_as(who), method)(address(f"{section}/")).status_code
        for who in (manager, auditor, stranger)
    ]

    assert answers == [403, 403, 404]


@pytest.mark.parametrize("page", ["", "statement/"])
def test_strangers_find_nothing(page, stranger, address, visit_as):
    assert visit_as(stranger).get(address(page)).status_code == 404


def test_address_of_a_section_leads_to_the_page(as_owner, address):
    assert as_owner.get(address("access/")).headers["Location"] == address()


def test_page_asks_the_database_few_questions(as_owner, address, group, django_assert_max_num_queries):
    factories.GroupLogoFactory(group=group)

    with django_assert_max_num_queries(12):
        as_owner.get(address())


# --- Saving ------------------------------------------------------------------------------------------------------


def test_name_and_time_zone_are_saved(save, group):
    response = save("group", name="Northwind Two", time_zone="Europe/Madrid")

    group.refresh_from_db()
    assert (group.name, group.time_zone) == ("Northwind Two", "Europe/Madrid")
    assert "Saved." in page_of(response)


def test_page_that_is_sent_as_it_is_changes_nothing(save):
    for section in ("group", "access", "networks"):
        assert "Nothing was changed." in page_of(save(section))
    save("look")
    assert not Event.objects.filter(action="group.change_settings").exists()


@pytest.mark.parametrize(
    ("section", "field", "value", "says"),
    [
        ("group", "name", "", "required"),
        ("group", "name", "x" * 5000, "at most 200"),
        ("group", "name", "evil\u202eeman", "cannot be shown"),
        ("group", "time_zone", "Mars/Olympus", "valid choice"),
        ("access", "idle_minutes", "4", "greater than or equal to 5"),
        ("access", "idle_minutes", "61", "less than or equal to 60"),
        ("access", "idle_minutes", "9" * 400, "less than or equal to 60"),
        ("access", "idle_minutes", "soon", "whole number"),
        ("access", "longest_session_hours", "25", "less than or equal to 24"),
        ("access", "sessions_per_agent", "0", "greater than or equal to 1"),
        ("access", "password_profile", "none", "valid choice"),
        ("networks", "agent_networks", "10.0.0.0/8\n10.0.0.300", "“10.0.0.300” is no address"),
        ("networks", "agent_networks", HOSTILE, "is no address"),
        ("networks", "agent_networks", "0.0.0.0/0", "is everywhere"),
        ("networks", "agent_networks", "::/0", "is everywhere"),
        ("networks", "agent_networks", "x" * 20_000, "at most 10000"),
        ("networks", "agent_networks", "\n".join(f"10.0.{n}.0/24" for n in range(101)), "no more than 100"),
        ("look", "colour", "teal", "like #0a5a64"),
        ("look", "colour", "#0077dd", "nearest that works is #0076db"),
        ("look", "colour", HOSTILE, "at most 20"),
    ],
)
def test_field_says_what_is_wrong_and_nothing_is_saved(save, section, field, value, says):
    response = save(section, **{field: value})

    assert says in page_of(response)
    assert HOSTILE not in response.content.decode()
    assert not Event.objects.filter(action="group.change_settings").exists()


def test_hostile_name_is_shown_as_text(save, group, client):
    response = save("group", name=HOSTILE)

    assert HOSTILE not in response.content.decode()
    assert HOSTILE not in client.get(f"/sso/sign-in?group={group.pk}").content.decode()


def test_page_around_a_refused_form_still_says_what_is_so(save):
    response = save("group", name="x" * 201)

    assert '<p class="head__group">Northwind</p>' in response.content.decode()


def test_change_over_somebody_elses_is_refused_and_the_new_values_shown(save, as_owner, address, group):
    old_page = as_owner.get(address()).content.decode()
    save("group", name="Northwind Two")

    response = save("group", page=old_page, name="Northwind Three")

    assert "Somebody changed this while the page was open." in page_of(response)
    assert 'value="Northwind Two"' in response.content.decode()
    assert Group.objects.get(pk=group.pk).name == "Northwind Two"


@pytest.mark.parametrize("shown", ["", "x", None, HOSTILE])
def test_forged_stamp_is_a_stale_one(save, shown, group):
    save("group", name="Other", shown=shown)

    assert Group.objects.get(pk=group.pk).name == "Northwind"


# --- Sign-in -----------------------------------------------------------------------------------------------------


def test_card_industry_profile_sets_its_demands_and_says_so(save, group):
    response = save("access", password_profile="pci")

    group.refresh_from_db()
    assert (group.password_profile, group.needs_second_factor, group.idle_minutes) == ("pci", True, 15)
    assert "set the second factor and the idle time with it" in page_of(response)


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"needs_second_factor": None}, "needs the second factor"),
        ({"idle_minutes": "30"}, "15 minutes at most"),
    ],
)
def test_card_industry_profile_says_what_it_does_not_allow(save, group, changed, says):
    save("access", password_profile="pci")

    response = save("access", **changed)

    group.refresh_from_db()
    assert says in page_of(response)
    assert (group.needs_second_factor, group.idle_minutes) == (True, 15)


def test_leaving_the_card_industry_profile_frees_the_rest(save, group):
    save("access", password_profile="pci")

    save("access", password_profile="default", needs_second_factor=None, idle_minutes="30")

    group.refresh_from_db()
    assert (group.password_profile, group.needs_second_factor, group.idle_minutes) == ("default", False, 30)


def test_relaxed_profile_is_for_the_demo_alone(save, settings, group):
    settings.DEMO = False

    assert "valid choice" in page_of(save("access", password_profile="relaxed"))
    assert Group.objects.get(pk=group.pk).password_profile == "default"


@pytest.mark.parametrize(
    ("profile", "says"),
    [
        ("default", "at least 12 characters"),
        ("pci", "one letter and one digit"),
        ("relaxed", "at least 8 characters"),
    ],
)
def test_statement_says_what_the_profile_demands(save, as_owner, address, profile, says):
    save("access", password_profile=profile)

    assert says in page_of(as_owner.get(address("statement/")))


def test_statement_is_there_for_auditors(auditor, address, visit_as):
    assert "5 within 15 minutes" in page_of(visit_as(auditor).get(address("statement/")))


# --- Networks ----------------------------------------------------------------------------------------------------


def test_networks_are_kept_in_one_spelling(save, group):
    save("networks", agent_networks="127.0.0.1\n10.1.2.3/8, 127.0.0.1/32\n::ffff:192.0.2.1\n2001:DB8::/32")

    group.refresh_from_db()
    assert group.agent_networks == ["127.0.0.1", "10.0.0.0/8", "192.0.2.1", "2001:db8::/32"]


def test_networks_without_ones_own_address_are_asked_about(save, group, as_owner, address):
    asked = save("networks", agent_networks="198.51.100.0/24\n10.0.0.0/8", follow=False)

    assert "You are at 127.0.0.1, which is in none of these networks." in page_of(asked)
    assert Group.objects.get(pk=group.pk).agent_networks == []

    hidden = dict(re.findall(r'<input type="hidden" name="(.*?)" value="(.*?)"', asked.content.decode()))
    as_owner.post(address("networks/"), hidden)
    assert Group.objects.get(pk=group.pk).agent_networks == ["198.51.100.0/24", "10.0.0.0/8"]


def test_networks_can_be_emptied(save, group):
    save("networks", agent_networks=HERE)
    save("networks", agent_networks="")

    assert Group.objects.get(pk=group.pk).agent_networks == []


@pytest.fixture
def elsewhere(group):
    """Agents may sign in from a network that this test is not in."""
    Group.objects.filter(pk=group.pk).update(agent_networks=["198.51.100.0/24"])


def test_sign_in_from_outside_is_refused_before_the_password_is_looked_at(
    elsewhere, agent, post_sign_in, hashes
):
    refused, wrong = post_sign_in(), post_sign_in(WRONG_PASSWORD)

    for answer in (refused, wrong):
        assert answer.status_code == 403
        assert "Sign-in is not possible from this network." in page_of(answer)
        assert "ticket__number" in answer.content.decode()
    assert (hashes, AgentSession.objects.count()) == ([], 0)


def test_sign_in_page_says_so_before_anything_is_typed(elsewhere, client, group):
    answer = client.get(f"/sso/sign-in?group={group.pk}")

    assert answer.status_code == 403
    assert b'name="password"' not in answer.content


def test_sign_in_from_outside_is_recorded(elsewhere, agent, post_sign_in, group):
    post_sign_in()

    event = Event.objects.get()
    assert (event.action, event.reason, event.group_id) == ("agent.sign_in", "outside_networks", group.pk)


def test_sign_in_from_inside_is_let_in(elsewhere, agent, client, group):
    answer = client.post(
        f"/sso/sign-in?group={group.pk}",
        {"username": "alice", "password": PASSWORD},
        REMOTE_ADDR="198.51.100.7",
    )

    assert answer.status_code == 303


def test_header_makes_nobody_come_from_inside(elsewhere, agent, client, group):
    answer = client.get(f"/sso/sign-in?group={group.pk}", headers={"X-Forwarded-For": "198.51.100.7"})

    assert answer.status_code == 403


def test_session_that_began_inside_goes_on(agent, post_sign_in, client, group):
    post_sign_in()
    Group.objects.filter(pk=group.pk).update(agent_networks=["198.51.100.0/24"])

    assert client.get(f"/sso/group?group={group.pk}").status_code == 200


def test_unlock_from_outside_is_refused(agent, post_sign_in, client, group):
    post_sign_in()
    AgentSession.objects.update(idle_at=AgentSession.objects.get().started_at)
    Group.objects.filter(pk=group.pk).update(agent_networks=["198.51.100.0/24"])

    assert post_sign_in().status_code == 403


def test_choice_of_a_password_from_outside_is_refused(agent, post_sign_in, client, group, caller):
    post_sign_in(give_activation_code(agent, by="test", caller=caller))
    Group.objects.filter(pk=group.pk).update(agent_networks=["198.51.100.0/24"])
    chosen = {"new_password": "seven purple lanterns", "repeated": "seven purple lanterns"}

    assert client.post(f"/sso/password?group={group.pk}", chosen).status_code == 403
    assert not AgentSession.objects.exists()


# --- Look --------------------------------------------------------------------------------------------------------


def upload(content: bytes, name: str = "logo.png") -> SimpleUploadedFile:
    return SimpleUploadedFile(name, content)


def test_colour_and_logo_are_saved_and_previewed(save, group):
    response = save("look", colour="0A5A64", logo=upload(picture()))

    group.refresh_from_db()
    page = response.content.decode()
    assert (group.colour, GroupLogo.objects.count()) == ("#0a5a64", 1)
    assert brand_of(group).stylesheet in page
    assert page.count(brand_of(group).logo) == 2


def test_short_colour_is_understood(save, group):
    save("look", colour="#123")

    assert Group.objects.get(pk=group.pk).colour == "#112233"


def test_logo_stays_when_none_is_sent(save, group):
    save("look", logo=upload(picture()))
    save("look", colour="#0a5a64")

    assert GroupLogo.objects.count() == 1


def test_logo_is_removed(save):
    save("look", logo=upload(picture()))
    save("look", remove_logo="on")

    assert not GroupLogo.objects.exists()


def test_dark_logo_gets_a_plate_and_the_page_says_so(save):
    assert "stands on a plate" in page_of(save("look", logo=upload(picture("black"))))


@pytest.mark.parametrize(
    ("content", "says"),
    [(b"<svg/>", "PNG, JPEG or WebP"), (b"x" * 300_000, "larger than 200 KB"), (b"", "empty")],
)
def test_unusable_logo_is_refused_beside_its_field(save, content, says):
    response = save("look", logo=upload(content, "<b>logo.svg"))

    assert says in page_of(response)
    assert not GroupLogo.objects.exists()


def test_huge_upload_is_refused_at_the_edge(save):
    assert save("look", logo=upload(bytes(1024 * 1024))).status_code == 413


@pytest.mark.parametrize("section", ["access", "networks"])
def test_what_decides_who_gets_in_asks_for_the_second_factor_again(group, owner, visit_as, section):
    response = visit_as(owner, ago=301).post(
        f"/groups/{group.pk}/settings/{section}/", {"networks-networks": "x"}
    )

    assert response["Location"].startswith("/accounts/2fa/reauthenticate/")


def test_settings_typed_too_late_are_kept(group, owner, visit_as):
    browser = visit_as(owner, ago=301)
    browser.post(f"/groups/{group.pk}/settings/networks/", {"networks-networks": "198.51.100.0/24"})
    session = browser.session
    session[AUTHENTICATION_METHODS_SESSION_KEY] = [{"method": "mfa", "at": time.time(), "type": "totp"}]
    session.save()

    page = browser.get(f"/groups/{group.pk}/settings/networks/").content.decode()

    assert "198.51.100.0/24" in page
