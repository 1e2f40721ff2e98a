"""Ports of a machine that lead to another one, as a scenario, a command and VirtualBox write them."""

from __future__ import annotations

import re
from ipaddress import IPv4Address

from netlab.frozen import frozen

_TEXT = re.compile(
    r"(?:(?P<address>[0-9]+(?:\.[0-9]+){3}):)?(?P<first>[0-9]{1,5})(?:-(?P<last>[0-9]{1,5}))?"
)
_EXAMPLES = "must be a port like 8080, ports like 8000-8010, or 127.0.0.1:2222"
LAST_PORT = 65535


@frozen
class ForwardedPorts:
    """Ports that lead elsewhere: `8080`, `8000-8010`, `127.0.0.1:2222`."""

    first: int
    last: int
    address: IPv4Address | None = None
    """The machine's address at which they do; None: each."""

    def __str__(self) -> str:
        place = f"{self.address}:" if self.address else ""
        return place + self.numbers

    @property
    def numbers(self) -> str:
        """The ports alone, as nftables writes them."""
        return str(self.first) if self.first == self.last else f"{self.first}-{self.last}"

    @property
    def count(self) -> int:
        """How many ports they are."""
        return self.last - self.first + 1

    @property
    def own_only(self) -> bool:
        """True if only the machine's own programs reach them."""
        return self.address is not None and self.address.is_loopback

    def overlaps(self, other: ForwardedPorts) -> bool:
        """Return whether a port of both is at one address, so that one of them cannot have it."""
        meets = None in (self.address, other.address) or self.address == other.address
        return meets and self.first <= other.last and other.first <= self.last

    def has(self, port: int, address: IPv4Address | None = None) -> bool:
        """Return whether a port is one of them, at an address or at all (None)."""
        return self.overlaps(ForwardedPorts(port, port, address))


def forwarded_ports(text: str) -> ForwardedPorts:
    """Read ports, and the address where they lead elsewhere. Raises ValueError."""
    match = _TEXT.fullmatch(text)
    if match is None:
        raise ValueError(_EXAMPLES)
    first, last = int(match["first"]), int(match["last"] or match["first"])
    if not 1 <= first <= last <= LAST_PORT:
        raise ValueError(f"must be ports from 1 to {LAST_PORT:,}, the first one first")
    try:
        address = IPv4Address(match["address"] or 0)
    except ValueError as error:
        raise ValueError(_EXAMPLES) from error
    return ForwardedPorts(first, last, None if address.is_unspecified else address)
