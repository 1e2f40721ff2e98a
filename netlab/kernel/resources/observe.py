"""What exists of a lab: the nouns that the kernel shows now, planned or not."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Interface, IPv6Interface

from netlab.errors import KernelError
from netlab.frozen import frozen
from netlab.kernel import files, ipv6
from netlab.kernel.ipv6 import Ipv6State
from netlab.kernel.namespaces import netns
from netlab.kernel.netlink.objects import links, queues
from netlab.kernel.netlink.objects.links import Interface
from netlab.kernel.netlink.pool import NamespacePool
from netlab.kernel.netlink.snapshot import Snapshot
from netlab.kernel.nftables import nft
from netlab.kernel.process import services
from netlab.kernel.resources import strays
from netlab.kernel.rundir import RunDirectory
from netlab.plan.names import metric
from netlab.plan.plan import Plan
from netlab.plan.resources import (
    DEFAULT_ROUTE,
    Address,
    Advertised,
    Bridge,
    Cable,
    CableEnd,
    DhcpClient,
    EtcFile,
    Ipv6,
    Lease,
    Listening,
    Namespace,
    Observed,
    Queue,
    Resource,
    Route,
    Ruleset,
    Service,
    Sysctl,
)

FALLBACK_NAMES = (
    *("lo", "tunl0", "gre0", "gretap0", "erspan0", "sit0", "ip6tnl0", "ip6gre0", "ip_vti0"),
    "ip6_vti0",
)
"""`lo`, and tunnel devices that the kernel puts into every new namespace where their modules are loaded."""
_NO_QUEUE = ("noqueue", "noop", "")
"""What an interface has to which nobody gave a queue, and one that was never on."""


@frozen
class _View:
    """One namespace as the kernel shows it."""

    interfaces: dict[str, Interface]
    addresses: tuple[Address, ...]
    routes: tuple[Route, ...]
    ipv6: Ipv6State
    queues: tuple[Queue, ...]
    ruleset: str
    settings: dict[str, str]
    """Values of the planned settings that the kernel has."""
    oddities: tuple[str, ...]
    """`Namespace.oddities`."""


InterfaceAddresses = dict[tuple[str, str], tuple[IPv4Interface, ...]]
"""(namespace, interface) to the addresses that it has."""
Ipv6Addresses = dict[tuple[str, str], tuple[IPv6Interface, ...]]
"""The same, of IPv6, without link-local ones."""


@frozen
class Observation:
    """A lab as the kernel shows it."""

    resources: tuple[Observed, ...]
    """What is there: as planned, changed, or unplanned; not what DHCP gave, which is as it should be."""
    addresses: InterfaceAddresses
    ipv6: Ipv6Addresses


def observe(plan: Plan, run: RunDirectory) -> Observation:
    """Look at everything that is planned, and for what is not."""
    present = [name for name in plan.namespaces if netns.inode(name) is not None]
    settings: dict[str, list[str]] = {name: [] for name in plan.namespaces}
    for resource in plan.resources:
        if isinstance(resource, Sysctl):
            settings[resource.namespace].append(resource.key)
        elif isinstance(resource, Ipv6):
            settings[resource.namespace] += (one.key for one in ipv6.settings(resource))
    with NamespacePool(len(present)) as pool:
        views = {name: _view(name, settings[name], pool) for name in present}
    seen = (_seen(resource, views, run) for resource in plan.resources)
    resources = (*(resource for resource in seen if resource), *_unplanned(plan, views, run))
    return Observation(
        resources,
        _grouped(one for view in views.values() for one in view.addresses),
        _grouped_ipv6(one for view in views.values() for one in view.ipv6.addresses),
    )


def addresses(namespaces: list[str]) -> tuple[InterfaceAddresses, Ipv6Addresses]:
    """The addresses of every interface in these namespaces, and nothing else."""
    found: list[Address] = []
    with NamespacePool(len(namespaces)) as pool:
        for name in namespaces:
            snapshot = Snapshot(pool.netlink(name))
            found += (*_ipv4(snapshot, name), *ipv6.addresses(snapshot, name))
    return _grouped(found), _grouped_ipv6(found)


def _ipv4(snapshot: Snapshot, namespace: str) -> Iterator[Address]:
    for address in snapshot.addresses:
        if address.address.version == 4:
            # An interface may have come between the two dumps.
            yield Address(namespace, snapshot.names.get(address.index, "?"), address.address)


def _routes(snapshot: Snapshot, namespace: str) -> Iterator[Route]:
    """IPv4 routes of the main table through a gateway, but not what a redirect has taught."""
    for route in snapshot.routes:
        gateway = route.gateway if route.main else None
        if gateway and gateway.version == 4 and route.protocol != "unspec":
            yield Route(namespace, route.destination, gateway, route.metric)


def _grouped(found: Iterable[Address]) -> InterfaceAddresses:
    grouped: InterfaceAddresses = {}
    for one in found:
        if isinstance(one.address, IPv4Interface):
            key = (one.namespace, one.interface)
            grouped[key] = (*grouped.get(key, ()), one.address)
    return grouped


def _grouped_ipv6(found: Iterable[Address]) -> Ipv6Addresses:
    grouped: Ipv6Addresses = {}
    for one in found:
        if isinstance(one.address, IPv6Interface) and not one.address.is_link_local:
            key = (one.namespace, one.interface)
            grouped[key] = (*grouped.get(key, ()), one.address)
    return grouped


def _view(namespace: str, settings: list[str], pool: NamespacePool) -> _View:
    with pool.inside(namespace):
        ruleset = nft.read_current()
        values = pool.settings.values(namespace, [*settings, netns.MARK_KEY])
    snapshot = Snapshot(pool.netlink(namespace))
    slowed = any(interface.queue in queues.KINDS for interface in snapshot.interfaces)
    is_marked = values.get(netns.MARK_KEY) == str(netns.MARK)
    unmarked = () if is_marked else ("without netlab's mark",)
    return _View(
        {interface.name: interface for interface in snapshot.interfaces},
        tuple(_ipv4(snapshot, namespace)),
        tuple(_routes(snapshot, namespace)),
        ipv6.read(snapshot, namespace),
        tuple(queues.read(snapshot.netlink, namespace, snapshot.names)) if slowed else (),
        ruleset,
        values,
        (*unmarked, *strays.oddities(snapshot)),
    )


def _seen(resource: Resource, views: dict[str, _View], run: RunDirectory) -> Resource | None:
    """The noun as it is: itself, a changed one, or None if it is not there."""
    if isinstance(resource, Cable):
        near, far = views.get(resource.one.namespace), views.get(resource.other.namespace)
        return resource if near and far and _plugged(resource, near, far) else None
    view = views.get(resource.namespace)
    if view is None:
        return None
    match resource:
        case Namespace():
            return replace(resource, oddities=view.oddities)
        case Sysctl(key=key, value=value, optional=optional):
            there = view.settings.get(key, value if optional else None)
            if there == value:
                return resource
            return None if there is None else replace(resource, value=there)
        case EtcFile(namespace, name, text):
            found = _seen_file(run, namespace, name)
            if found == text:
                return resource
            if found is None:
                return None if netns.can_have_etc(name) else resource
            return replace(resource, text=found)
        case Bridge(name=name):
            return _seen_bridge(resource, view.interfaces.get(name))
        case Queue(interface=interface):
            return next((one for one in view.queues if one.interface == interface), None)
        case Ipv6():
            return resource if ipv6.is_on(resource, view.settings) else None
        case Address():
            return resource if resource in (*view.addresses, *view.ipv6.addresses) else None
        case Route():
            return resource if resource in (*view.routes, *view.ipv6.routes) else None
        case Ruleset(namespace):
            return _seen_ruleset(resource, view, run)
        case Service() | DhcpClient():
            return resource if services.runs(run, resource) else None
        case Listening():
            return resource if _listens(resource, run) else None
        case Lease():
            return resource if _leased(resource, view, run) else None
        case Advertised():
            return resource if ipv6.holds(view.ipv6, resource) else None


def _seen_file(run: RunDirectory, namespace: str, name: str) -> str | None:
    """What programs see in /etc, if that is netlab's own file."""
    folder = run.etc(namespace)
    return files.read(f"{folder}/{name}") if netns.shows_etc(namespace, folder) else None


def _seen_bridge(resource: Bridge, found: Interface | None) -> Bridge | None:
    if found is None or found.kind != "bridge":
        return None
    return replace(resource, mac=found.mac, hub=found.hub, oddities=found.oddities)


def _seen_ruleset(resource: Ruleset, view: _View, run: RunDirectory) -> Ruleset | None:
    """Compared as it is shown now and was when it was new: nft rewrites what it is given.

    Another libnftables may have come meanwhile that writes it otherwise.
    """
    if not view.ruleset:
        return None
    recorded = run.ruleset(resource.namespace)
    same = recorded.is_file() and view.ruleset == recorded.read_text()
    if not same:
        with suppress(KernelError):
            same = view.ruleset == nft.normalized(resource.text)
    return resource if same else replace(resource, text=view.ruleset)


def _plugged(cable: Cable, one: _View, other: _View) -> bool:
    near, far = (
        _end_interface(cable.one, one, cable.mtu),
        _end_interface(cable.other, other, cable.mtu),
    )
    return bool(near and far and near.peer_index == far.index and far.peer_index == near.index)


def _end_interface(end: CableEnd, view: _View, mtu: int) -> Interface | None:
    there = view.interfaces.get(end.interface)
    if there is None or there.up != end.up or there.mtu != mtu:
        return None
    if end.mac and there.mac != end.mac:
        return None
    if not there.plain:
        return None
    switch = view.interfaces.get(end.bridge or "")
    if there.blocked and not (switch and switch.oddities):  # Of the switch, that is.
        return None
    return there if there.master == (switch.index if switch else 0) else None


def _listens(resource: Listening, run: RunDirectory) -> bool:
    try:
        return services.listens(run, resource)
    except KernelError:
        return False


def _leased(resource: Lease, view: _View, run: RunDirectory) -> bool:
    """Whether what DHCP gave is there: the address, the default route if it gave one, name servers.

    Where it has given nothing, there is nothing that somebody could have changed; but a client that has
    neither a lease nor asked in vain was robbed of it.
    """
    lease = services.lease(run, resource)
    if not lease:
        return services.has_asked_in_vain(run, resource)
    addressed = any(
        address.interface == resource.interface and str(address.address) == lease.get("address")
        for address in view.addresses
    )
    routed = not lease.get("router") or _default(resource, lease) in view.routes
    written = files.read(str(run.leased_resolv(resource.namespace)))
    return addressed and routed and _seen_file(run, resource.namespace, "resolv.conf") == written


def _default(resource: Lease | DhcpClient, lease: dict[str, str]) -> Route:
    """The default route as the client's script sets it."""
    gateway = IPv4Address(lease["router"])
    return Route(resource.namespace, DEFAULT_ROUTE, gateway, metric(resource.interface))


def _unplanned(plan: Plan, views: dict[str, _View], run: RunDirectory) -> Iterator[Observed]:
    """Interfaces, queues, addresses, routes through gateways, and rules that somebody added."""
    planned = (resource for resource in plan.resources if isinstance(resource, Address | Route))
    expected = {*planned, *_from_leases(plan, run)}
    known = _known_interfaces(plan)
    slowed = {
        (resource.namespace, resource.interface)
        for resource in plan.resources
        if isinstance(resource, Queue)
    }
    with_ipv6 = {
        (resource.namespace, resource.interface)
        for resource in plan.resources
        if isinstance(resource, Ipv6)
    }
    with_rules = {
        resource.namespace for resource in plan.resources if isinstance(resource, Ruleset)
    }
    for namespace, view in views.items():
        for interface in view.interfaces.values():
            place = (namespace, interface.name)
            if place in known:
                if place not in slowed and interface.queue not in _NO_QUEUE:
                    yield Queue(*place)
            elif interface.index != links.LOOPBACK_INDEX and interface.name not in FALLBACK_NAMES:
                yield CableEnd(namespace, interface.name, interface.mac)
        yield from (address for address in view.addresses if address not in expected)
        yield from (route for route in view.routes if route not in expected)
        yield from (
            one
            for one in view.ipv6.addresses
            if one not in view.ipv6.advertised
            and one not in expected
            and not (one.address.is_link_local and (namespace, one.interface) in with_ipv6)
        )
        yield from (route for route in view.ipv6.routes if route not in expected)
        if view.ruleset and namespace not in with_rules:
            yield Ruleset(namespace, view.ruleset)


def _known_interfaces(plan: Plan) -> set[tuple[str, str]]:
    known = set()
    for resource in plan.resources:
        match resource:
            case Cable(one, other):
                known |= {(one.namespace, one.interface), (other.namespace, other.interface)}
            case Bridge(namespace, name):
                known.add((namespace, name))
    return known


def _from_leases(plan: Plan, run: RunDirectory) -> Iterator[Observed]:
    """Addresses and default routes that DHCP gave."""
    for resource in plan.resources:
        if isinstance(resource, DhcpClient):
            lease = services.lease(run, Lease(resource.namespace, resource.interface))
            if lease:
                interface = IPv4Interface(lease["address"])
                yield Address(resource.namespace, resource.interface, interface)
            if lease.get("router"):
                yield _default(resource, lease)
