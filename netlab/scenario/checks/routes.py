"""Routes that compete: to networks whose addresses overlap, and to everywhere else."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Network, IPv6Network
from itertools import chain, combinations, permutations, product

from netlab.frozen import frozen
from netlab.scenario.checks.lookup import adapter_path, called, network_path, written_name
from netlab.scenario.mode import HostRouting
from netlab.scenario.model import Family
from netlab.scenario.text.paths import DataPath, PathProblem
from netlab.scenario.topology import HOST, Adapter, Network, Node, Role, Topology, natural

_Prefix = IPv4Network | IPv6Network


@frozen
class _Subnet:
    """A network's addresses of one family, as the file has them."""

    path: DataPath
    owner: str
    prefix: _Prefix
    of_vms: bool

    @property
    def machines(self) -> str:
        """The machines there, in a sentence."""
        return f"{'VMs' if self.of_vms else 'machines'} on {self.owner}"

    @property
    def rank(self) -> tuple[object, ...]:
        """Its place in a file: LANs come first."""
        return self.path[0] not in ("lan", "lans"), str(self.path[0]), natural(self.owner)

    def overlapping(self, taken: _Prefix) -> str:
        """Return its machines of which some have addresses of a prefix."""
        return self.machines + " with such addresses" * (self.prefix.prefixlen < taken.prefixlen)


@frozen
class _Link:
    """The route to a subnet that a machine has by its address there."""

    interface: str
    subnet: _Subnet
    is_late: bool
    """True: it comes with a lease or an advertisement, after all that is static."""


@frozen
class _Choice:
    """Two routes of a machine to overlapping subnets; the second one is in vain for what both lead to."""

    taken: _Link
    idle: _Link

    def sentence(self, machines: list[str]) -> str:
        """Say which route is taken, and who is not reached; `machines` have these routes alike."""
        taken, idle = self.taken, self.idle
        machine, prefix = machines[0], taken.subnet.prefix
        unreached = idle.subnet.overlapping(prefix)
        if prefix.prefixlen > idle.subnet.prefix.prefixlen:
            choice = (
                f"{machine} sends {prefix} by {taken.interface}, since that route is more specific"
                f" than {idle.subnet.owner}'s"
            )
        else:
            choice = f"{machine} has routes to {prefix} by {taken.interface} and by {idle.interface}, and "
            if taken.is_late:
                choice += "takes the older one"
                unreached = f"{unreached}, or {taken.subnet.overlapping(prefix)},"
            else:
                choice += f"takes the older one, after `up` that by {taken.interface}"
        likewise = f" (likewise: {_listed(machines[1:])})" * (len(machines) > 1)
        return f"{choice}: {unreached} are not reached from {machine}{likewise}"


_SHOWN = 5
"""Machines that are named in a sentence."""


def _listed(machines: list[str]) -> str:
    further = len(machines) - _SHOWN
    return ", ".join(machines[:_SHOWN]) + f" and {further:,} more" * (further > 0)


_Pair = tuple[_Subnet, _Subnet]


def overlaps(topology: Topology) -> Iterator[PathProblem]:
    """Warn of subnets that overlap where a machine chooses between them, or is led from one to the other."""
    for family in Family:
        effects: dict[_Pair, dict[str, None]] = {}
        for pair, effect in chain(_choices(topology, family), _neighbours(topology, family)):
            effects.setdefault(pair, {})[effect] = None
        for (first, second), sentences in effects.items():
            yield PathProblem(
                second.path,
                f"{second.owner}'s {second.prefix} overlaps with {first.owner}'s {first.prefix}:"
                f" {'; '.join(sentences)}",
                "choose another subnet, unless that is what you want to see",
                is_warning=True,
            )


def default_routes(topology: Topology) -> Iterator[PathProblem]:
    """Warn of machines to which several networks bring a default route: only one adapter's is taken.

    That a full tunnel takes it from the host's cards is what it is for.
    """
    leased, tunnels = _leased_gateways(topology), topology.tunnels
    for node in topology.nodes.values():
        if len(node.adapters) > 1:
            adapters = [adapter for adapter in node.adapters if adapter not in tunnels]
            outward = [adapter for adapter in adapters if _leads_out(adapter, leased)]
            outward_ipv6 = [adapter for adapter in adapters if adapter.leads_out_ipv6]
            race = list(_race(topology, "", outward))
            yield from race or _race(topology, "IPv6 ", outward_ipv6)


def metrics(topology: Topology) -> Iterator[PathProblem]:
    """Yield metrics that two default routes of a machine have: the kernel has one route of a metric."""
    for node in topology.nodes.values():
        owner: dict[int, Adapter] = {}
        for adapter in node.adapters:
            if adapter.metric is None or not (adapter.gateway or adapter.by_dhcp):
                continue
            first = owner.setdefault(adapter.metric, adapter)
            if first is not adapter:
                yield PathProblem(
                    adapter_path(topology, adapter),
                    f"{node.name}'s default routes by {first.holder} and {adapter.holder} have both the"
                    f" metric {adapter.metric}",
                    "give one of them another `metric`, or `default: false`",
                )


def stolen(topology: Topology) -> Iterator[PathProblem]:
    """Warn of subnets of the host's networks that a VPN's routes take away from them."""
    adapters = topology.nodes[HOST].adapters
    for tunnel in topology.tunnels:
        for index, (route, _) in enumerate(tunnel.routes):
            for adapter in adapters:
                subnet = _subnet(topology, adapter.network, Family.IPV4)
                if subnet is None or adapter.network.name == tunnel.network.name:
                    continue
                if isinstance(subnet.prefix, IPv4Network) and route.subnet_of(subnet.prefix):
                    yield PathProblem(
                        ("host", "nics", tunnel.interface, "routes", index),
                        f"host sends {route} by {tunnel.interface}, since that VPN takes it from"
                        f" {subnet.owner}'s {subnet.prefix}: {subnet.overlapping(route)} are not reached"
                        " from host",
                        "leave the route out (split tunnel), or choose another subnet, unless that is what"
                        " you want to see",
                        is_warning=True,
                    )


def _race(topology: Topology, family: str, adapters: list[Adapter]) -> Iterator[PathProblem]:
    """Yield the warning of a machine's adapters that bring default routes, if by several networks."""
    adapters = sorted(adapters, key=lambda adapter: adapter.metric or 0)
    segment = adapters[0].network.segment if adapters else ""
    idle = [adapter for adapter in adapters if adapter.network.segment != segment]
    if not idle:
        return
    scenario, taken = topology.scenario, adapters[0]
    routes = [
        f"{adapter.holder} ({called(scenario, written_name(scenario, adapter.network))})"
        for adapter in (taken, *idle)
    ]
    incoming = " and ".join(adapter.holder for adapter in idle)
    is_first = taken.interface == topology.nodes[taken.node].primary.interface
    why = "the first adapter" if is_first else "the one with the lowest metric"
    yield PathProblem(
        adapter_path(topology, idle[0]),
        f"{taken.node} has {family}default routes by {' and '.join(routes)}, and takes that by"
        f" {taken.holder}, {why}: replies to what comes in by {incoming} from other networks"
        f" leave by {taken.holder} (asymmetric)",
        "give the adapter that is to be taken the lowest `metric`, or the others `default: false`, unless"
        " that is what you want to see",
        is_warning=True,
    )


def _leased_gateways(topology: Topology) -> dict[str, bool]:
    """Return whether DHCP tells a default gateway for certain, by the segment on which servers answer.

    VMs that serve DHCP are not among these: they always tell one, themselves.
    """
    gateways: dict[str, bool] = {}
    for network in topology.networks.values():
        if network.serves:
            gateways[network.segment] = network.tells_router and gateways.get(network.segment, True)
    return gateways


def _leads_out(adapter: Adapter, leased: dict[str, bool]) -> bool:
    """Return whether an adapter brings its machine a default route of IPv4, for certain."""
    if not adapter.speaks or adapter.address:
        return adapter.speaks and adapter.gateway is not None
    if adapter.metric is None:
        return False
    return all(leased.get(network.segment, True) for network in adapter.plugged_into)


def _choices(topology: Topology, family: Family) -> Iterator[tuple[_Pair, str]]:
    """Yield pairs of subnets between which machines choose, and how each chooses."""
    choosing: dict[_Choice, list[str]] = {}
    for node in topology.nodes.values():
        if node.role in (Role.HOST, Role.VM) and len(node.adapters) > 1:
            links = list(_links(topology, node, family))
            for (first_segment, first), (second_segment, second) in combinations(links, 2):
                overlap = first.subnet.prefix.overlaps(second.subnet.prefix)
                if overlap and first_segment != second_segment:
                    choosing.setdefault(_choice(first, second), []).append(node.name)
    for choice, machines in choosing.items():
        yield _pair(choice.taken.subnet, choice.idle.subnet), choice.sentence(machines)


def _choice(first: _Link, second: _Link) -> _Choice:
    """Return which of two routes is taken: the more specific one, then the older one."""
    taken, idle = sorted(
        (first, second), key=lambda link: (-link.subnet.prefix.prefixlen, link.is_late)
    )
    return _Choice(taken, idle)


def _links(topology: Topology, node: Node, family: Family) -> Iterator[tuple[str, _Link]]:
    """Yield the routes that a machine's addresses make, each with the segment to which it leads."""
    for adapter in node.adapters:
        has_address = adapter.speaks if family is Family.IPV4 else adapter.ipv6 is not None
        subnet = _subnet(topology, adapter.network, family)
        if has_address and subnet:
            is_late = adapter.by_dhcp if family is Family.IPV4 else adapter.listens_to_router
            yield adapter.network.segment, _Link(adapter.holder, subnet, is_late)


def _neighbours(topology: Topology, family: Family) -> Iterator[tuple[_Pair, str]]:
    """Yield pairs of which one's machines are led to the other, but take its addresses for neighbours'."""
    for near, far in _passages(topology):
        asker = _subnet(topology, near, family)
        target = _subnet(topology, far, family)
        if not (asker and target) or near.segment == far.segment:
            continue
        if asker.prefix.overlaps(target.prefix):
            common = max(asker.prefix, target.prefix, key=lambda prefix: prefix.prefixlen)
            effect = (
                f"{asker.machines} take {common} for neighbours, and do not reach"
                f" {target.overlapping(common)}"
            )
            yield _pair(asker, target), effect


def _passages(topology: Topology) -> Iterator[tuple[Network, Network]]:
    """Yield pairs of networks of which a machine, the host or a VM, leads from the first to the second."""
    host, scenario = topology.nodes[HOST], topology.scenario
    lans = [adapter.network for adapter in host.adapters if adapter.network.lan]
    modes = [(network, network.mode) for network in topology.vmnets if network.mode]
    inside = [
        network
        for network, mode in modes
        if mode.nat_device or mode.routing or network.name == scenario.host.shares
    ]
    yield from product(inside, lans)
    opened = [network for network, mode in modes if mode.routing is HostRouting.OPEN]
    yield from product(lans, opened)
    networks = topology.networks
    yield from permutations(
        (networks[name] for name in scenario.host.forwards if name in networks), 2
    )
    for node in topology.nodes.values():
        if node.role is Role.VM and node.is_router:
            for near, far in permutations((adapter.network for adapter in node.adapters), 2):
                yield near, far
                yield from product([near], lans if far in inside else ())


def _subnet(topology: Topology, network: Network, family: Family) -> _Subnet | None:
    """Return a network's addresses of one family; None if it has none, or the file does not say which."""
    prefix, key = (
        (network.subnet if network.numbered else None, "subnet")
        if family is Family.IPV4
        else (network.prefix, "ipv6")
    )
    if prefix is None:
        return None
    scenario, name = topology.scenario, network.lan or written_name(topology.scenario, network)
    path = (*network_path(scenario, name), key)
    of_vms = name in scenario.vmnets or name in scenario.segments
    return _Subnet(path, called(scenario, name), prefix, of_vms)


def _pair(first: _Subnet, second: _Subnet) -> _Pair:
    earlier, later = sorted((first, second), key=lambda subnet: subnet.rank)
    return earlier, later
