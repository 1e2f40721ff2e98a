"""Shipped scenarios with a title that the smallest edit has made false."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from netlab import lab
from netlab.scenario.loader import load_text


@contextmanager
def falsified(name: str, old: str, new: str) -> Iterator[lab.Lab]:
    """Run a shipped scenario in which a text, which stands in it once, is replaced."""
    shipped = lab.load(name).text.decode()
    assert shipped.count(old) == 1, "the mutant is no mutant"
    source = load_text(shipped.replace(old, new).encode(), f"{name}.yaml")
    with lab.running(lab.prepare(source, "mutant")) as running:
        yield running
