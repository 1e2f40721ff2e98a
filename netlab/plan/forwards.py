"""Port forwards: ports of the host or of a home router that lead to machines behind it, and their rules."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from ipaddress import IPv4Address

from netlab.frozen import frozen
from netlab.plan.services import dhcp
from netlab.scenario.model import Forwards, Nat
from netlab.scenario.ports import ForwardedPorts
from netlab.scenario.topology import Network, Topology

NO_HAIRPIN = "forwarded for callers from outside only"
"""The comment of the rule that a caller from inside meets."""


@frozen
class Forward:
    """Ports that lead to as many of another machine, in their order."""

    protocol: str
    ports: ForwardedPorts
    to: IPv4Address
    to_port: int
    """The first."""

    @property
    def match(self) -> str:
        """The condition that a packet is for one of the ports, at whatever address."""
        return f"{self.protocol} dport {self.ports.numbers}"

    @property
    def place(self) -> str:
        """The condition that a packet is for the host where the ports are."""
        return f"ip daddr {self.ports.address}" if self.ports.address else "fib daddr type local"

    @property
    def accepted(self) -> str:
        """The condition that a packet has been led to the other machine."""
        last = self.to_port + self.ports.count - 1
        numbers = f"{self.to_port}-{last}" if last > self.to_port else self.to_port
        return f"ip daddr {self.to} {self.protocol} dport {numbers}"

    @property
    def target(self) -> str:
        """The address and ports that nftables is to put in the place of these.

        Of a range, a translation to ports would take any of them: a map names each, unless all stay.
        """
        if self.ports.count == 1:
            return f"{self.to}:{self.to_port}"
        if self.to_port == self.ports.first:
            return str(self.to)
        pairs = (
            f"{self.ports.first + number} : {self.to_port + number}"
            for number in range(self.ports.count)
        )
        return f"{self.to}:{self.protocol} dport map {{ {', '.join(pairs)} }}"


def of_vmnet(topology: Topology, vmnet: Network) -> tuple[Forward, ...]:
    """The port forwards of a NAT network; VMware wants addresses, so a VM's name is its address now."""
    forwards = (vmnet.nat or Nat()).forwards
    return resolved(topology, forwards, partial(_addresses, topology, vmnet))


def of_lan(topology: Topology, lan: str, public: IPv4Address) -> tuple[Forward, ...]:
    """The port forwards of a LAN's router, which are at its `public` address."""
    forwards = topology.scenario.all_lans[lan].forwards
    known = partial(_addresses, topology, topology.networks[lan])
    return tuple(
        replace(forward, ports=replace(forward.ports, address=forward.ports.address or public))
        for forward in resolved(topology, forwards, known)
    )


def resolved(
    topology: Topology,
    forwards: Forwards,
    addresses: Callable[[], Mapping[str, IPv4Address | None]],
) -> tuple[Forward, ...]:
    """The port forwards that a file names; those to machines without one of the `addresses` lead nowhere."""
    if not (forwards.tcp or forwards.udp):
        return ()
    address_of = addresses()
    return tuple(
        Forward(protocol, ports, address, int(to_port))
        for protocol, targets in (("tcp", forwards.tcp), ("udp", forwards.udp))
        for ports, (target, _, to_port) in sorted(
            ((ports, text.partition(":")) for ports, text in targets.items()), key=_by_number
        )
        if (address := address_of.get(target) if target in topology.nodes else IPv4Address(target))
    )


def _by_number(entry: tuple[ForwardedPorts, object]) -> tuple[int, str]:
    ports, _ = entry
    return ports.first, str(ports.address)


def _addresses(topology: Topology, network: Network) -> dict[str, IPv4Address | None]:
    """The address of each node's first adapter there, or of its lease; None: the server has none left."""
    neighbours = topology.neighbours(network)
    leased = dhcp.leased(neighbours, network)
    near = neighbours if network.lan == network.name else topology.adapters_on(network)
    return {
        adapter.node: adapter.address.ip if adapter.address else leased(adapter)
        for adapter in reversed(near)
    }


def shut_to_those_inside(inside: str, forwards: Iterable[Forward]) -> Iterator[str]:
    """Rules that tell callers from `inside`, an interface, that a forwarded port is not for them.

    A router without "NAT loopback" leaves such a call to itself, where nobody waits.
    """
    for forward in forwards:
        if not forward.ports.own_only:
            answer = "reject with tcp reset" if forward.protocol == "tcp" else "reject"
            yield f'iifname "{inside}" {forward.place} {forward.match} {answer} comment "{NO_HAIRPIN}"'
