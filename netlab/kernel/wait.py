"""Waiting for a condition, which a signal may interrupt."""

from __future__ import annotations

import time
from collections.abc import Callable

from netlab.errors import KernelError
from netlab.kernel.signals import Interruption

_POLL_SECONDS = 0.002


def wait_until(
    condition: Callable[[], bool],
    seconds: float,
    failure: Callable[[], str],
    interruption: Interruption,
) -> None:
    """Poll until `condition` is true. Raises KernelError with `failure` after `seconds`, or Interrupted."""
    if not became_true(condition, seconds, interruption):
        raise KernelError(failure())


def became_true(condition: Callable[[], bool], seconds: float, interruption: Interruption) -> bool:
    """Poll until `condition` is true, for at most `seconds`; return whether it is. Raises Interrupted."""
    deadline = time.monotonic() + seconds
    while not condition():
        interruption.check()
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL_SECONDS)
    return True
