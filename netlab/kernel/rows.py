"""Rows of the kernel's tables, as plain frozen values. Pure: anybody may import it.

Neighbour    the MAC address of an IP address, as ARP and neighbour discovery have learnt it
FdbEntry     the port of a switch behind which a MAC address is
RouteRow     a route to a subnet
Connection   an entry of connection tracking, translations included
Socket       a program that waits for packets on a port
"""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import (
    IPv4Address,
    IPv4Interface,
    IPv4Network,
    IPv6Address,
    IPv6Interface,
    IPv6Network,
)

from netlab.frozen import frozen

Names = Mapping[int, str]
"""Names of interfaces, by number."""

IPAddress = IPv4Address | IPv6Address
IPInterface = IPv4Interface | IPv6Interface
IPNetwork = IPv4Network | IPv6Network

_TABLES = {253: "default", 254: "main", 255: "local"}


@frozen
class Neighbour:
    """An IP address that is known on an interface, and its MAC address."""

    interface: str
    address: IPAddress
    mac: str
    """Empty as long as nobody has answered."""
    state: str
    """reachable, stale, delay, probe, incomplete, failed, noarp or permanent (see ip-neighbour(8))."""


@frozen
class FdbEntry:
    """A MAC address that a switch knows."""

    bridge: str
    mac: str
    port: str
    learnt: bool
    """False for the addresses of the switch and its ports, and for those entered by hand."""
    vlan: int = 0
    """0: the switch tells no VLANs apart."""
    sticky: bool = False
    """It stays at its port, whatever port its frames come in by."""


@frozen
class Granted:
    """A lease, as a DHCP server has granted it."""

    address: str
    mac: str
    name: str
    """`*` if the client has sent none."""
    expires: int
    """Seconds since 1970; 0: never."""


@frozen
class NextHop:
    """A next hop of a route."""

    gateway: IPAddress | None
    """None: the destination is on the cable."""
    interface: str
    dead: bool = False
    """Its interface is off: the kernel takes another one."""

    def __str__(self) -> str:
        """Format the hop as `ip route` does."""
        via = ["via", str(self.gateway)] if self.gateway else []
        device = ["dev", self.interface] if self.interface else []
        return " ".join([*via, *device, *(["dead"] if self.dead else [])])


@frozen
class RouteRow:
    """A route."""

    destination: IPNetwork
    hops: tuple[NextHop, ...]
    """Several for a multipath route, none for one that goes nowhere."""
    kind: str = "unicast"
    """unicast, blackhole, unreachable, prohibit, …"""
    source: IPAddress | None = None
    """The address that the machine itself takes for packets by this route, if the route names one."""
    metric: int = 0
    """The lowest wins."""
    protocol: str = ""
    """The route's maker: kernel, boot, static, dhcp, …; a number if it has no name."""
    scope: str = "global"
    dead: bool = False
    """Its interface has lost its carrier."""
    table: str = ""
    """The table's name or number; empty: the main one."""
    tos: int = 0
    """The only TOS of packets by this route; 0: any."""

    def __str__(self) -> str:
        """Format the route as `ip route` does."""
        whole = "default" if not self.destination.prefixlen else str(self.destination)
        words = [whole.removesuffix(f"/{self.destination.max_prefixlen}")]
        if self.kind != "unicast":
            words.insert(0, self.kind)
        words += ["tos", f"{self.tos:#04x}"] if self.tos else []
        words += [str(self.hops[0])] if len(self.hops) == 1 else []
        words += ["table", self.table] if self.table else []
        if self.protocol not in ("", "boot"):
            words += ["proto", self.protocol]
        if self.scope != "global":
            words += ["scope", self.scope]
        words += ["src", str(self.source)] if self.source else []
        words += ["metric", str(self.metric)] if self.metric else []
        if len(self.hops) > 1:
            words += [f"nexthop {hop}" for hop in self.hops]
        return " ".join([*words, "linkdown"] if self.dead else words)


@frozen
class Flow:
    """A direction of a connection."""

    source: IPAddress
    target: IPAddress
    source_port: int | None = None
    """None for protocols without ports."""
    target_port: int | None = None
    identifier: int | None = None
    """The identifier of an ICMP echo."""

    @property
    def reversed(self) -> Flow:
        """The flow as it is seen from the other end."""
        return Flow(self.target, self.source, self.target_port, self.source_port, self.identifier)

    def __str__(self) -> str:
        return (
            f"{at_port(self.source, self.source_port)} → {at_port(self.target, self.target_port)}"
            + (f" id {self.identifier:#06x}" if self.identifier is not None else "")
        )


@frozen
class Connection:
    """An entry of connection tracking."""

    id: int
    protocol: str
    """icmp, tcp, udp, …; a number if it has no name."""
    original: Flow
    """The first packet, as it came."""
    reply: Flow
    """The replies, as they come: from the other end's point of view."""
    state: str
    """TCP's own (ESTABLISHED, …); otherwise unreplied, replied or assured."""
    timeout: int | None
    """Seconds until it is forgotten; None if the kernel's message did not say."""

    @property
    def seen_as(self) -> Flow:
        """The first packet as it goes on, after NAT."""
        return self.reply.reversed

    @property
    def translated(self) -> bool:
        """True if NAT changes anything."""
        return self.seen_as != self.original


@frozen
class Socket:
    """A socket that waits: TCP in the state LISTEN, UDP without a peer."""

    protocol: str
    """tcp or udp."""
    address: IPAddress
    port: int
    pid: int | None
    """None if its process is in none of the namespaces that were asked about."""
    program: str
    unread: int = 0
    """Bytes that have been delivered and that the program has not taken yet."""
    interface: str = ""
    """The only interface whose packets it takes; empty: any, or nobody has asked (`read_bound`)."""
    only_ipv6: bool = False
    """It takes no IPv4, though its address is IPv6's unspecified one."""
    uid: int | None = None
    """The user whose it is; None if that was not read."""
    full: bool = False
    """Its queue has no room for more: of connections that the program is to accept, or of datagrams."""

    @property
    def loopback(self) -> bool:
        """True if only its own machine can reach it."""
        return self.address.is_loopback

    def takes(self, address: IPAddress, interface: str) -> bool:
        """Return whether it takes a packet that came in by an interface for an address of its machine."""
        if self.interface not in ("", interface):
            return False
        if self.address.is_unspecified:
            takes_ipv4 = not self.only_ipv6
            return address.version == self.address.version or (address.version == 4 and takes_ipv4)
        mapped = self.address.ipv4_mapped if isinstance(self.address, IPv6Address) else None
        return address in (self.address, mapped)


AddressRow = tuple[str, IPInterface]
"""An interface, and an address that it has."""


def table_name(number: int) -> str:
    """Return what `ip route` calls a routing table."""
    return _TABLES.get(number, str(number))


def at_port(address: object, port: object | None) -> str:
    """Format an address and a port: `10.0.0.1:80`, `[fd00::1]:80` (RFC 5952, 6), or the address alone."""
    text = str(address)
    if port is None:
        return text
    return f"[{text}]:{port}" if ":" in text else f"{text}:{port}"
