"""A plot of each figure that has several sizes, as SVG: seconds over the number of VMs, both logarithmic."""

from __future__ import annotations

from pathlib import Path

import matplotlib

from tests.bench.results import Results

matplotlib.use("svg")
matplotlib.rcParams["svg.hashsalt"] = "netlab"  # The same picture from the same numbers.
matplotlib.rcParams["svg.fonttype"] = "none"

from matplotlib import pyplot  # noqa: E402

_UNITS = {"memory": "MB a VM"}


def draw(results: Results, folder: Path) -> None:
    """Write FIGURE.svg for each figure into `folder`, which is made if need be."""
    folder.mkdir(parents=True, exist_ok=True)
    for figure in dict.fromkeys(figure for figure, _, _ in results.values):
        lines = _lines(results, figure)
        if any(len(points) > 1 for points in lines.values()):
            _draw(figure, lines, folder / f"{figure}.svg")


def _lines(results: Results, figure: str) -> dict[str, dict[int, float]]:
    lines: dict[str, dict[int, float]] = {}
    for one, who, size in sorted(results.values, key=lambda key: key[2]):
        if one == figure:
            lines.setdefault(who, {})[size] = results.median(figure, who, size)
    return lines


def _draw(figure: str, lines: dict[str, dict[int, float]], file: Path) -> None:
    chart, axes = pyplot.subplots(figsize=(6.4, 4))
    for who, points in lines.items():
        axes.plot(list(points), list(points.values()), marker="o", markersize=3, label=who)
    axes.set(xscale="log", xlabel="VMs", ylabel=_UNITS.get(figure, "seconds"), title=figure)
    if figure not in _UNITS:
        axes.set_yscale("log")
    sizes = sorted({size for points in lines.values() for size in points})
    axes.set_xticks(sizes, [f"{size:,}" for size in sizes])
    axes.minorticks_off()
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)
    chart.tight_layout()
    chart.savefig(file, metadata={"Date": None})
    pyplot.close(chart)
