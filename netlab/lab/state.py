"""A running lab as it is now."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from netlab.frozen import frozen
from netlab.lab.lifecycle import Lab, require_root, run_directory
from netlab.lab.unleased import Unleased, expected

if TYPE_CHECKING:
    from netlab.kernel.resources.observe import Observation
    from netlab.kernel.rundir import Record, RunDirectory
    from netlab.plan.plan import Drift
    from netlab.plan.resources import Namespace


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
    """The guest has given its lease back, and asks for none (`without_lease`)."""


@frozen
class Status:
    """A lab as it is now."""

    lab: Lab
    record: Record
    machines: tuple[NodeStatus, ...]
    unleased: tuple[Unleased, ...]
    """Adapters that want an address of DHCP and have none. Where nothing was changed, that is no drift."""
    drift: Drift


def status(lab: Lab, known: Sequence[Unleased] = ()) -> Status:
    """Look at a running lab: addresses, leases, and drift from the plan.

    `known` is what was found out just now of leases that have not come.
    """
    from netlab.kernel.resources.observe import observe
    from netlab.plan.plan import drift_between

    require_root()
    run = run_directory(lab.name)
    observed = observe(lab.plan, run)
    machines = tuple(_machines(lab, run, observed))
    there = (*observed.resources, *cut_off(lab, run))
    unleased = tuple(_unleased(lab, machines, known))
    return Status(lab, run.read(), machines, unleased, drift_between(lab.plan.resources, there))


def _unleased(
    lab: Lab, machines: Sequence[NodeStatus], known: Sequence[Unleased]
) -> Iterator[Unleased]:
    found_out = {(one.node, one.interface): one for one in known}
    for machine in machines:
        adapters = {
            adapter.interface: adapter for adapter in lab.topology.nodes[machine.name].adapters
        }
        for one in machine.interfaces:
            wants = one.lease == {} and not one.released and not one.addresses
            if wants:
                place = machine.name, one.name
                why = expected(adapters[one.name])
                yield found_out.get(place) or Unleased(*place, why)


def cut_off(lab: Lab, run: RunDirectory) -> tuple[Namespace, ...]:
    """Machines of another scenario: what a change has left that could not even be taken back."""
    from netlab.kernel.namespaces import netns
    from netlab.plan.resources import Namespace

    planned = set(lab.plan.namespaces)
    others = (name for name in run.read().namespaces if name not in planned)
    return tuple(Namespace(name) for name in others if netns.named(name))


def _machines(lab: Lab, run: RunDirectory, observed: Observation) -> Iterator[NodeStatus]:
    from netlab.kernel.process.services import lease
    from netlab.plan.names import namespace
    from netlab.plan.resources import Cable, Lease

    cables = [
        resource
        for resource in observed.resources
        if isinstance(resource, Cable) and resource.is_up
    ]
    plugged = {interface for cable in cables for interface in cable.interfaces}
    for node in lab.topology.nodes.values():
        place = namespace(lab.name, node.name)
        interfaces = tuple(
            AdapterStatus(
                adapter.interface,
                adapter.network.name,
                "up" if (place, adapter.interface) in plugged else "down",
                adapter.mac,
                tuple(
                    str(one)
                    for known in (observed.addresses, observed.ipv6)
                    for one in known.get((place, adapter.holder), ())
                    if not adapter.bare
                ),
                lease(run, Lease(place, adapter.holder)) if adapter.by_dhcp else None,
                adapter.model,
                adapter.released,
            )
            for adapter in node.adapters
        )
        yield NodeStatus(
            node.name,
            node.role.value,
            place,
            interfaces,
            str(node.uuid) if node.uuid else None,
            node.guest.hex if node.guest else None,
        )
