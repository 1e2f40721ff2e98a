"""From one plan to another: what has to go, what has to come, what is altered in place. Pure.

What is equal in both plans is not touched, unless it stands on something that
goes: an address on its interface, a route on the address by which its gateway
is reached, a service on the cards of its machine.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace
from itertools import chain

from netlab.frozen import frozen
from netlab.plan.plan import Plan
from netlab.plan.resources import (
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
    creation_order,
)


@frozen
class Diff:
    """How to come from one plan to another."""

    removed: tuple[Observed, ...]
    """In this order; interfaces that somebody made by hand among them."""
    altered: tuple[tuple[Resource, Resource], ...]
    """Old and new: the same thing with another content, which nothing else notices."""
    created: tuple[Resource, ...]
    """In this order."""

    def __bool__(self) -> bool:
        return bool(self.removed or self.altered or self.created)

    def gives_back(self, client: DhcpClient) -> bool:
        """Whether a client that goes can tell its server: not if it is torn from its network.

        Nor if its cable is pulled: its server knows nothing of that.
        """
        after = (*self.removed, *(new for _, new in self.altered))
        return not any(
            (end.namespace, end.interface) == (client.namespace, client.interface)
            for resource in after
            if isinstance(resource, Cable) and (resource in self.removed or not resource.is_up)
            for end in (resource.one, resource.other)
        )

    def keeps(self, namespace: str) -> bool:
        """Whether a machine stays."""
        return Namespace(namespace) not in self.removed


def joined(changes: Iterable[Diff]) -> Diff:
    """Several changes, one after the other, told as one."""
    parts = [(one.removed, one.altered, one.created) for one in changes]
    removed, altered, created = zip(*parts, strict=True) if parts else ((), (), ())
    return Diff(*(tuple(chain.from_iterable(part)) for part in (removed, altered, created)))


def diff(old: Plan, new: Plan, broken: Collection[Resource] = ()) -> Diff:
    """What `apply` has to do; what is `broken` goes, and comes if it is in the new plan."""
    # By their places: most are equal, and only what is not needs to be put in order.
    before = {resource: place for place, resource in enumerate(old.resources)}
    after = {resource: place for place, resource in enumerate(new.resources)}
    differing = set(before) ^ set(after)
    goes = {resource for resource in (*differing, *broken) if resource in before}
    comes = {resource for resource in differing if resource in after}
    successors = {
        _identity(resource): resource for resource in sorted(comes, key=after.__getitem__)
    }
    pairs = {
        resource: successors[_identity(resource)]
        for resource in sorted(goes, key=before.__getitem__)
        if _identity(resource) in successors
        and _in_place(resource, successors[_identity(resource)])
    }
    shaken = goes - set(pairs) | {
        resource for resource, to in pairs.items() if _interrupts(resource, to)
    }
    fallen = _fallen(old, shaken)
    # What stands on something that goes is there no more when it is to be altered.
    altered = [
        (resource, successor) for resource, successor in pairs.items() if resource not in fallen
    ]
    kept = {resource for pair in altered for resource in pair}
    gone = (goes | fallen) - kept
    removed = sorted(gone, key=lambda resource: (-creation_order(resource), before[resource]))
    created = sorted(
        (comes | gone & set(after)) - kept,
        key=lambda resource: (creation_order(resource), after[resource]),
    )
    return Diff(tuple(removed), tuple(altered), tuple(created))


def _fallen(plan: Plan, shaken: set[Resource]) -> set[Resource]:
    """What stands on what is shaken, and on that; nothing stands on what is in other namespaces."""
    if not shaken:
        return set()
    beside: dict[str, dict[str | None, list[Resource]]] = defaultdict(lambda: defaultdict(list))
    for resource in plan.resources:
        interface = None if isinstance(resource, Cable) else getattr(resource, "interface", "")
        for namespace in _namespaces(resource):
            beside[namespace][interface].append(resource)

    def near(base: Resource) -> Iterator[Resource]:
        """What may stand on it. A switch has thousands of cables: none on another, or its queues."""
        if isinstance(base, Cable):
            for end in (base.one, base.other):
                yield from beside[end.namespace][end.interface]
                yield from beside[end.namespace][""]
        else:
            yield from chain.from_iterable(beside[base.namespace].values())

    fallen: set[Resource] = set()
    falling = shaken
    while falling:
        standing = (
            resource for base in falling for resource in near(base) if stands_on(resource, base)
        )
        falling = set(standing) - shaken - fallen
        fallen |= falling
    return fallen


def reconcile(plan: Plan, observed: Iterable[Observed]) -> Diff:
    """What `repair` has to do: what was made by hand goes, what is missing comes again.

    What is not there as planned may be there in another way (a cable whose end is down, or in another
    switch; a name without a namespace), and in the way: it goes before it comes. What is on an
    interface that somebody made goes with it. A DHCP client whose lease was tampered with asks anew.
    """
    observed = tuple(observed)
    foreign = tuple(resource for resource in observed if isinstance(resource, CableEnd))
    places = {(resource.namespace, resource.interface) for resource in foreign}
    there = [
        resource
        for resource in observed
        if not isinstance(resource, CableEnd) and _place(resource) not in places
    ]
    missing = set(plan.resources) - set(there)
    another = {_identity(resource) for resource in there}
    in_the_way = {
        resource
        for resource in missing
        if isinstance(resource, _SOLID) and _identity(resource) not in another
    }
    lost = {
        (resource.namespace, resource.interface)
        for resource in missing
        if isinstance(resource, Lease)
    }
    asking: set[Resource] = {
        resource
        for resource in there
        if isinstance(resource, DhcpClient) and (resource.namespace, resource.interface) in lost
    }
    deaf = {
        (resource.namespace, resource.interface)
        for resource in missing
        if isinstance(resource, Advertised)
    }
    # A router tells by itself only now and then; one that IPv6 comes to again asks.
    asking |= {
        resource
        for resource in there
        if isinstance(resource, Ipv6) and (resource.namespace, resource.interface) in deaf
    }
    found = diff(Plan.of(plan.lab, [*there, *in_the_way]), plan, in_the_way | asking)
    return replace(found, removed=(*foreign, *found.removed))


_SOLID = Namespace | Bridge | Cable | EtcFile | Service | DhcpClient
"""What cannot be made while something else has its name or its place."""


def _place(resource: Resource) -> tuple[str, str] | None:
    """The interface that a noun is on, if it is on one."""
    match resource:
        case Address(namespace, interface) | Queue(namespace, interface):
            return namespace, interface
        case _:
            return None


def _identity(resource: Resource) -> tuple[object, ...]:
    """What makes two nouns the same thing, whatever its content."""
    match resource:
        case Sysctl(namespace, key):
            return Sysctl, namespace, key
        case EtcFile(namespace, name):
            return EtcFile, namespace, name
        case Ruleset(namespace):
            return Ruleset, namespace
        case Namespace(namespace):
            return Namespace, namespace
        case Bridge(namespace, name):
            return Bridge, namespace, name
        case Queue(namespace, interface):
            return Queue, namespace, interface
        case DhcpClient():
            return (replace(resource, terms=()),)
        case Cable(one, other):
            return Cable, replace(one, up=True), replace(other, up=True), resource.mtu
        case _:
            return (resource,)


def _in_place(old: Resource, new: Resource) -> bool:
    """A DHCP client that nobody is to give anything keeps what it has, until its lease ends."""
    return isinstance(old, Namespace | Sysctl | EtcFile | Ruleset | Bridge | Cable | Queue) or (
        isinstance(new, DhcpClient) and not new.terms
    )


def _interrupts(old: Resource, new: Resource) -> bool:
    """A machine's interface that is switched off or on loses its routes; a pulled cable it survives."""
    if not (isinstance(old, Cable) and isinstance(new, Cable)):
        return False
    ends = zip((old.one, old.other), (new.one, new.other), strict=True)
    return any(before.up != after.up and before.bridge is None for before, after in ends)


def stands_on(resource: Resource, base: Resource) -> bool:
    """Whether a noun cannot be there without another."""
    match base, resource:
        case Namespace(namespace), _:
            return namespace in _namespaces(resource)
        case Bridge(namespace, name), Cable(one, other):
            return any((end.namespace, end.bridge) == (namespace, name) for end in (one, other))
        case Bridge(namespace, name), _:
            return _uses(resource, namespace, name)
        case Cable(one, other), _:
            return any(_uses(resource, end.namespace, end.interface) for end in (one, other))
        case Address(namespace, _, address), Route(of, _, gateway):
            return of == namespace and gateway in address.network
        case Service(namespace, name), Listening(of, service):
            return (of, service) == (namespace, name)
        case DhcpClient(namespace, interface), Lease(of, its):
            return (of, its) == (namespace, interface)
        case Ipv6(namespace, interface), Address(of, its, address):
            return (of, its) == (namespace, interface) and address.version == 6
        case Ipv6(namespace, interface), Advertised(of, its):
            return (of, its) == (namespace, interface)
        case Ipv6(namespace), Service() | Listening():
            return namespace == resource.namespace
        case _:
            return False


def _namespaces(resource: Resource) -> Iterator[str]:
    if isinstance(resource, Cable):
        yield from (resource.one.namespace, resource.other.namespace)
    else:
        yield resource.namespace


def _uses(resource: Resource, namespace: str, interface: str) -> bool:
    """Whether a noun is about an interface, or about a service that may be bound to it."""
    match resource:
        case Address() | Ipv6() | Advertised() | DhcpClient() | Lease() | Queue():
            return (resource.namespace, resource.interface) == (namespace, interface)
        case Sysctl():
            return resource.namespace == namespace and f".{interface}." in f".{resource.key}."
        case Service() | Listening():
            return resource.namespace == namespace
        case _:
            return False
