"""The fixtures that fail tests which leave anything behind."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

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
