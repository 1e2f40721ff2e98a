"""How long things take, beside who else does them: medians of 5 in one run.

    make bench                                         everything: half an hour; needs an idle machine
    python -m tests.bench build start --sizes 3,30     some of it
    make guard                                         fails if a ratio is 2.5 times that of docs/bench.json

Prints a table; writes bench.json, and a plot of each figure with --plots DIR: docs/performance.md.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from pathlib import Path

from tests.bench import contestants, sections
from tests.bench.results import GUARDED, TARGETS, Results, read

SIZES = (3, 30, 100, 300, 1000)
WORSE = 2.5
"""A ratio that has grown by more is neither noise nor another machine's."""


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("sections", nargs="*", help=f"some of {', '.join(sections.SECTIONS)}")
    parser.add_argument("--sizes", default=",".join(map(str, SIZES)), help="how many VMs")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--json", type=Path, default=Path("bench.json"))
    parser.add_argument("--plots", type=Path, help="a folder for SVG files")
    parser.add_argument("--document", type=Path, help="a page whose tables are to be filled")
    parser.add_argument("--against", type=Path, help="an earlier run's JSON: ratios are compared")
    asked = parser.parse_args()
    sizes = tuple(map(int, asked.sizes.split(",")))
    results = Results()
    try:
        for name in asked.sections or (one for one in sections.SECTIONS if one != "guard"):
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
    if asked.document:
        from tests.bench.document import filled

        asked.document.write_text(filled(asked.document.read_text(), results))
    return compared(results, read(asked.against)) if asked.against else 0


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


def compared(results: Results, before: Results) -> int:
    """1 if a ratio between contestants is worse than in the earlier run; what that has not is new."""
    found = 0
    for what, (key, of) in GUARDED.items():
        now = results.median(*key) / results.median(*of)
        if of not in before.values:
            print(f"{'new':8}{what:45}{now:8.2f}")
            continue
        then = before.median(*key) / before.median(*of)
        worse = now > then * WORSE
        print(f"{'WORSE' if worse else 'fine':8}{what:45}{now:8.2f}, was {then:.2f}")
        found |= worse
    return int(found)


if __name__ == "__main__":
    sys.exit(main())
