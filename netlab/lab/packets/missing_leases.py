"""Why leases have not come, found out by DHCP questions that are followed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from netlab.diagnosis import phrases
from netlab.diagnosis.verdict import Verdict
from netlab.errors import SystemRefused
from netlab.kernel.process import leases
from netlab.kernel.resources.base import FACT_SECONDS
from netlab.kernel.rundir import RunDirectory
from netlab.kernel.signals import deferred_signals
from netlab.lab.packets.tracing import ask_dhcp
from netlab.lab.unleased import Unleased, UnleasedCallback
from netlab.plan.names import node as node_of

if TYPE_CHECKING:
    from netlab.diagnosis.cause import Diagnosis
    from netlab.lab.labs import Lab
    from netlab.plan.resources import Lease
    from netlab.scenario.topology import Adapter


def explain_leases(lab: Lab, missing: Sequence[Lease], unleased: UnleasedCallback) -> None:
    """Tell `unleased` why leases have not come, each by a DHCP question of its own that is followed.

    A client whose question is answered is only slow, and is waited for once more. Raises Interrupted.
    """
    run = RunDirectory(lab.name)
    adapters = [_adapter(lab, lease) for lease in missing]
    with deferred_signals() as interruption:
        for lease, adapter, finding in zip(missing, adapters, _ask(lab, adapters), strict=True):
            is_served = not isinstance(finding, str) and finding.verdict is Verdict.ANSWERED
            if is_served and leases.await_another_try(run, lease, FACT_SECONDS, interruption):
                continue
            unleased(Unleased(adapter.node, adapter.interface, _sentence(finding)))


def lease_reasons(lab: Lab, adapters: Sequence[Adapter]) -> list[str]:
    """Say in words what becomes of a DHCP question of each of these adapters."""
    return [_sentence(finding) for finding in _ask(lab, adapters)]


def _ask(lab: Lab, adapters: Sequence[Adapter]) -> Sequence[Diagnosis | str]:
    """Return a diagnosis for each, or why there is none: that must not end what was done meanwhile."""
    try:
        return ask_dhcp(lab, adapters)
    except SystemRefused as error:
        return [f"its client has asked in vain; why could not be found out: {error}"] * len(
            adapters
        )


def _sentence(finding: Diagnosis | str) -> str:
    """Say what became of a DHCP question."""
    if isinstance(finding, str):
        return finding
    if finding.cause is None:
        return "a server offers it an address, and its client has taken none yet"
    return phrases.where_and_why(finding)


def _adapter(lab: Lab, lease: Lease) -> Adapter:
    """Return the adapter that a lease is for."""
    adapters = lab.topology.nodes[node_of(lease.namespace)].adapters
    return next(
        adapter for adapter in adapters if adapter.holder == lease.interface and not adapter.bare
    )
