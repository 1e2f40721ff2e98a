"""Addresses and routes, and IPv6 of an interface."""

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
from netlab.plan.resources.base import InNamespace, OnInterface, Resource

DEFAULT_ROUTE = ANYWHERE = IPv4Network("0.0.0.0/0")
DEFAULT_ROUTE_6 = IPv6Network("::/0")


@frozen
class Ipv6(OnInterface):
    """IPv6 on an interface, where it is on; it is off elsewhere."""

    advertised: IPv6Network | None = None
    """The prefix of which it takes an address if a router advertises it; None: it listens to no router."""
    metric: int | None = 0
    """The metric of the default route that the router gives; the lowest wins. None: it takes none."""
    local: bool = True
    """True: it makes a link-local address (fe80::) of its MAC."""

    def __str__(self) -> str:
        prefix = f", takes {self.advertised} of its router" * bool(self.advertised)
        metric = (
            ", no default route"
            if self.metric is None
            else f", metric {self.metric}" * bool(self.metric)
        )
        local = ", makes no fe80::" * (not self.local)
        return f"ipv6 {self.namespace}/{self.interface}{prefix}{metric}{local}"

    @property
    def creation_order(self) -> int:
        """Its stage: a question to a router that does not listen yet is repeated after 4 seconds only."""
        return 12 if self.advertised else 5


@frozen
class Address(OnInterface):
    """An address on an interface. One of IPv6 is used at once: the lab knows that nobody else has it."""

    address: IPv4Interface | IPv6Interface

    creation_order = 6

    def __str__(self) -> str:
        return f"address {self.namespace}/{self.interface} {self.address}"

    def depends_on(self, base: Resource) -> bool:
        """Return whether it needs `base`; an IPv6 address needs IPv6 on its interface."""
        if isinstance(base, Ipv6):
            return self.address.version == 6 and self.uses(*base.interface_key)
        return super().depends_on(base)


@frozen
class FurtherAddress(OnInterface):
    """An IPv4 address beside another one, which the kernel removes with it if they are of one subnet."""

    address: IPv4Interface
    first: IPv4Interface
    """The interface's first address, which is the source of what the machine sends there."""

    creation_order = 7

    def __str__(self) -> str:
        return f"address {self.namespace}/{self.interface} {self.address} beside {self.first}"

    def depends_on(self, base: Resource) -> bool:
        """Return whether it needs `base`, which may be the first address."""
        if isinstance(base, Address):
            return (*base.interface_key, base.address) == (*self.interface_key, self.first)
        return super().depends_on(base)


@frozen
class Advertised(OnInterface):
    """The fact that an interface has made itself an address of what a router advertises."""

    address: IPv6Interface
    routed: bool
    """True: it has the router as default gateway too."""

    creation_order = 13
    renewed_by = Ipv6

    def __str__(self) -> str:
        gateway = " and a default route" * self.routed
        return f"advertised {self.namespace}/{self.interface} {self.address}{gateway}"

    def depends_on(self, base: Resource) -> bool:
        """Return whether it needs `base`, which may be IPv6 on its interface."""
        if isinstance(base, Ipv6):
            return self.uses(*base.interface_key)
        return super().depends_on(base)


@frozen
class Route(InNamespace):
    """A route through a gateway."""

    destination: IPv4Network | IPv6Network
    gateway: IPv4Address | IPv6Address
    metric: int = 0
    """The lowest wins."""
    mtu: int = 0
    """Bytes of an IP packet that it takes; 0: as many as its interface."""

    creation_order = 7

    def __str__(self) -> str:
        metric = f" metric {self.metric}" * bool(self.metric)
        mtu = f" mtu {self.mtu}" * bool(self.mtu)
        return f"route {self.namespace} {self.destination} via {self.gateway}{metric}{mtu}"

    def depends_on(self, base: Resource) -> bool:
        """Return whether it needs `base`, which may be the address by which its gateway is reached."""
        if isinstance(base, Address):
            return base.namespace == self.namespace and self.gateway in base.address.network
        return super().depends_on(base)
