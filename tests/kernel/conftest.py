"""Every test in this folder must leave the machine as it found it."""

from __future__ import annotations

from tests.leaks import no_leaks, no_leaks_at_all

__all__ = ["no_leaks", "no_leaks_at_all"]
