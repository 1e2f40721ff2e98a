"""Adapters that DHCP was to give an address, and that have none."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from netlab import lab as verbs
from netlab.frozen import frozen

if TYPE_CHECKING:
    from netlab.lab.labs import Lab
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
    """Take no notice: the callback of who does not want to know."""


def presumed_reason(adapter: Adapter) -> str:
    """Say why an adapter has no lease that wants one, as far as that is known without asking anybody."""
    if adapter.in_vain:
        return f"{adapter.in_vain.why} ({adapter.in_vain.cause})"
    question = f"`sudo netlab trace {adapter.node} {adapter.network.name} --by dhcp`"
    return f"its client asks, and gets no reply; {question} says why"


def report_missing(lab: Lab, missing: Sequence[Lease], unleased: UnleasedCallback) -> None:
    """Tell `unleased` of each lease that has not come, with the reason. Raises Interrupted."""
    if missing:  # By the facade: to follow packets takes many modules, and most leases come.
        verbs.explain_leases(lab, missing, unleased)
