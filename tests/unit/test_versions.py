"""Which versions of libraries pyproject.toml allows."""

from __future__ import annotations

import pytest

from tests.versions import dependencies, lower_bound


def test_every_library_has_a_lowest_version_and_a_next_one_that_nobody_has_tried():
    assert [lower_bound(dependency) for dependency in dependencies()]


@pytest.mark.parametrize("dependency", ["click>=8.1", "click", "click<9", "click==8.1"])
def test_a_range_without_both_ends_is_refused(dependency):
    with pytest.raises(ValueError, match="must have a lower and an upper bound"):
        lower_bound(dependency)
