"""Programs in namespaces: services with their sockets, and DHCP clients with their leases."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network

from netlab.frozen import frozen
from netlab.plan.resources.addresses import Ipv6
from netlab.plan.resources.base import InNamespace, OnInterface, Resource, with_text


@frozen
class OfAService(InNamespace):
    """Base of a service and its sockets, which may be bound to any interface and address."""

    def uses(self, namespace: str, interface: str) -> bool:
        """Return whether the interface is in its namespace."""
        return self.namespace == namespace

    def depends_on(self, base: Resource) -> bool:
        """Return whether it needs `base`, which may be IPv6 of its namespace."""
        if isinstance(base, Ipv6):
            return base.namespace == self.namespace
        return super().depends_on(base)


@frozen
class Service(OfAService):
    """A program that runs in a namespace.

    `{directory}` in an argument is the service's own folder below the lab's
    run directory; `{etc}` has the node's files of /etc, `{package}` is netlab's
    installation, `{python}` the program that runs it. `config` is written to `{directory}/config`.
    """

    name: str
    argv: tuple[str, ...]
    config: str = ""
    asks_names: bool = False
    """True: it looks names up as the node does, and sees the node's files in /etc."""

    creation_order = 10
    takes_a_name = True

    def __str__(self) -> str:
        command = f"service {self.namespace} {self.name}: {' '.join(self.argv)}"
        return with_text(command, self.config)


@frozen
class Listening(OfAService):
    """The fact that a service has its socket open."""

    service: str
    protocol: str
    """tcp or udp; tcp6, udp6; raw6: it takes packets of IPv6 itself."""
    port: int
    """With raw6, the protocol's number."""

    creation_order = 11

    def __str__(self) -> str:
        return f"listening {self.namespace} {self.service} {self.protocol}/{self.port}"

    def depends_on(self, base: Resource) -> bool:
        """Return whether it needs `base`, which may be its service."""
        if isinstance(base, Service):
            return (base.namespace, base.name) == (self.namespace, self.service)
        return super().depends_on(base)


@frozen
class DhcpClient(OnInterface):
    """A DHCP client that keeps the lease of an interface and writes /etc/resolv.conf."""

    host_name: str
    network: IPv4Network
    """The network of its lease: on another, it has to ask anew. ANYWHERE: it does not notice."""
    metric: int | None = 0
    """The metric of its default route; None: it sets none, whatever the lease tells."""
    name_servers: tuple[IPv4Address, ...] = ()
    """Name servers of the node's static adapters: they come before the lease's."""
    client_id: str = ""
    """The identifier by which it asks, as `ff:12:…`; empty: by its MAC address."""
    terms: tuple[str, ...] = ()
    """Everything that its server is to give it; if that changes, it has to ask anew. Empty: nobody knows."""

    creation_order = 12
    alterable = ("terms",)
    takes_a_name = True

    def __str__(self) -> str:
        client_id = f", as {self.client_id}" * bool(self.client_id)
        return f"dhcp client {self.namespace}/{self.interface} for {self.host_name}{client_id}"

    def can_change_in_place_to(self, new: Resource) -> bool:
        """One that nobody is to give anything keeps what it has, until its lease ends."""
        return isinstance(new, DhcpClient) and not new.terms


@frozen
class Lease(OnInterface):
    """The fact that the interface has an address from DHCP."""

    creation_order = 13
    renewed_by = DhcpClient

    def __str__(self) -> str:
        return f"lease {self.namespace}/{self.interface}"

    def depends_on(self, base: Resource) -> bool:
        """Return whether it needs `base`, which may be the DHCP client of its interface."""
        if isinstance(base, DhcpClient):
            return self.uses(*base.interface_key)
        return super().depends_on(base)
