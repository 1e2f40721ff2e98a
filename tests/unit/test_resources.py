"""Each kind of resource has its two halves: a class in the plan, a driver in the kernel."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from netlab.kernel.resources.drivers import DRIVERS
from netlab.plan.resources import Resource


def kinds(base: type[Resource] = Resource) -> Iterator[type[Resource]]:
    """Classes from which no other is derived."""
    for kind in base.__subclasses__():
        yield from kinds(kind) if kind.__subclasses__() else (kind,)


@pytest.mark.parametrize("kind", list(kinds()), ids=lambda kind: kind.__name__)
def test_a_kind_is_described_and_has_a_driver_in_a_file_of_the_same_name(kind):
    assert "__str__" in vars(kind)
    driver = type(DRIVERS[kind])
    assert driver.__module__.rpartition(".")[2] == kind.__module__.rpartition(".")[2]


def test_no_driver_is_without_its_kind():
    assert set(DRIVERS) == set(kinds())
