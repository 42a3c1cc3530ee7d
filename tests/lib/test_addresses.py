"""The true client address: whom to believe, and whom never."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sso_portal.lib.addresses import client_address, is_within, network_of, parse_address, parse_networks

PROXIES = parse_networks(["10.0.0.0/8", "fd00::/8"])
addresses = st.ip_addresses().map(str)
outsiders = addresses.filter(lambda text: not is_within(parse_address(text), PROXIES))
anything = st.text() | st.lists(addresses).map(", ".join)


def seen(peer: str, *hops: str) -> str | None:
    chain = {"HTTP_X_FORWARDED_FOR": ", ".join(hops)} if hops else {}
    address = client_address({"REMOTE_ADDR": peer} | chain, PROXIES)
    return str(address) if address else None


@given(peer=outsiders, forged=anything)
def test_header_of_an_untrusted_peer_is_never_believed(peer, forged):
    meta = {"REMOTE_ADDR": peer, "HTTP_X_FORWARDED_FOR": forged}

    assert client_address(meta, PROXIES) == parse_address(peer)


@given(peer=addresses, forged=anything)
def test_header_is_never_believed_when_no_proxy_is_trusted(peer, forged):
    meta = {"REMOTE_ADDR": peer, "HTTP_X_FORWARDED_FOR": forged}

    assert client_address(meta, ()) == parse_address(peer)


@given(forged=st.lists(st.text() | addresses), client=outsiders)
def test_what_a_client_wrote_left_of_its_own_address_changes_nothing(forged, client):
    assert seen("10.0.0.1", *forged, client) == str(parse_address(client))


@given(meta=st.fixed_dictionaries({"REMOTE_ADDR": anything, "HTTP_X_FORWARDED_FOR": anything}))
def test_no_header_breaks_the_search(meta):
    client_address(meta, PROXIES)


@pytest.mark.parametrize(
    ("hops", "client"),
    [
        (["203.0.113.9"], "203.0.113.9"),
        (["198.51.100.1", "203.0.113.9"], "203.0.113.9"),
        (["203.0.113.9", "10.0.0.7"], "203.0.113.9"),
        (["203.0.113.9", "10.0.0.7", "10.0.0.8"], "203.0.113.9"),
        (["", " ", "203.0.113.9"], "203.0.113.9"),
        (["  203.0.113.9  "], "203.0.113.9"),
        (["2001:db8::9"], "2001:db8::9"),
        (["::ffff:203.0.113.9"], "203.0.113.9"),
        (["203.0.113.9", "::ffff:10.0.0.7"], "203.0.113.9"),
        (["10.0.0.7"], "10.0.0.7"),
        ([], "10.0.0.1"),
    ],
)
def test_chain_behind_a_trusted_proxy_is_walked_from_the_right(hops, client):
    assert seen("10.0.0.1", *hops) == client


@pytest.mark.parametrize(
    "hop",
    ["unknown", "203.0.113", "203.0.113.9:4711", "[2001:db8::9]", "fe80::1%eth0", "203.0.113.09", "_hidden"],
)
def test_unreadable_hop_behind_a_trusted_proxy_leaves_no_address(hop):
    assert seen("10.0.0.1", "203.0.113.9", hop) is None


@pytest.mark.parametrize("chain", ["", " ", ",,,", "203.0.113.9,", "203.0.113.9, ,10.0.0.7", "\xff, ,"])
def test_blank_chain_or_hop_never_makes_the_caller_the_proxy(chain):
    """Servers hand over a header that they cannot read as an empty one."""
    meta = {"REMOTE_ADDR": "10.0.0.1", "HTTP_X_FORWARDED_FOR": chain}

    assert client_address(meta, PROXIES) is None


@pytest.mark.parametrize("peer", ["", "nonsense", "fe80::1%eth0"])
def test_unreadable_peer_is_no_address(peer):
    assert seen(peer, "203.0.113.9") is None


def test_peer_in_mapped_notation_is_trusted_as_what_it_is():
    assert seen("::ffff:10.0.0.1", "203.0.113.9") == "203.0.113.9"


def test_address_in_mapped_notation_is_unwrapped():
    assert str(parse_address("::ffff:203.0.113.9")) == "203.0.113.9"


@given(st.ip_addresses(v=4))
def test_both_notations_of_an_address_are_one_address(address):
    assert parse_address(f"::ffff:{address}") == parse_address(str(address))


def test_addresses_are_compared_as_addresses():
    assert is_within(parse_address("2001:0DB8:0:0::1"), parse_networks(["2001:db8::/32"]))


def test_no_address_is_within_nothing():
    assert not is_within(None, parse_networks(["0.0.0.0/0", "::/0"]))


@pytest.mark.parametrize("text", ["10.0.0.1/8", "proxy.example", "10.0.0.0/33"])
def test_network_that_is_none_is_an_error(text):
    with pytest.raises(ValueError, match=r"network|host bits|appear"):
        parse_networks([text])


def test_blank_networks_are_skipped():
    assert parse_networks(["", " 10.0.0.0/8 "]) == parse_networks(["10.0.0.0/8"])


@pytest.mark.parametrize(
    ("text", "network"),
    [
        ("203.0.113.7", "203.0.113.7/32"),
        (" 203.0.113.9/24 ", "203.0.113.0/24"),
        ("2001:DB8::1/32", "2001:db8::/32"),
        ("::ffff:203.0.113.9", "203.0.113.9/32"),
        ("::ffff:203.0.113.9/120", "203.0.113.0/24"),
        ("::ffff:0:0/96", "0.0.0.0/0"),
        ("::/0", "::/0"),
    ],
)
def test_network_is_what_a_person_means(text, network):
    assert str(network_of(text)) == network


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "203.0.113",
        "203.0.113.0/33",
        "203.0.113.0/255.255.255.0",
        "203.0.113.0/ 24",
        "fe80::1%eth0",
        "١.2.3.4",
    ],
)
def test_network_that_is_unreadable_is_none(text):
    assert network_of(text) is None
