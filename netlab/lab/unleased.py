"""Adapters that DHCP was to give an address, and that have none: which, and why."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from netlab.errors import SystemRefused
from netlab.frozen import frozen

if TYPE_CHECKING:
    from netlab.diagnosis.cause import Diagnosis
    from netlab.kernel.patience import Interruption
    from netlab.kernel.rundir import RunDirectory
    from netlab.lab.lifecycle import Lab
    from netlab.plan.resources import Lease
    from netlab.scenario.topology import Adapter


@frozen
class Unleased:
    """An adapter without an address."""

    node: str
    interface: str
    why: str

    def __str__(self) -> str:
        return f"{self.node} has no address on {self.interface}: {self.why}"


UnleasedCallback = Callable[[Unleased], None]
"""Told of each adapter whose lease has not come."""


def ignore(_: Unleased) -> None:
    """For who does not want to know."""


def explained(
    lab: Lab, run: RunDirectory, missing: Sequence[Lease], interruption: Interruption
) -> Iterator[Unleased]:
    """Why leases have not come, each by a DHCP question of its own that is followed.

    Whose question is answered is only slow, and is waited for once more. Raises Interrupted.
    """
    if not missing:
        return
    from netlab.diagnosis.verdict import Verdict
    from netlab.kernel.process import leases
    from netlab.kernel.resources.create import LEASE_SECONDS

    adapters = [_adapter(lab, fact) for fact in missing]
    for fact, adapter, found in zip(missing, adapters, _asked(lab, adapters), strict=True):
        is_served = not isinstance(found, str) and found.verdict is Verdict.ANSWERED
        if is_served and leases.await_another_try(run, fact, LEASE_SECONDS, interruption):
            continue
        yield Unleased(
            adapter.node, adapter.interface, found if isinstance(found, str) else told(found)
        )


def reasons(lab: Lab, adapters: Sequence[Adapter]) -> list[str]:
    """What becomes of a DHCP question of each of these adapters, in words."""
    if not adapters:
        return []
    return [found if isinstance(found, str) else told(found) for found in _asked(lab, adapters)]


def _asked(lab: Lab, adapters: Sequence[Adapter]) -> Sequence[Diagnosis | str]:
    """What was found out for each, or why nothing could be: that must not end what was done meanwhile."""
    from netlab.lab.packets import ask_dhcp

    try:
        return ask_dhcp(lab, adapters)
    except SystemRefused as error:
        return [f"its client has asked in vain; why could not be found out: {error}"] * len(
            adapters
        )


def told(finding: Diagnosis) -> str:
    """What became of a DHCP question, in a sentence."""
    from netlab.diagnosis import phrases

    if finding.cause is None:
        return "a server offers it an address, and its client has taken none yet"
    return phrases.where_and_why(finding)


def expected(adapter: Adapter) -> str:
    """Why an adapter has no lease that wants one, as far as that is known without asking anybody."""
    if adapter.in_vain:
        return f"{adapter.in_vain.why} ({adapter.in_vain.cause})"
    asked = f"`sudo netlab trace {adapter.node} {adapter.network.name} --by dhcp`"
    return f"its client asks, and gets no answer; {asked} says why"


def _adapter(lab: Lab, fact: Lease) -> Adapter:
    """The adapter that a lease is for."""
    from netlab.plan.names import node

    adapters = lab.topology.nodes[node(fact.namespace)].adapters
    return next(
        adapter for adapter in adapters if adapter.holder == fact.interface and not adapter.bare
    )
