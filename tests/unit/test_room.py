"""What a machine is too small for is said beforehand, with what to change."""

from __future__ import annotations

from dataclasses import replace

import pytest

from netlab import lab
from netlab.kernel.room import Room, narrows, walls

ENOUGH = Room(files=4096, processes=1000, memory=10**9, neighbours=1024)


@pytest.fixture(scope="module")
def plan():
    return lab.prepare(lab.load("three-modes")).plan


def test_a_usual_machine_has_room_for_a_usual_lab(plan):
    assert not [*walls(plan, ENOUGH), *narrows(plan, ENOUGH)]
    assert not [*walls(plan, Room(None, None, None, None)), *narrows(plan, ENOUGH)]


@pytest.mark.parametrize(
    ("short", "what", "remedy"),
    [
        ({"files": 60}, "open files", "ulimit -Hn"),
        ({"processes": 5}, "processes", "kernel.pid_max"),
        ({"memory": 10**6}, "MB of memory", "fewer VMs"),
    ],
)
def test_what_is_short_is_named_with_its_remedy(plan, short, what, remedy):
    (wall,) = walls(plan, replace(ENOUGH, **short))
    assert what in wall.what
    assert remedy in wall.fix


def test_few_neighbours_are_a_warning(plan):
    (warning,) = narrows(plan, replace(ENOUGH, neighbours=16))
    assert "gc_thresh3" in warning
