"""Adapters that DHCP was to give an address, and that have none."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from netlab.frozen import frozen

if TYPE_CHECKING:
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
    return f"its client asks, and gets no answer; {question} says why"
