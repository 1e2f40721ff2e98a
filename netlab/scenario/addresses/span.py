"""Addresses that are meant by one word: an address, one with its mask, a range, or a subnet."""

from __future__ import annotations

from ipaddress import (
    IPv4Address,
    IPv4Interface,
    IPv6Address,
    IPv6Interface,
    ip_address,
    ip_interface,
)

from netlab.frozen import frozen


@frozen
class AddressSpan:
    """The addresses from the first to the last of a range."""

    first: IPv4Address | IPv6Address
    last: IPv4Address | IPv6Address
    length: int | None = None
    """The prefix length that an address must have; None: any."""

    def __contains__(self, interface: IPv4Interface | IPv6Interface) -> bool:
        """Return whether an address, as an interface has it, is one of them."""
        if interface.version != self.first.version:
            return False
        has_length = self.length in (None, interface.network.prefixlen)
        return has_length and int(self.first) <= int(interface.ip) <= int(self.last)


def span(word: str) -> AddressSpan:
    """Parse `10.0.0.5`, `10.0.0.5/24`, `10.0.0.128-10.0.0.253` or `10.0.0.0/24`. Raises ValueError."""
    first, is_range, last = word.partition("-")
    if is_range:
        lowest, highest = ip_address(first.strip()), ip_address(last.strip())
        if lowest.version != highest.version or int(lowest) > int(highest):
            raise ValueError("the range is empty")
        return AddressSpan(lowest, highest)
    if "/" not in word:
        return AddressSpan(ip_address(word), ip_address(word))
    interface = ip_interface(word)
    network = interface.network
    if interface.ip == network.network_address and network.num_addresses > 1:
        return AddressSpan(network.network_address, network.broadcast_address)
    return AddressSpan(interface.ip, interface.ip, network.prefixlen)
