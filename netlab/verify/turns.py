"""Probes in turns: few at a time to one program, which may let few others wait (listen(2), backlog)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterator, Sequence

from netlab.trace.model import TraceRequest

_TO_ONE_PROGRAM = 4


def turns(
    requests: Sequence[TraceRequest], kind: Callable[[TraceRequest], Hashable], most: int
) -> Iterator[list[int]]:
    """Yield the indexes of probes that go together: of one kind, at most so many, few to one program."""
    together: dict[tuple[Hashable, int], list[int]] = defaultdict(list)
    asked: dict[tuple[str | None, str, str], int] = defaultdict(int)
    for number, request in enumerate(requests):
        program = (request.ends.target, request.ends.to, request.by)
        together[kind(request), asked[program] // _TO_ONE_PROGRAM].append(number)
        asked[program] += 1
    for numbers in together.values():
        for first in range(0, len(numbers), most):
            yield numbers[first : first + most]
