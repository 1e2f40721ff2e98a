"""Waiting until a fact is true, which a signal may interrupt."""

from __future__ import annotations

import time
from collections.abc import Callable

from netlab.errors import KernelError
from netlab.kernel.signals import Interruption

_POLL_SECONDS = 0.002


def wait_until(
    fact: Callable[[], bool], seconds: float, failure: Callable[[], str], interruption: Interruption
) -> None:
    """Poll until `fact` is true. Raises KernelError with `failure` after `seconds`, or Interrupted."""
    if not became_true(fact, seconds, interruption):
        raise KernelError(failure())


def became_true(fact: Callable[[], bool], seconds: float, interruption: Interruption) -> bool:
    """Poll until `fact` is true, for at most `seconds`; return whether it is. Raises Interrupted."""
    deadline = time.monotonic() + seconds
    while not fact():
        interruption.check()
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL_SECONDS)
    return True
