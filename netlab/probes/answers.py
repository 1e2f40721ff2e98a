"""Contents of replies, by the kind of probe that asked: what an expectation can be compared with."""

from __future__ import annotations

from netlab.frozen import frozen


@frozen
class DnsAnswer:
    """The reply of the name server that was asked."""

    server: str
    """Node, or the address if no node has it."""
    addresses: tuple[str, ...]
    """Of the name; none if there is no such name."""


@frozen
class HttpAnswer:
    """The page of a web server."""

    status: int
    """Of the status line (RFC 9110, 15); 0 if there is none."""
    text: str
    """The body, as far as it is kept."""


@frozen
class DhcpOffer:
    """The offer of a DHCP server. Addresses are texts; an option that it lacks is empty."""

    server: str
    """Node, or the address if no node has it."""
    address: str
    mask: tuple[str, ...] = ()
    router: tuple[str, ...] = ()
    dns: tuple[str, ...] = ()
    identifier: tuple[str, ...] = ()
    """Address by which the server calls itself."""
    domain: str = ""
    lease: int = 0
    """Seconds; 0 if the offer names none."""


@frozen
class DhcpOffers:
    """The offers that reached the machine that asked, in the order in which they came."""

    offers: tuple[DhcpOffer, ...]


@frozen
class PathMtu:
    """The longest packet that was answered, in bytes of IP."""

    largest: int


@frozen
class MacOwners:
    """Machines that answered a question for a MAC address: nodes, or MAC addresses that no node has."""

    nodes: tuple[str, ...]


Answer = DnsAnswer | HttpAnswer | DhcpOffers | PathMtu | MacOwners
