"""The plan itself: an ordered list of resources, and the difference of two."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from operator import attrgetter

from netlab.frozen import frozen
from netlab.node_interface import NamespaceInterface
from netlab.plan.resources import Cable, CableEnd, Namespace, Resource


@frozen
class Plan:
    """Everything that must exist for a lab, in the order of creation."""

    lab: str
    resources: tuple[Resource, ...]

    @classmethod
    def of(cls, lab: str, resources: Iterable[Resource]) -> Plan:
        """A plan of these resources, ordered by stage of creation, and within a stage as given."""
        return cls(lab, tuple(sorted(resources, key=attrgetter("creation_order"))))

    @cached_property
    def namespaces(self) -> tuple[str, ...]:
        """Names of the namespaces, in the order of creation."""
        return tuple(
            resource.namespace for resource in self.resources if isinstance(resource, Namespace)
        )

    @cached_property
    def peers(self) -> dict[NamespaceInterface, CableEnd]:
        """Every end of a cable, and its peer."""
        cables = [resource for resource in self.resources if isinstance(resource, Cable)]
        return {
            end.interface_key: peer
            for cable in cables
            for end, peer in (cable.ends, reversed(cable.ends))
        }


@frozen
class Drift:
    """The difference of what is planned and what is observed."""

    missing: tuple[Resource, ...]
    """Planned, but not there."""
    unplanned: tuple[Resource, ...]
    """There, but not planned."""

    def __bool__(self) -> bool:
        return bool(self.missing or self.unplanned)


def drift_between(planned: Iterable[Resource], observed: Iterable[Resource]) -> Drift:
    """Compare two lists of resources as sets; each side keeps its order."""
    planned, observed = tuple(planned), tuple(observed)
    planned_set, observed_set = set(planned), set(observed)
    return Drift(
        tuple(resource for resource in planned if resource not in observed_set),
        tuple(resource for resource in observed if resource not in planned_set),
    )
