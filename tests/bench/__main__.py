"""How long things take, beside who else does them: medians of 5 in one run.

    make bench                                         everything: half an hour; needs an idle machine
    python -m tests.bench build start --sizes 3,30     some of it
    python -m tests.bench --against docs/bench.json    fails if a ratio has become 25 % worse

Prints a table; writes bench.json, and a plot of each figure with --plots DIR: docs/performance.md.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from pathlib import Path

from tests.bench import contestants, sections
from tests.bench.results import TARGETS, Results, read

SIZES = (3, 30, 100, 300, 1000)
WORSE = 1.25
"""A ratio that has grown by more is no noise any more."""


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("sections", nargs="*", help=f"some of {', '.join(sections.SECTIONS)}")
    parser.add_argument("--sizes", default=",".join(map(str, SIZES)), help="how many VMs")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--json", type=Path, default=Path("bench.json"))
    parser.add_argument("--plots", type=Path, help="a folder for SVG files")
    parser.add_argument("--against", type=Path, help="an earlier run's JSON")
    asked = parser.parse_args()
    sizes = tuple(map(int, asked.sizes.split(",")))
    results = Results()
    try:
        for name in asked.sections or sections.SECTIONS:
            for number in range(asked.runs):
                print(f"{name}, {number + 1} of {asked.runs}", file=sys.stderr)
                sections.SECTIONS[name](results, sizes)
                asked.json.write_text(json.dumps(results.document(), indent=1) + "\n")
    finally:
        contestants.clean_up()
    print(_table(results))
    if asked.plots:
        from tests.bench.plots import draw

        draw(results, asked.plots)
    return _worse(results, read(asked.against)) if asked.against else 0


def _table(results: Results) -> str:
    lines = [f"{'':28}{'':22}{'VMs':>6}{'median':>10}{'min':>10}{'max':>10}"]
    for (figure, who, size), values in results.values.items():
        numbers = "".join(
            f"{n:10.3f}" for n in (statistics.median(values), min(values), max(values))
        )
        lines.append(f"{figure:28}{who:22}{size or '':>6}{numbers}")
    for figure, who in dict.fromkeys((figure, who) for figure, who, _ in results.values):
        if exponent := results.growth(figure, who):
            lines.append(f"{figure:28}{who:22}  grows with size to the power of {exponent:.2f}")
    for target in TARGETS:
        try:
            ratio = target.ratio(results)
        except KeyError:
            continue  # It was not asked for.
        verdict = "reached" if ratio <= target.times else "NOT REACHED"
        lines.append(f"{target.what:50}{ratio:9.3f}   at most {target.times:.3f}   {verdict}")
    return "\n".join(lines)


def _worse(results: Results, before: Results) -> int:
    """1 if a ratio between contestants is worse than in the earlier run."""
    found = 0
    for target in TARGETS:
        if target.of:
            try:
                now, then = target.ratio(results), target.ratio(before)
            except KeyError:
                continue
            if now > then * WORSE and now > target.times:
                print(f"worse: {target.what}: {now:.3f}, was {then:.3f}")
                found = 1
    return found


if __name__ == "__main__":
    sys.exit(main())
