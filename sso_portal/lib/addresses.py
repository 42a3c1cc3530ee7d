"""The true client address: one function feeds address lists, limits and the audit log."""

from collections.abc import Mapping, Sequence
from functools import cached_property, lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
MAPPED = IPv6Network("::ffff:0:0/96")  # IPv4 addresses, written as IPv6


class Networks(tuple[Network, ...]):
    """Networks that are read once and looked at with each request: what they hash to is not found anew."""

    @cached_property
    def hashed(self) -> int:
        return super().__hash__()

    def __hash__(self) -> int:
        return self.hashed


@lru_cache(maxsize=1000)  # asked several times of each request; a stranger may send long ones
def parse_address(text: str) -> Address | None:
    """An address, with `::ffff:` unwrapped; None when unreadable."""
    try:
        address = ip_address(text.strip())
    except ValueError:
        return None
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        return address.ipv4_mapped
    return None if getattr(address, "scope_id", None) else address


def parse_networks(texts: Sequence[str]) -> Networks:
    """Networks in CIDR notation. Raises ValueError on the first that is none."""
    return Networks(ip_network(text.strip()) for text in texts if text.strip())


def network_of(text: str) -> Network | None:
    """The network that a person means: an address alone is one, host bits are cleared, `::ffff:` is unwrapped.

    None when unreadable, and for masks and zones, which are easily meant otherwise.
    """
    _, slash, length = text.strip().partition("/")
    if "%" in text or (slash and not length.isdigit()):
        return None
    try:
        network = ip_network(text.strip(), strict=False)
    except ValueError:
        return None
    if isinstance(network, IPv6Network) and network.subnet_of(MAPPED):
        address = network.network_address.ipv4_mapped
        return IPv4Network(f"{address}/{network.prefixlen - MAPPED.prefixlen}")
    return network


def is_within(address: Address | None, networks: Sequence[Network]) -> bool:
    """Whether the address lies in one of the networks; compared as addresses, never as text."""
    return address is not None and any(address in network for network in networks)


def counted_as(address: Address | None) -> str:
    """What limits count an address as: of IPv6 its network of 64 bits, all of which one machine may have."""
    if isinstance(address, IPv6Address):
        return str(IPv6Network((address, 64), strict=False))
    return text_of(address)


@lru_cache(maxsize=1000)  # as above
def text_of(address: Address | None) -> str:
    """The address as it is written; "" for none."""
    return str(address) if address else ""


def client_address(meta: Mapping[str, Any], trusted: tuple[Network, ...]) -> Address | None:
    """The address that a request came from, or None when it cannot be known.

    A peer outside the trusted proxies *is* the client, whatever headers it sends. Behind a trusted proxy the chain in
    X-Forwarded-For is walked from the right, over trusted hops, to the first that is not; an unreadable or blank hop
    ends the search without an answer, because everything to its left could be forged, and because servers empty a
    header that they cannot read. Only without the header the proxy calls for itself.
    """
    chain = meta.get("HTTP_X_FORWARDED_FOR")
    return _address_behind(str(meta.get("REMOTE_ADDR", "")), chain and str(chain), trusted)


@lru_cache(maxsize=1000)  # as above
def _address_behind(peer: str, chain: str | None, trusted: Sequence[Network]) -> Address | None:
    address = parse_address(peer)
    if chain is None or not is_within(address, trusted):
        return address
    for hop in reversed(chain.split(",")):
        address = parse_address(hop)
        if not is_within(address, trusted):
            return address
    return address
