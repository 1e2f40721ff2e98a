"""A packet that scapy builds once: what differs from one to the next is filled in at its place."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import count, islice

from netlab.errors import Missing


def template(build: Callable[..., bytes], *sizes: int) -> bytes:
    """What `build` makes, with a place (`%b`) for each of its values, which are of so many bytes.

    `build` takes them in the order in which they stand in the packet. Where that is, is not known but
    found: it builds one of values that stand nowhere else. What is filled in then is compared, once, with
    what it makes of others.
    """
    marks, others = _values(sizes, first=0xA1), _values(sizes, first=0xC1)
    form = _form(build(*marks), marks)
    if form % others != build(*others):
        raise Missing(
            "this version of scapy builds other packets than netlab asks it for",
            "`pip install 'scapy>=2.8,<3'` brings one that does as it is told",
        )
    return form


def _values(sizes: Sequence[int], first: int) -> tuple[bytes, ...]:
    """Values of these sizes, in which no byte occurs twice."""
    numbers = count(first)
    return tuple(bytes(islice(numbers, size)) for size in sizes)


def _form(packet: bytes, marks: Sequence[bytes]) -> bytes:
    pieces = []
    for mark in marks:
        piece, _, packet = packet.partition(mark)
        pieces.append(piece)
    return b"%b".join(piece.replace(b"%", b"%%") for piece in [*pieces, packet])
