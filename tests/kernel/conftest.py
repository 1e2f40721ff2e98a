"""Every test in this folder must leave the machine as it found it."""

from __future__ import annotations

from tests.leaks import no_leaks, unchanged_machine

__all__ = ["no_leaks", "unchanged_machine"]
