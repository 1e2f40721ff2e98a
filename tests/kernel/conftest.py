"""Every test in this folder must leave the machine, and a lab that it shares, as it found them."""

from __future__ import annotations

from tests.leaks import no_drift, no_leaks, unchanged_machine

__all__ = ["no_drift", "no_leaks", "unchanged_machine"]
