"""A running lab as it is now."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from netlab.frozen import frozen
from netlab.kernel.host.doctor import require_root
from netlab.kernel.namespaces import netns
from netlab.kernel.process.services import lease
from netlab.kernel.resources.observe import observe
from netlab.kernel.rundir import RunDirectory
from netlab.lab.attaching import leftovers
from netlab.lab.labs import Lab
from netlab.lab.unleased import Unleased, presumed_reason
from netlab.node_interface import NamespaceInterface
from netlab.plan.names import namespace
from netlab.plan.plan import drift_between
from netlab.plan.resources import Cable, Lease

if TYPE_CHECKING:
    from netlab.kernel.resources.observe import Observation
    from netlab.kernel.rundir import Record
    from netlab.plan.plan import Drift
    from netlab.scenario.topology import Adapter


@frozen
class NodeStatus:
    """A node as it is now."""

    name: str
    role: str
    namespace: str
    interfaces: tuple[AdapterStatus, ...]
    uuid: str | None
    """A VM's, as its BIOS has it."""
    machine_id: str | None
    """A VM's, as its guest has it: copies of a guest share it."""


@frozen
class AdapterStatus:
    """A node's adapter as it is now."""

    name: str
    network: str
    state: str
    """up: as planned, with a cable that is up at both ends; otherwise down."""
    mac: str
    addresses: tuple[str, ...]
    lease: dict[str, str] | None
    """What DHCP gave; None for a static adapter, {} if it has no lease."""
    model: str | None
    """What kind of card a guest sees, if the scenario says so."""
    released: bool = False
    """The guest has given its lease back, and asks for none (`release_lease`)."""


@frozen
class Status:
    """A lab as it is now."""

    lab: Lab
    record: Record
    machines: tuple[NodeStatus, ...]
    unleased: tuple[Unleased, ...]
    """Adapters that want an address of DHCP and have none. Where nothing was changed, that is no drift."""
    drift: Drift


def status(lab: Lab, unleased: Sequence[Unleased] = ()) -> Status:
    """Look at a running lab: addresses, leases, and drift from the plan.

    `unleased` is what was found out just now of leases that have not come. Raises NeedsRoot,
    NoSuchLab, KernelError.
    """
    require_root()
    run = RunDirectory(lab.name)
    with netns.held(lab.plan.namespaces):
        observed = observe(lab.plan, run)
    machines = tuple(_machines(lab, run, observed))
    resources = (*observed.resources, *leftovers(lab, run))
    return Status(
        lab,
        run.read(),
        machines,
        tuple(_unleased(lab, machines, unleased)),
        drift_between(lab.plan.resources, resources),
    )


def _unleased(
    lab: Lab, machines: Sequence[NodeStatus], explained: Sequence[Unleased]
) -> Iterator[Unleased]:
    reasons = {(adapter.node, adapter.interface): adapter for adapter in explained}
    for machine in machines:
        planned = {
            adapter.interface: adapter for adapter in lab.topology.nodes[machine.name].adapters
        }
        for adapter in machine.interfaces:
            if adapter.lease == {} and not adapter.released and not adapter.addresses:
                key = machine.name, adapter.name
                yield reasons.get(key) or Unleased(*key, presumed_reason(planned[adapter.name]))


def _machines(lab: Lab, run: RunDirectory, observed: Observation) -> Iterator[NodeStatus]:
    plugged = {
        (end.namespace, end.interface)
        for resource in observed.resources
        if isinstance(resource, Cable) and resource.is_up
        for end in resource.ends
    }
    for node in lab.topology.nodes.values():
        name = namespace(lab.name, node.name)
        yield NodeStatus(
            node.name,
            node.role.value,
            name,
            tuple(
                _adapter(adapter, name, (name, adapter.interface) in plugged, run, observed)
                for adapter in node.adapters
            ),
            str(node.uuid) if node.uuid else None,
            node.guest.hex if node.guest else None,
        )


def _adapter(
    adapter: Adapter, machine: str, is_up: bool, run: RunDirectory, observed: Observation
) -> AdapterStatus:
    """Look at one adapter; `machine` is its machine's namespace."""
    holder = NamespaceInterface(machine, adapter.holder)
    addresses = (
        *observed.addresses.get(holder, ()),
        *observed.ipv6.get(holder, ()),
    )
    return AdapterStatus(
        adapter.interface,
        adapter.network.name,
        "up" if is_up else "down",
        adapter.mac,
        () if adapter.bare else tuple(str(address) for address in addresses),
        lease(run, Lease(machine, adapter.holder)) if adapter.by_dhcp else None,
        adapter.model,
        adapter.released,
    )
