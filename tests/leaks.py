"""The fixtures that fail tests which leave anything behind."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from netlab import lab
from tests.machine import leftovers, load_modules, snapshot


@pytest.fixture(autouse=True, scope="module")
def unchanged_machine() -> Iterator[None]:
    """Compare the machine's own network before and after a module: a look is too dear for each test."""
    load_modules()
    machine, things = snapshot(), leftovers()
    yield
    assert leftovers() == things, "the tests left something of a lab behind"
    assert snapshot() == machine, "the machine's own network configuration has changed"


@pytest.fixture(autouse=True)
def no_leaks() -> Iterator[None]:
    """Compare what labs may leave, before and after each test."""
    before = leftovers()
    yield
    after = leftovers()
    # A service of a lab that goes on may have ended.
    assert after.processes <= before.processes, "the test left a program of a lab behind"
    assert replace(after, processes=before.processes) == before, "the test left a lab behind"


@pytest.fixture(autouse=True)
def no_drift(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail a test that leaves drift in a lab that others share, and repair the lab for them.

    Tests whose lab is not as planned on purpose are marked `leaves_drift`.
    """
    shared = lab.names()
    yield
    if request.node.get_closest_marker("leaves_drift") is None:
        drifts = {name: drift for name in shared if (drift := _repaired_drift(name))}
        assert not drifts, f"the test left drift behind: {drifts}"


def _repaired_drift(name: str) -> list[str]:
    """Return the drift of a lab, a line a resource; it is repaired then."""
    running = lab.attach(name)
    drift = lab.status(running).drift
    if drift:
        lab.repair(running)
    missing = [f"-{resource}" for resource in drift.missing]
    return missing + [f"+{resource}" for resource in drift.unplanned]
