"""Leases of a running lab asked for anew."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netlab import lab as verbs
from netlab.errors import KernelError
from netlab.kernel.host.doctor import require_root
from netlab.kernel.process import leases
from netlab.kernel.rundir import RunDirectory
from netlab.kernel.signals import deferred_signals
from netlab.lab.changing.applying import apply
from netlab.lab.changing.edits import clients, renew_lease
from netlab.lab.unleased import Unleased
from netlab.plan.names import namespace
from netlab.plan.resources import DhcpClient

if TYPE_CHECKING:
    from netlab.kernel.resources.create import Progress
    from netlab.lab.labs import Lab


def renew(lab: Lab, target: str, seconds: float = 15.0, progress: Progress | None = None) -> Lab:
    """Let a machine (`vm1`), or one adapter of it, ask DHCP anew, and wait for the reply.

    As `ipconfig /renew` does it: a server that does not answer within 4 s loses its client, who then
    asks everybody. Returns the lab, changed if there was a lease that had been given back. Raises
    UsageError if nothing there is configured by DHCP; KernelError, with the reason, if it has asked
    in vain or `seconds` are over.
    """
    require_root()
    unleased: list[Unleased] = []
    renewed = apply(lab, renew_lease(lab, target), progress, unleased.append)
    adapters = {
        (namespace(lab.name, adapter.node), adapter.holder): adapter
        for adapter in clients(renewed, target)
    }
    asking = [
        resource
        for resource in renewed.plan.resources
        if isinstance(resource, DhcpClient) and (resource.namespace, resource.interface) in adapters
    ]
    explained = {(adapter.node, adapter.interface) for adapter in unleased}
    run = RunDirectory(lab.name)
    silent = [adapter for adapter in adapters.values() if not adapter.asks]
    with deferred_signals() as interruption, run.locked():
        for client in asking:
            adapter = adapters[client.namespace, client.interface]
            is_new = client not in lab.plan.resources
            ask = leases.await_lease if is_new else leases.renew
            if (adapter.node, adapter.interface) not in explained and not ask(
                run, client, seconds, interruption
            ):
                silent.append(adapter)
    if silent:  # By the facade, as in `report_missing`.
        reasons = verbs.lease_reasons(renewed, silent)
        unleased += [
            Unleased(adapter.node, adapter.interface, reason)
            for adapter, reason in zip(silent, reasons, strict=True)
        ]
    if unleased:
        sentences = (
            f"{adapter.node} gets no lease on {adapter.interface}: {adapter.why}"
            for adapter in unleased
        )
        raise KernelError("; ".join(sentences))
    return renewed
