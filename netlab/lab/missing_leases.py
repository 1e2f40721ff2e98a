"""Why leases have not come, found out by DHCP questions that are followed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from netlab import lab as verbs
from netlab.diagnosis.cause import sentences
from netlab.diagnosis.verdict import Verdict
from netlab.errors import SystemRefused
from netlab.kernel.process import leases
from netlab.kernel.resources.create import LEASE_SECONDS
from netlab.lab.unleased import Unleased, UnleasedCallback
from netlab.plan.names import node as node_of

if TYPE_CHECKING:
    from netlab.diagnosis.cause import Diagnosis
    from netlab.kernel.patience import Interruption
    from netlab.kernel.rundir import RunDirectory
    from netlab.lab.labs import Lab
    from netlab.plan.resources import Lease
    from netlab.scenario.topology import Adapter


def report_missing(
    lab: Lab,
    run: RunDirectory,
    missing: Sequence[Lease],
    interruption: Interruption,
    unleased: UnleasedCallback,
) -> None:
    """Tell `unleased` of each lease that has not come, with the reason. Raises Interrupted."""
    for adapter in explained(lab, run, missing, interruption):
        unleased(adapter)


def explained(
    lab: Lab, run: RunDirectory, missing: Sequence[Lease], interruption: Interruption
) -> Iterator[Unleased]:
    """Say why leases have not come, each by a DHCP question of its own that is followed.

    A client whose question is answered is only slow, and is waited for once more. Raises Interrupted.
    """
    if not missing:
        return
    adapters = [_adapter(lab, lease) for lease in missing]
    findings = _ask(lab, adapters)
    for lease, adapter, finding in zip(missing, adapters, findings, strict=True):
        is_served = not isinstance(finding, str) and finding.verdict is Verdict.ANSWERED
        if is_served and leases.await_another_try(run, lease, LEASE_SECONDS, interruption):
            continue
        yield Unleased(adapter.node, adapter.interface, _sentence(finding))


def reasons(lab: Lab, adapters: Sequence[Adapter]) -> list[str]:
    """Say in words what becomes of a DHCP question of each of these adapters."""
    return [_sentence(finding) for finding in _ask(lab, adapters)] if adapters else []


def _ask(lab: Lab, adapters: Sequence[Adapter]) -> Sequence[Diagnosis | str]:
    """Return a diagnosis for each, or why there is none: that must not end what was done meanwhile."""
    try:
        # By the facade: to follow packets takes many modules, and most leases come.
        return verbs.ask_dhcp(lab, adapters)
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
    sentence = sentences(finding)["en"]
    return f"at {finding.at}, {sentence} ({finding.cause}: {finding.evidence})"


def _adapter(lab: Lab, lease: Lease) -> Adapter:
    """Return the adapter that a lease is for."""
    adapters = lab.topology.nodes[node_of(lease.namespace)].adapters
    return next(
        adapter for adapter in adapters if adapter.holder == lease.interface and not adapter.bare
    )
