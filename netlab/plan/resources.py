"""What can exist in a lab: one frozen dataclass per kind of thing.

A plan is an ordered list of these. The kernel room creates and reads them;
because what is planned and what is observed have the same types, drift is a
set difference. Everything but a Namespace lives in a namespace and dies with it.
"""

from __future__ import annotations

from ipaddress import (
    IPv4Address,
    IPv4Interface,
    IPv4Network,
    IPv6Address,
    IPv6Interface,
    IPv6Network,
)

from netlab.frozen import frozen


@frozen
class Namespace:
    """A network namespace as `ip netns` shows it, with `lo` up."""

    namespace: str
    oddities: tuple[str, ...] = ()
    """What was found in it that no plan has a noun for, in words; a plan wants none."""


@frozen
class Sysctl:
    """A kernel setting below /proc/sys/net of a namespace."""

    namespace: str
    key: str
    value: str
    optional: bool = False
    """Skip it where the kernel does not have the key."""


@frozen
class EtcFile:
    """A file that programs in the namespace see in /etc (kept in /etc/netns/NAMESPACE)."""

    namespace: str
    name: str
    text: str


@frozen
class Bridge:
    """A switch. Its MAC is set once: a bridge's own floats with its ports otherwise."""

    namespace: str
    name: str
    mac: str
    hub: bool = False
    """It learns no addresses, and every frame goes to every port."""
    oddities: tuple[str, ...] = ()
    """What was found of it that no plan wants: it is off, or speaks spanning tree; in words."""


@frozen
class CableEnd:
    """One end of a cable: an interface, plugged into a bridge or not."""

    namespace: str
    interface: str
    mac: str | None = None
    """None: the kernel's choice (switch ports)."""
    bridge: str | None = None
    up: bool = True
    """False: switched off. A switch's end: the cable is pulled; a machine's: its adapter is disabled."""


@frozen
class Cable:
    """A veth pair."""

    one: CableEnd
    other: CableEnd
    mtu: int = 1500
    """Bytes."""

    @property
    def is_up(self) -> bool:
        """It carries frames."""
        return self.one.up and self.other.up


@frozen
class Queue:
    """What leaves an interface is slowed down or delayed; beyond its room, it is dropped."""

    namespace: str
    interface: str
    rate: int | None = None
    """Bits per second, of whole frames."""
    latency: int = 0
    """Microseconds."""
    jitter: int = 0
    """Microseconds, up and down."""


@frozen
class Address:
    """An address on an interface. One of IPv6 is used at once: the lab knows that nobody else has it."""

    namespace: str
    interface: str
    address: IPv4Interface | IPv6Interface


@frozen
class Ipv6:
    """IPv6 is on at an interface, which is off elsewhere."""

    namespace: str
    interface: str
    advertised: IPv6Network | None = None
    """The prefix of which it takes an address if a router advertises it; None: it listens to no router."""
    metric: int = 0
    """Of the default route that the router gives; the lowest wins."""
    local: bool = True
    """It makes a link-local address (fe80::) of its MAC."""


@frozen
class Advertised:
    """The fact that an interface has made itself an address of what a router advertises."""

    namespace: str
    interface: str
    address: IPv6Interface
    routed: bool
    """It has the router as default gateway too."""


@frozen
class Route:
    """A route through a gateway."""

    namespace: str
    destination: IPv4Network | IPv6Network
    gateway: IPv4Address | IPv6Address
    metric: int = 0
    """The lowest wins."""


DEFAULT_ROUTE = ANYWHERE = IPv4Network("0.0.0.0/0")
DEFAULT_ROUTE_6 = IPv6Network("::/0")


@frozen
class Ruleset:
    """An nftables table, as text that `nft -f` takes."""

    namespace: str
    text: str


@frozen
class Service:
    """A program that runs in a namespace.

    `{directory}` in an argument is the service's own folder below the lab's
    run directory; `{package}` is netlab's installation, `{python}` the program
    that runs it. `config` is written to `{directory}/config`.
    """

    namespace: str
    name: str
    argv: tuple[str, ...]
    config: str = ""
    asks_names: bool = False
    """It looks names up as the node does: it sees the node's files in /etc."""


@frozen
class Listening:
    """The fact that a service has its socket open."""

    namespace: str
    service: str
    protocol: str
    """tcp or udp; tcp6, udp6; raw6: it takes packets of IPv6 itself."""
    port: int
    """With raw6, the protocol's number."""


@frozen
class DhcpClient:
    """A DHCP client that keeps the lease of an interface and writes /etc/resolv.conf."""

    namespace: str
    interface: str
    host_name: str
    network: IPv4Network
    """Where it gets its lease: on another, it has to ask anew. ANYWHERE: it does not notice."""
    name_servers: tuple[IPv4Address, ...] = ()
    """Those of the node's static adapters: they come before the lease's."""
    terms: tuple[str, ...] = ()
    """What its server is to give it; if that changes, it has to ask anew. Empty: nobody knows."""


@frozen
class Lease:
    """The fact that the interface has an address from DHCP."""

    namespace: str
    interface: str


Resource = (
    Namespace
    | Sysctl
    | EtcFile
    | Bridge
    | Cable
    | Queue
    | Ipv6
    | Address
    | Route
    | Ruleset
    | Service
    | Listening
    | DhcpClient
    | Lease
    | Advertised
)
"""Everything that a plan can hold."""

Observed = Resource | CableEnd
"""What can be found in a lab: also an interface that nobody planned."""


def creation_order(resource: Resource) -> int:
    """When a noun is created: each kind after what it stands on."""
    match resource:
        case Namespace():
            return 0
        case Sysctl(key=key):
            if key.startswith("net.netfilter."):
                return 9  # Connection tracking is loaded by the first rule that needs it.
            return 5 if _of_one_interface(key) else 1
        case EtcFile():
            return 2
        case Bridge():
            return 3
        case Cable():
            return 4
        case Queue():
            return 5
        case Ipv6(advertised=advertised):
            # A question to a router that does not listen yet is repeated after 4 seconds only.
            return 12 if advertised else 5
        case Address():
            return 6
        case Route():
            return 7
        case Ruleset():
            return 8
        case Service():
            return 10
        case Listening():
            return 11
        case DhcpClient():
            return 12
        case Lease() | Advertised():
            return 13


def _of_one_interface(key: str) -> bool:
    """Such a setting needs its interface; the others must be there before, to be inherited."""
    return ".conf." in key and ".conf.all." not in key and ".conf.default." not in key
