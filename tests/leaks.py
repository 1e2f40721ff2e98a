"""The fixture that fails a test which leaves anything behind."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.machine import leftovers, load_modules, snapshot


@pytest.fixture(autouse=True, scope="session")
def no_leaks_at_all() -> Iterator[None]:
    """The same around everything: labs of a whole module end after its last test."""
    load_modules()
    machine, things = snapshot(), leftovers()
    yield
    assert leftovers() == things, "the tests left something of a lab behind"
    assert snapshot() == machine, "the machine's own network configuration has changed"


@pytest.fixture(autouse=True)
def no_leaks() -> Iterator[None]:
    """Compare the machine before and after: its own network, and what labs may leave."""
    machine, things = snapshot(), leftovers()
    yield
    assert leftovers() == things, "the test left something of a lab behind"
    assert snapshot() == machine, "the machine's own network configuration has changed"
