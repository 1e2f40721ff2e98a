"""What was measured, as data: medians, ratios between contestants, growth with size."""

from __future__ import annotations

import json
import math
import os
import platform
import statistics
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.bench.scenarios import EACH, LIMITS, TOGETHER

Key = tuple[str, str, int]
"""The figure, who was measured, and how many VMs there were."""


@dataclass
class Results:
    """Every value of every figure, in seconds unless the figure's name says otherwise."""

    values: dict[Key, list[float]] = field(default_factory=lambda: defaultdict(list))

    def add(self, figure: str, who: str, size: int, value: float) -> None:
        self.values[figure, who, size].append(value)

    def median(self, figure: str, who: str, size: int) -> float:
        """Raises KeyError if it was not measured."""
        if (figure, who, size) not in self.values:
            raise KeyError((figure, who, size))
        return statistics.median(self.values[figure, who, size])

    def sizes(self, figure: str) -> list[int]:
        """For how many VMs it was measured by all who were."""
        each = [self._sizes_of(figure, who) for who in self.contestants(figure)]
        return sorted(set.intersection(*each)) if each else []

    def contestants(self, figure: str) -> list[str]:
        """Who was measured, in that order."""
        return list(dict.fromkeys(who for one, who, _ in self.values if one == figure))

    def growth(self, figure: str, who: str, smallest: int = 30) -> float | None:
        """The exponent of size that fits the medians best: 1 is a straight line; None: too few sizes.

        What the smallest network of all takes is left out: it is the same for every size.
        """
        medians = {size: self.median(figure, who, size) for size in self._sizes_of(figure, who)}
        same = medians[min(medians)] if min(medians) < smallest else 0.0
        more = {size: value - same for size, value in medians.items() if size >= smallest}
        if len(more) < 2 or min(more.values()) <= 0:
            return None
        return statistics.linear_regression(
            [math.log(size) for size in more], [math.log(value) for value in more.values()]
        ).slope

    def _sizes_of(self, figure: str, who: str) -> set[int]:
        return {size for one, other, size in self.values if (one, other) == (figure, who)}

    def document(self) -> dict[str, Any]:
        """For JSON; `read` reads it."""
        return {
            "machine": {
                "kernel": platform.release(),
                "python": platform.python_version(),
                "cores": os.cpu_count(),
            },
            "series": [
                {"figure": figure, "who": who, "size": size, "values": values}
                for (figure, who, size), values in self.values.items()
            ],
        }


def read(file: Path) -> Results:
    """What an earlier run has written."""
    results = Results()
    for row in json.loads(file.read_text())["series"]:
        results.values[row["figure"], row["who"], row["size"]] = row["values"]
    return results


@dataclass(frozen=True)
class Target:
    """A figure that is to be at most `times` another one, plus a third; or a number of seconds."""

    what: str
    key: Key
    times: float
    of: Key | None = None
    plus: Key | None = None

    def ratio(self, results: Results) -> float:
        """To what it is compared with, or to the number itself: below `times`, it is reached."""
        extra = results.median(*self.plus) if self.plus else 0.0
        measured = results.median(*self.key) - extra
        return measured / results.median(*self.of) if self.of else measured


START = ("start", "python -c pass", 0)


def _up(who: str, size: int) -> Key:
    return ("up", who, size)


def _matrix(who: str, size: int) -> Key:
    return ("matrix", who, size)


def _tcp(way: str, who: str = "netlab") -> Key:
    return (f"Gbit/s, {way}", who, 2)


TARGETS = (
    Target("300 VMs up, of Mininet's time", _up("netlab", 300), 1 / 8, _up("mininet", 300)),
    Target("300 VMs up, but the start, of the floor", _up("netlab", 300), 2.5, _up("floor", 300), START),
    Target("300 VMs down, of Mininet's time", ("down", "netlab", 300), 1 / 15, ("down", "mininet", 300)),
    Target("matrix of 30, replies, of pingall", _matrix("replies", 30), 1 / 25, _matrix("mininet", 30)),
    Target("matrix of 30, evidence, of pingall", _matrix("evidence", 30), 1 / 6, _matrix("mininet", 30)),
    Target("matrix of 200, replies: seconds", _matrix("replies", 200), 5),
    Target("matrix of 200, evidence: seconds", _matrix("evidence", 200), 20),
    Target("380 pairs, half blocked: seconds", _matrix("half blocked", 20), 3),
    Target("200 VMs with leases up: seconds", _up("netlab, leases", 200), 5),
    Target("1,000 VMs up: seconds", _up("netlab", 1000), 12),
    Target("1,000 VMs with leases up: seconds", _up("netlab, leases", 1000), 40),
    Target("memory of a VM among 300: MB", ("memory", "netlab", 300), 1),
    Target("netlab --version, of the bare start", ("start", "netlab --version", 0), 8, START),
    Target("status of 1,000 VMs: seconds", ("status", "netlab", 1000), 1.5),
    Target("a VM changed among 1,000: seconds", ("change", "netlab", 1000), 0.5),
    Target("TCP by hand, of TCP through a bridge", _tcp("bridge", "by hand"), 1 / 0.98, _tcp("bridge")),
    Target("TCP by hand, of TCP through NAT", _tcp("NAT", "by hand"), 1 / 0.98, _tcp("NAT")),
    *(
        Target(f"{mbit} Mbit/s, {way}: off by", (f"off {mbit} Mbit/s", way, 1), 0.05)
        for mbit in LIMITS
        for way in ("outgoing", "incoming")
    ),
    Target(f"{EACH} Mbit/s for each of {TOGETHER} VMs: the worst is off by",
           (f"off {EACH} Mbit/s", "many", TOGETHER), 0.05),
)  # fmt: skip
"""Seconds: on a machine with 2 cores."""

GUARDED = {
    "100 VMs up, of the floor": (_up("netlab", 100), _up("floor", 100)),
    "100 VMs up, of pyroute2's own calls": (
        _up("netlab", 100),
        _up("pyroute2, as documented", 100),
    ),
    "status of 100 VMs, of the floor's up": (("status", "netlab", 100), _up("floor", 100)),
    "a VM of 100 changed, of the floor's up": (("change", "netlab", 100), _up("floor", 100)),
    "matrix of 30, replies, of the floor's up": (_matrix("replies", 30), _up("floor", 100)),
    "matrix of 30, evidence, of the floor's up": (_matrix("evidence", 30), _up("floor", 100)),
    "netlab --version, of the bare start": (("start", "netlab --version", 0), START),
}
"""What must not become slower beside something that is not netlab's."""
