"""Packets of one form that scapy builds once; the values that differ are filled in."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import count, islice

from netlab.errors import Missing


def template(build: Callable[..., bytes], *sizes: int) -> bytes:
    """Return the packet of `build` with `%b` in place of each of its values, which have these sizes in bytes.

    `build` takes the values in the order in which they stand in the packet. Their offsets are not known but
    found: it builds a packet of values that stand nowhere else. The first packet that is filled in is
    compared, once, with the one that `build` makes of the same values.
    """
    marks, values = _values(sizes, first=0xA1), _values(sizes, first=0xC1)
    form = _form(build(*marks), marks)
    if form % values != build(*values):
        raise Missing(
            "this version of scapy builds other packets than netlab asks it for",
            "`pip install 'scapy>=2.8,<3'` brings one that does as it is told",
        )
    return form


def _values(sizes: Sequence[int], first: int) -> tuple[bytes, ...]:
    """Return values of these sizes, in which no byte occurs twice."""
    numbers = count(first)
    return tuple(bytes(islice(numbers, size)) for size in sizes)


def _form(packet: bytes, marks: Sequence[bytes]) -> bytes:
    pieces = []
    for mark in marks:
        piece, _, packet = packet.partition(mark)
        pieces.append(piece)
    return b"%b".join(piece.replace(b"%", b"%%") for piece in [*pieces, packet])
