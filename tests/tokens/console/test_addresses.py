"""The address list of a group: adding, removing, and trying an address."""

import pytest

from accounts.models import Event
from sso_portal.lib.addresses import network_of
from tests import factories
from tokens.console.addresses import size_of
from tokens.models import AddressRule

pytestmark = pytest.mark.django_db


@pytest.fixture
def keys_page(group):
    return f"/groups/{group.pk}/keys/"


@pytest.fixture
def add(keys_page, as_owner):
    """Fill in the form; what is shown in the end."""

    def send(network: str, **fields) -> str:
        response = as_owner.post(f"{keys_page}addresses/new/", {"network": network} | fields, follow=True)
        return " ".join(response.content.decode().split())

    return send


def listed() -> list[str]:
    return sorted(AddressRule.objects.values_list("network", flat=True))


@pytest.mark.parametrize(
    ("typed", "network"),
    [
        ("203.0.113.7", "203.0.113.7/32"),
        (" 203.0.113.0/24 ", "203.0.113.0/24"),
        ("2001:DB8::7", "2001:db8::7/128"),
        ("2001:db8::/48", "2001:db8::/48"),
        ("::ffff:203.0.113.7", "203.0.113.7/32"),
        ("::ffff:203.0.113.0/120", "203.0.113.0/24"),
    ],
)
def test_address_or_network_is_added(add, typed, network):
    add(typed, note="Leeds")

    assert list(AddressRule.objects.values_list("network", "note")) == [(network, "Leeds")]
    assert Event.objects.get().action == "address_rule.add"


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "example.com",
        "203.0.113",
        "203.0.113.0/33",
        "203.0.113.0/",
        "203.0.113.0/0.0.0.255",
        "fe80::1%eth0",
        "1.2.3.4, 5.6.7.8",
        "<b>",
        "9" * 5000,
    ],
)
def test_what_is_no_network_is_refused_beside_its_field(add, typed):
    assert 'id="id_network_error"' in add(typed)
    assert not listed()


@pytest.mark.parametrize("note", ["a\u202eb", "x" * 201])
def test_note_that_cannot_be_is_refused_beside_its_field(add, note):
    assert 'id="id_note_error"' in add("203.0.113.7", note=note)
    assert not listed()


def test_host_bits_are_cleared_and_it_is_said(add):
    assert "You typed 203.0.113.9/24, which is an address inside it." in add("203.0.113.9/24")
    assert listed() == ["203.0.113.0/24"]


def test_network_that_is_listed_is_refused_beside_its_field(add, group):
    factories.AddressRuleFactory(group=group, network="203.0.113.0/24")

    assert "203.0.113.0/24 is on the list already." in add("203.0.113.0/24")
    assert Event.objects.get().reason == "listed_already"


def test_network_inside_another_is_added_and_it_is_said(add, group):
    factories.AddressRuleFactory(group=group, network="203.0.113.0/24")

    said = add("203.0.113.7")

    assert "It was already inside 203.0.113.0/24." in said
    assert "already inside 203.0.113.0/24 </span>" in said


def test_network_around_others_is_added_and_it_is_said(add, group):
    factories.AddressRuleFactory(group=group, network="203.0.113.7/32")

    assert "It takes in 203.0.113.7." in add("203.0.113.0/24")


def test_full_list_is_refused(add, group):
    AddressRule.objects.bulk_create(AddressRule(group=group, network=f"10.0.{n}.0/24") for n in range(100))

    assert "The list holds 100 networks, as many as it may." in add("203.0.113.7")


# --- Wide networks ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("wide", ["0.0.0.0/0", "::/0", "203.0.0.0/15", "2001:db8::/31"])
def test_wide_network_is_asked_about(add, wide):
    assert f"Let {network_of(wide)} call?" in add(wide)
    assert not listed()


@pytest.mark.parametrize("everything", ["0.0.0.0/0", "::/0", "203.0.113.9/0"])
def test_everybody_is_named(add, everything):
    assert "Everybody on the internet may try keys then." in add(everything)


def test_wide_network_is_added_when_it_is_meant(add):
    add("0.0.0.0/0", sure="0.0.0.0/0")

    assert listed() == ["0.0.0.0/0"]


def test_being_sure_of_one_network_is_not_being_sure_of_another(add):
    add("0.0.0.0/0", sure="10.0.0.0/8")

    assert not listed()


@pytest.mark.parametrize("usual", ["203.0.0.0/16", "2001:db8::/32"])
def test_usual_network_is_not_asked_about(add, usual):
    add(usual)

    assert listed() == [usual]


# --- The own address -------------------------------------------------------------------------------------------------


def test_own_address_is_told_and_filled_in_by_a_link(keys_page, as_owner):
    content = as_owner.get(f"{keys_page}addresses/new/").content.decode()
    assert '<a href="?network=127.0.0.1">' in content

    assert (
        'value="127.0.0.1"' in as_owner.get(f"{keys_page}addresses/new/?network=127.0.0.1").content.decode()
    )


# --- Removing --------------------------------------------------------------------------------------------------------


@pytest.fixture
def rule(group):
    return factories.AddressRuleFactory(group=group, network="203.0.113.0/24", note="Leeds")


def test_removing_the_last_network_tells_that_nobody_can_call(rule, keys_page, as_owner):
    response = as_owner.get(f"{keys_page}addresses/{rule.pk}/remove/").content.decode()

    assert "It is the last one. Without it nobody can call" in response
    assert listed() == ["203.0.113.0/24"]


def test_removing_one_of_several_does_not(rule, group, keys_page, as_owner):
    factories.AddressRuleFactory(group=group)

    assert (
        "It is the last one" not in as_owner.get(f"{keys_page}addresses/{rule.pk}/remove/").content.decode()
    )


def test_removing_one_inside_another_tells_that_nobody_loses_anything(rule, group, keys_page, as_owner):
    factories.AddressRuleFactory(group=group, network="203.0.0.0/16")

    assert "nobody loses anything" in as_owner.get(f"{keys_page}addresses/{rule.pk}/remove/").content.decode()


def test_network_is_removed(rule, keys_page, as_owner):
    response = as_owner.post(f"{keys_page}addresses/{rule.pk}/remove/", follow=True)

    assert "203.0.113.0/24 was taken off the list." in response.content.decode()
    assert not listed()
    assert Event.objects.get().action == "address_rule.remove"


@pytest.mark.parametrize("method", ["get", "post"])
def test_network_of_another_group_is_missing(method, other_group, keys_page, as_owner):
    foreign = factories.AddressRuleFactory(group=other_group)

    assert getattr(as_owner, method)(f"{keys_page}addresses/{foreign.pk}/remove/").status_code == 404
    assert listed()


# --- Trying an address -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("address", "answer"),
    [
        ("203.0.113.7", "Yes, 203.0.113.7 is let in by 203.0.113.0/24 (Leeds)."),
        ("::ffff:203.0.113.7", "Yes, 203.0.113.7 is let in by 203.0.113.0/24 (Leeds)."),
        ("203.0.114.1", "No, 203.0.114.1 is not in the 1 network of the list."),
        ("2001:db8::7", "No, 2001:db8::7 is not in the 1 network of the list."),
        ("nonsense", "This is not an address"),
        ("", "This field is required."),
    ],
)
def test_trying_an_address_tells_whether_it_is_let_in(rule, keys_page, auditor, visit_as, address, answer):
    assert answer in visit_as(auditor).get(keys_page, {"address": address}).content.decode()


def test_trying_an_address_on_an_empty_list_is_no(keys_page, as_owner):
    assert "No: the list is empty." in as_owner.get(keys_page, {"address": "203.0.113.7"}).content.decode()


# --- The list --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("network", "size"),
    [
        ("203.0.113.7", "1 address"),
        ("203.0.113.0/24", "256 addresses"),
        ("10.0.0.0/8", "16,777,216 addresses"),
        ("0.0.0.0/0", "every IPv4 address there is"),
        ("2001:db8::7", "1 address"),
        ("2001:db8::/112", "part of a network"),
        ("2001:db8::/64", "1 network (/64)"),
        ("2001:db8::/48", "65,536 networks (/64)"),
        ("::/0", "every IPv6 address there is"),
    ],
)
def test_size_is_told_in_words(network, size):
    assert size_of(network_of(network)) == size


def test_networks_are_in_order_each_with_the_one_around_it(group, keys_page, as_owner):
    for network in ("2001:db8::/48", "203.0.113.7/32", "203.0.113.0/28", "203.0.0.0/16", "198.51.100.0/24"):
        factories.AddressRuleFactory(group=group, network=network)

    rules = as_owner.get(keys_page).context["rules"]

    assert [(rule.name, rule.inside) for rule in rules] == [
        ("198.51.100.0/24", ""),
        ("203.0.0.0/16", ""),
        ("203.0.113.0/28", "203.0.0.0/16"),
        ("203.0.113.7", "203.0.113.0/28"),
        ("2001:db8::/48", ""),
    ]
