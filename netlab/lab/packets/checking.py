"""The facts of a running lab's machines, measured."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netlab.kernel.host.doctor import require_root
from netlab.kernel.namespaces import netns
from netlab.kernel.process import services
from netlab.kernel.rundir import RunDirectory
from netlab.kernel.signals import deferred_signals
from netlab.lab.packets.network_map import namespaces
from netlab.plan.names import namespace
from netlab.plan.resources import Lease
from netlab.scenario.facts import machine_facts
from netlab.verify.facts.checked import check
from netlab.verify.facts.sources import ClientLease, FactSources

if TYPE_CHECKING:
    from netlab.lab.labs import Lab
    from netlab.scenario.topology import Adapter
    from netlab.verify.facts.checked import FactResult


def facts(lab: Lab) -> list[FactResult]:
    """Find out which of the facts that the scenario expects hold: a result for each and each machine.

    Nothing is asked of the kernel where there are none. Raises NeedsRoot, KernelError, Interrupted.
    """
    expectations = machine_facts(lab.topology)
    if not expectations:
        return []
    require_root()
    with netns.held(lab.plan.namespaces), deferred_signals() as interruption:
        present = {
            node: name for name, node in namespaces(lab).items() if node in lab.topology.nodes
        }
        sources = FactSources(
            lab.topology, present, lambda adapter: _lease(lab, adapter), interruption
        )
        return check(expectations, sources)


def _lease(lab: Lab, adapter: Adapter) -> ClientLease:
    run = RunDirectory(lab.name)
    client = Lease(namespace(lab.name, adapter.node), adapter.holder)
    values = services.lease(run, client)
    return ClientLease(
        values,
        is_readable=bool(values) or not run.lease(client.namespace, client.interface).exists(),
        runs=services.lives(run, client),
        asked_in_vain=services.has_asked_in_vain(run, client),
    )
