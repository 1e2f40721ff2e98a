"""Ctrl-C outside of the lab's own handling of signals: raised, and remembered.

Remembered, since who is interrupted may raise something else for it: what is written in another language
wraps KeyboardInterrupt in an exception of its own, as pydantic's core does while it builds a model.
"""

from __future__ import annotations

import signal
from types import FrameType

_came = False


def interrupt(number: int, frame: FrameType | None) -> None:
    """Remember the signal and raise KeyboardInterrupt: the handler of SIGINT."""
    global _came
    _came = True
    signal.default_int_handler(number, frame)


def has_come() -> bool:
    """Return whether Ctrl-C has come, whatever was raised for it."""
    return _came
