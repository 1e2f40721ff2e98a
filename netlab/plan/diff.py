"""The steps from one plan to another: what is removed, altered in place, created. Pure.

What is equal in both plans is not touched, unless it depends on something that
is removed: an address on its interface, a route on the address by which its gateway
is reached, a service on the adapters of its node.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace
from itertools import chain

from netlab.frozen import frozen
from netlab.plan.plan import Plan
from netlab.plan.resources import Cable, CableEnd, DhcpClient, Namespace, OnInterface, Resource


@frozen
class Diff:
    """The steps from one plan to another."""

    removed: tuple[Resource, ...]
    """In this order; interfaces that somebody made by hand among them."""
    altered: tuple[tuple[Resource, Resource], ...]
    """Old and new: the same thing with another content, which nothing else notices."""
    created: tuple[Resource, ...]
    """In this order."""

    def __bool__(self) -> bool:
        return bool(self.removed or self.altered or self.created)

    def gives_back(self, client: DhcpClient) -> bool:
        """Return whether a client that is removed can tell its server: not if it is torn from its network.

        Nor if its cable is pulled: its server knows nothing of that.
        """
        removed_or_altered = (*self.removed, *(new for _, new in self.altered))
        return not any(
            client.interface_key in cable.interfaces
            for cable in removed_or_altered
            if isinstance(cable, Cable) and (cable in self.removed or not cable.is_up)
        )

    def keeps(self, namespace: str) -> bool:
        """Return whether the namespace stays."""
        return Namespace(namespace) not in self.removed


def joined(diffs: Iterable[Diff]) -> Diff:
    """Several diffs, carried out one after the other, as one."""
    parts = [(diff.removed, diff.altered, diff.created) for diff in diffs]
    removed, altered, created = zip(*parts, strict=True) if parts else ((), (), ())
    return Diff(*(tuple(chain.from_iterable(part)) for part in (removed, altered, created)))


def diff(old: Plan, new: Plan, broken: Collection[Resource] = ()) -> Diff:
    """The steps for `apply`; what is `broken` is removed, and created again if it is in the new plan."""
    # By their positions: most are equal, and only what is not needs to be put in order.
    before = {resource: position for position, resource in enumerate(old.resources)}
    after = {resource: position for position, resource in enumerate(new.resources)}
    differing = set(before) ^ set(after)
    outdated = {resource for resource in (*differing, *broken) if resource in before}
    coming = {resource for resource in differing if resource in after}
    successors = {resource.identity: resource for resource in sorted(coming, key=after.__getitem__)}
    pairs = {
        resource: successor
        for resource in sorted(outdated, key=before.__getitem__)
        if (successor := successors.get(resource.identity))
        and resource.can_change_in_place_to(successor)
    }
    interrupted = outdated - set(pairs) | {
        resource
        for resource, successor in pairs.items()
        if resource.change_breaks_dependents(successor)
    }
    dependents = _dependents(old, interrupted)
    # What depends on something that is removed is there no more when it is to be altered.
    altered = [
        (resource, successor) for resource, successor in pairs.items() if resource not in dependents
    ]
    kept = {resource for pair in altered for resource in pair}
    removed = (outdated | dependents) - kept
    created = (coming | removed & set(after)) - kept
    return Diff(
        tuple(sorted(removed, key=lambda resource: (-resource.creation_order, before[resource]))),
        tuple(altered),
        tuple(sorted(created, key=lambda resource: (resource.creation_order, after[resource]))),
    )


def _dependents(plan: Plan, bases: set[Resource]) -> set[Resource]:
    """Everything that depends on `bases`, and on that, in turn; all of it is in their namespaces."""
    if not bases:
        return set()
    neighbours: dict[str, dict[str | None, list[Resource]]]
    neighbours = defaultdict(lambda: defaultdict(list))
    for resource in plan.resources:
        interface = None if isinstance(resource, Cable) else getattr(resource, "interface", "")
        for namespace in resource.namespaces:
            neighbours[namespace][interface].append(resource)

    def candidates(base: Resource) -> Iterator[Resource]:
        """A switch has thousands of cables: none depends on another, or on its queues."""
        if isinstance(base, Cable):
            for namespace, interface in base.interfaces:
                yield from neighbours[namespace][interface]
                yield from neighbours[namespace][""]
        else:
            for namespace in base.namespaces:
                yield from chain.from_iterable(neighbours[namespace].values())

    dependents: set[Resource] = set()
    latest = bases
    while latest:
        affected = {
            resource
            for base in latest
            for resource in candidates(base)
            if resource.depends_on(base)
        }
        latest = affected - bases - dependents
        dependents |= latest
    return dependents


def reconcile(plan: Plan, observed: Iterable[Resource]) -> Diff:
    """The steps for `repair`: what was made by hand is removed, what is missing is created again.

    What is not there as planned may be there in another way (a cable whose end is down, or in another
    switch; a name without a namespace), and in the way: it is removed before it is created. What is on an
    interface that somebody made goes with it. A DHCP client whose lease was tampered with asks anew.
    """
    observed = tuple(observed)
    foreign = tuple(resource for resource in observed if isinstance(resource, CableEnd))
    foreign_interfaces = {interface.interface_key for interface in foreign}
    existing = [
        resource
        for resource in observed
        if not (isinstance(resource, OnInterface) and resource.interface_key in foreign_interfaces)
    ]
    missing = set(plan.resources) - set(existing)
    existing_identities = {resource.identity for resource in existing}
    in_the_way = {
        resource
        for resource in missing
        if resource.takes_a_name and resource.identity not in existing_identities
    }
    # A router tells by itself only now and then; one that IPv6 comes to again asks.
    renewing = {
        (resource.renewed_by, resource.interface_key)
        for resource in missing
        if isinstance(resource, OnInterface)
    }
    asking = {
        resource
        for resource in existing
        if isinstance(resource, OnInterface)
        and (type(resource), resource.interface_key) in renewing
    }
    steps = diff(Plan.of(plan.lab, [*existing, *in_the_way]), plan, in_the_way | asking)
    return replace(steps, removed=(*foreign, *steps.removed))
