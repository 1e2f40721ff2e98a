"""A lab as it is now, as far as facts speak of it: read when a fact first needs it, and once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import cached_property
from ipaddress import ip_address

from netlab.frozen import frozen
from netlab.kernel.namespaces import netns
from netlab.kernel.rows import AddressRow, IPAddress, Socket
from netlab.kernel.signals import Interruption
from netlab.kernel.state import sockets, spaces
from netlab.kernel.state.owners import Owners, owners
from netlab.kernel.state.spaces import Space
from netlab.scenario.expectation import Endpoint
from netlab.scenario.facts import endpoints
from netlab.scenario.topology import Adapter, Topology


@frozen
class ClientLease:
    """The lease of an adapter's DHCP client, as the client has written it down."""

    values: Mapping[str, str]
    """address (with its mask), server, router, dns, domain, seconds, obtained; empty: there is none."""
    is_readable: bool = True
    runs: bool = True
    """The client's process has not ended."""
    asked_in_vain: bool = False


@frozen
class FactSources:
    """Everything that a fact may need."""

    topology: Topology
    namespaces: Mapping[str, str]
    """Node to namespace, of the machines that are there."""
    lease: Callable[[Adapter], ClientLease]
    """Reads the lease of an adapter."""
    interruption: Interruption

    @cached_property
    def spaces(self) -> Mapping[str, Space]:
        """Every machine's tables, by its node."""
        tables = spaces.look(self.namespaces.values())
        return {node: tables[namespace] for node, namespace in self.namespaces.items()}

    @cached_property
    def owners(self) -> Owners:
        """The owners of every MAC and IP address."""
        return owners(
            (node, space.interfaces, space.addresses) for node, space in self.spaces.items()
        )

    def owner(self, address: object) -> str:
        """Format an address with the node that has it: `10.0.0.2 (vmnet8-nat)`."""
        name = self.owners.name(address)
        return f"{address} ({name})" if name else str(address)

    @cached_property
    def endpoints(self) -> Mapping[str, Endpoint]:
        """Machines and adapters by their names."""
        return endpoints(self.topology)

    def addresses(self, endpoint: Endpoint) -> tuple[AddressRow, ...]:
        """Return the addresses of a machine or adapter, with their interfaces; no link-local IPv6 ones."""
        if endpoint.node.name not in self.spaces:
            return ()
        adapter = endpoint.adapter
        return tuple(
            (interface, address)
            for interface, address in self.spaces[endpoint.node.name].addresses
            if not (address.version == 6 and address.is_link_local)
            if adapter is None or (interface == adapter.holder and not adapter.bare)
        )

    def ips(self, word: str) -> frozenset[IPAddress]:
        """Return the addresses that a word of a fact stands for: itself, or those of an endpoint.

        A service that is switched off has none.
        """
        if endpoint := self.endpoints.get(word):
            return frozenset(address.ip for _, address in self.addresses(endpoint))
        with suppress(ValueError):
            return frozenset({ip_address(word)})
        return frozenset()

    def macs(self, endpoint: Endpoint) -> frozenset[str]:
        """Return the MAC addresses of the adapters of a machine, or of one of them."""
        space = self.spaces.get(endpoint.node.name)
        holders = {adapter.holder for adapter in adapters(endpoint)}
        interfaces = space.interfaces if space else ()
        return frozenset(interface.mac for interface in interfaces if interface.name in holders)

    def sockets(self, node: str) -> tuple[Socket, ...]:
        """Read a machine's listening sockets. Raises KernelError if it has just gone."""
        return sockets.read_bound(self.namespaces[node], self.spaces[node].names)

    def etc(self, node: str, file: str) -> str:
        """Return the first word of a file in a machine's /etc; empty if there is none."""
        lines = netns.etc_lines(self.namespaces[node], file)
        return lines[0][0] if lines else ""


def adapters(endpoint: Endpoint) -> tuple[Adapter, ...]:
    """Return an endpoint's adapters that may have addresses: its own, or all of its machine."""
    every = (endpoint.adapter,) if endpoint.adapter else endpoint.node.adapters
    return tuple(adapter for adapter in every if not adapter.bare)
