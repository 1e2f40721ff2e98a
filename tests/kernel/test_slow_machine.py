"""Nothing depends on a fast machine: a lab comes up right, and is measured right, on one 20 times slower."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.machine import NETLAB
from tests.pace import HANG_SECONDS, slowness

TIMES_SLOWER = 20
TRIES = 4
CPU = max(os.sched_getaffinity(0))

HOG = """
import os, sys, time
own, period = float(sys.argv[1]), 0.04
os.sched_setaffinity(0, {int(sys.argv[2])})
os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
parent = os.getppid()
print("ready", flush=True)
while os.getppid() == parent:
    end = time.perf_counter() + own * period
    while time.perf_counter() < end:
        pass
    time.sleep((1 - own) * period)
"""
"""Takes its share of a processor before anybody else gets any."""


@contextmanager
def hog(left: float) -> Iterator[None]:
    """Leave this part of the processor, 0 to 1, to everybody else."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOG, str(1 - left), str(CPU)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout.readline() == "ready\n"
        yield
    finally:
        process.kill()
        process.communicate()


def slowly(*command: str) -> subprocess.CompletedProcess[str]:
    """A command on what the hog leaves of the processor."""
    return subprocess.run(
        command, capture_output=True, text=True, timeout=HANG_SECONDS * TIMES_SLOWER,
        preexec_fn=lambda: os.sched_setaffinity(0, {CPU}),
    )  # fmt: skip


@pytest.fixture(autouse=True)
def slow_machine() -> Iterator[None]:
    """Measured, not reckoned: how fast the machine is by itself changes from one moment to the next."""
    left = min(1.0, slowness() / TIMES_SLOWER)
    for _ in range(TRIES):
        with hog(left):
            pace = float(slowly(sys.executable, "-m", "tests.pace").stdout)
            if pace > TIMES_SLOWER / 2:
                yield
                return
        left /= 2
    pytest.fail(f"the hog makes this machine {pace:.1f} times slower, not {TIMES_SLOWER}")


def test_a_lab_comes_up_right_and_is_measured_right():
    done = slowly(*NETLAB, "run", "three-modes", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    matrix = json.loads(done.stdout)
    assert (matrix["failed"], matrix["passed"]) == (0, len(matrix["cells"]))
