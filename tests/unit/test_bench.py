"""What `make bench` says of its figures: growth, ratios, the tables of docs/performance.md."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.bench.__main__ import compared
from tests.bench.document import filled
from tests.bench.results import GUARDED, Results, read

PAGE = Path("docs/performance.md")
MEASURED = Path("docs/bench.json")


def of(medians: dict[int, float]) -> Results:
    results = Results()
    for size, seconds in medians.items():
        results.add("up", "netlab", size, seconds)
    return results


def test_growth_is_that_of_what_each_machine_adds():
    assert of({3: 1.03, 30: 1.3, 300: 4.0, 1000: 11.0}).growth("up", "netlab") == pytest.approx(
        1, 0.05
    )
    assert of({30: 0.09, 300: 9.0}).growth("up", "netlab") == pytest.approx(2)
    assert of({3: 1.0, 30: 1.0, 300: 4.0}).growth("up", "netlab") is None, "it fits no power"
    assert of({300: 4.0}).growth("up", "netlab") is None


def test_the_guard_compares_with_others_and_not_with_a_clock():
    before = Results()
    for key in {key for pair in GUARDED.values() for key in pair}:
        before.add(*key, 1.0)
    slow_machine, slow_netlab = Results(), Results()
    for key in before.values:
        slow_machine.add(*key, 10.0)
        slow_netlab.add(*key, 10.0 if key[1] == "netlab" else 1.0)
    assert compared(slow_machine, before) == 0
    assert compared(slow_netlab, before) == 1


def test_the_page_has_the_figures_that_were_measured():
    text = PAGE.read_text()
    assert text.count("<!-- end -->") == 8
    assert text == filled(text, read(MEASURED)), "make bench BENCH='--document docs/performance.md'"
