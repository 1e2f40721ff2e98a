"""The exchanges of a running lab: seen as they happen, and those that a person asks for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from netlab.errors import UsageError
from netlab.lab.packets import targets
from netlab.lab.packets.tapping import tapped
from netlab.packets import filters
from netlab.plan.names import node as node_of

if TYPE_CHECKING:
    from netlab.diagnosis.journey import Step
    from netlab.lab.labs import Lab
    from netlab.packets.stream import Stream
    from netlab.traffic.conversations import Conversation


@contextmanager
def watching(lab: Lab) -> Iterator[Stream]:
    """See every packet of a lab, but not all that it carries.

    `netlab.traffic.conversations.live` makes exchanges of them. Raises NeedsRoot.
    """
    with tapped(lab, (), filters.HEADERS) as stream:
        yield stream


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
