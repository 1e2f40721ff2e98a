"""The exchanges of a running lab that a person asks for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from netlab.errors import UsageError
from netlab.lab.packets import targets
from netlab.plan.names import node as node_of

if TYPE_CHECKING:
    from netlab.diagnosis.journey import Step
    from netlab.lab.labs import Lab
    from netlab.traffic.conversations import Conversation


def exchange_filter(lab: Lab, names: Sequence[str]) -> Callable[[Conversation], bool]:
    """Return a test of whether an exchange has passed some nodes or networks; no names: any has.

    Raises UsageError for what the lab does not have.
    """
    for name in names:
        if ":" in name:
            raise UsageError(f"'{name}' is an adapter", "name its node or its network")
    interfaces = {
        node_of(namespace): chosen for namespace, chosen in targets.points(lab, names).items()
    }

    def passes(step: Step) -> bool:
        chosen = interfaces.get(step.node)
        if not chosen:
            return chosen is not None
        outlets = (step.came_in, *step.went_out) if step.came_in else step.went_out
        return any(outlet.interface in chosen for outlet in outlets)

    return lambda exchange: not names or any(passes(step) for step in exchange.steps)
