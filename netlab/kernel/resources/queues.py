"""Driver of queues."""

from __future__ import annotations

from collections.abc import Iterator

from netlab.kernel.netlink.objects import queues
from netlab.kernel.resources.base import Context, Driver, LabState, NamespaceState
from netlab.kernel.resources.interfaces import planned_interfaces
from netlab.plan.resources import Queue, Resource

_NO_QUEUE = ("noqueue", "noop", "")
"""The queueing disciplines of an interface to which nobody gave one, and of one that was never on."""


class QueueDriver(Driver[Queue]):
    """Slows interfaces down."""

    def create(self, resource: Queue, context: Context) -> None:
        queues.put(context.netlink(resource), resource)

    def read(self, resource: Queue, lab: LabState) -> Queue | None:
        at_interface = (
            queue
            for queue in lab.of(resource).queues
            if queue.interface_key == resource.interface_key
        )
        return next(at_interface, None)

    def delete(self, resource: Queue, context: Context) -> None:
        queues.remove(context.netlink(resource), resource)

    def unplanned(self, state: NamespaceState, planned: set[Resource]) -> Iterator[Queue]:
        slowed = {resource.interface for resource in planned if isinstance(resource, Queue)}
        unslowed = planned_interfaces(state.name, planned) - slowed
        for name, interface in state.interfaces.items():
            if name in unslowed and interface.queue not in _NO_QUEUE:
                yield Queue(state.name, name)
