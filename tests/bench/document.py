"""The tables of docs/performance.md, made of the figures; each between `<!-- NAME -->` and `<!-- end -->`."""

from __future__ import annotations

import re
import statistics
from collections.abc import Callable, Iterable, Sequence

from tests.bench.results import TARGETS, Key, Results
from tests.bench.scenarios import EACH, LIMITS, TOGETHER

_TABLE = re.compile(r"<!-- ([a-z]+) -->\n.*?<!-- end -->", re.DOTALL)


def filled(text: str, results: Results) -> str:
    """The page with its tables made anew. Raises KeyError if something was not measured."""
    return _TABLE.sub(lambda found: _between(found[1], TABLES[found[1]](results)), text)


def _between(name: str, table: str) -> str:
    return f"<!-- {name} -->\n{table}\n<!-- end -->"


def _build(figure: str) -> Callable[[Results], str]:
    """Everybody's seconds for each size, and the exponent that fits."""

    def table(results: Results) -> str:
        sizes = results.sizes(figure)
        rows = [
            [
                who,
                *(_seconds(results, (figure, who, size)) for size in sizes),
                "–" if (exponent := results.growth(figure, who)) is None else f"{exponent:.2f}",
            ]
            for who in results.contestants(figure)
        ]
        return _table(["", *(f"{size:,}" for size in sizes), "exponent"], rows)

    return table


def _use(results: Results) -> str:
    figures = {
        "`status`": "status",
        "`trace vm1 vm2`": "probe",
        "`set vm1 firewall=on`": "change",
        "memory, MB a VM": "memory",
    }
    sizes = results.sizes("status")
    rows = [
        [words, *(_seconds(results, (figure, "netlab", size)) for size in sizes)]
        for words, figure in figures.items()
    ]
    return _table(["netlab, static VMs", *(f"{size:,}" for size in sizes)], rows)


def _matrix(results: Results) -> str:
    asked = {
        "30 VMs: netlab, replies only": ("matrix", "replies", 30),
        "30 VMs: netlab, every packet followed": ("matrix", "evidence", 30),
        "30 VMs: Mininet's `pingall`": ("matrix", "mininet", 30),
        "200 VMs: netlab, replies only": ("matrix", "replies", 200),
        "200 VMs: netlab, every packet followed": ("matrix", "evidence", 200),
        "20 machines, half of their pairs blocked: `netlab verify`": ("matrix", "half blocked", 20),
    }
    return _table(
        ["", "seconds"], ([words, _seconds(results, key)] for words, key in asked.items())
    )


def _start(results: Results) -> str:
    rows = (
        [f"`{who}`", _seconds(results, ("start", who, 0))] for who in results.contestants("start")
    )
    return _table(["", "seconds"], rows)


def _throughput(results: Results) -> str:
    ways = {"bridge": "through a bridge", "NAT": "through three routers with NAT"}
    rows = (
        [words, *(_seconds(results, (f"Gbit/s, {way}", who, 2)) for who in ("netlab", "by hand"))]
        for way, words in ways.items()
    )
    return _table(["TCP, Gbit/s", "netlab", "the same hops by hand"], rows)


def _limits(results: Results) -> str:
    rows = [
        [
            f"{mbit:,} Mbit/s",
            *(
                _percent(results, (f"off {mbit} Mbit/s", way, 1))
                for way in ("outgoing", "incoming")
            ),
        ]
        for mbit in LIMITS
    ]
    many = _percent(results, (f"off {EACH} Mbit/s", "many", TOGETHER))
    rows.append([f"{EACH} Mbit/s, {TOGETHER} VMs at once, the worst", many, "–"])
    return _table(["bandwidth", "outgoing is off by", "incoming"], rows)


def _targets(results: Results) -> str:
    rows = []
    for target in TARGETS:
        ratio = target.ratio(results)
        reached = "reached" if ratio <= target.times else "**not reached**"
        rows.append([target.what, f"{target.times:.3g}", f"{ratio:.3g}", reached])
    return _table(["what", "at most", "measured", ""], rows)


TABLES: dict[str, Callable[[Results], str]] = {
    "up": _build("up"),
    "down": _build("down"),
    "use": _use,
    "matrix": _matrix,
    "start": _start,
    "throughput": _throughput,
    "limits": _limits,
    "targets": _targets,
}


def _table(heading: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [heading, ["---", *("---:" for _ in heading[1:])], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _seconds(results: Results, key: Key) -> str:
    """The median, and between what the values lie: `2.00 (1.95–2.31)`."""
    if key not in results.values:
        return "–"
    values = results.values[key]
    return f"{_plain(statistics.median(values))} ({_plain(min(values))}–{_plain(max(values))})"


def _percent(results: Results, key: Key) -> str:
    return f"{100 * results.median(*key):.1f} %"


def _plain(value: float) -> str:
    return f"{value:.3f}" if abs(value) < 0.1 else f"{value:.2f}" if value < 100 else f"{value:.0f}"
