"""Packets of a running lab, captured where they pass."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from netlab.lab.packets.tapping import tapped
from netlab.packets import bpf

if TYPE_CHECKING:
    from netlab.lab.labs import Lab
    from netlab.packets.stream import Stream


@contextmanager
def capture(
    lab: Lab, points: Sequence[str] = (), expression: str = "", snaplen: int | None = None
) -> Iterator[Stream]:
    """See the packets at some points of a lab, for the length of a block.

    A point is a node (`vm1`: all its adapters), an adapter (`vm1:eth0`) or a network (all its ports);
    no points: everywhere, also at what comes later. `expression` is a filter as tcpdump has them; of a
    frame, the first `snaplen` bytes are kept. Signals end the stream, not the block. Raises UsageError,
    Missing, NeedsRoot.
    """
    program = bpf.compiled(expression, snaplen or bpf.WHOLE) if expression or snaplen else b""
    with tapped(lab, points, program) as stream:
        yield stream
