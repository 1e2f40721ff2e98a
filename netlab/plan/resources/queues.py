"""Queues: the bandwidth and the latency of an interface."""

from __future__ import annotations

from netlab.frozen import frozen
from netlab.plan.resources.base import OnInterface


@frozen
class Queue(OnInterface):
    """A queue slows down or delays the frames that leave an interface, and drops them beyond its room."""

    rate: int | None = None
    """Bits per second, of whole frames."""
    latency: int = 0
    """Microseconds."""
    jitter: int = 0
    """Microseconds, up and down."""

    creation_order = 5
    alterable = ("rate", "latency", "jitter")

    def __str__(self) -> str:
        speed = f" {self.rate} bit/s" * bool(self.rate)
        delay = f", {self.latency} ± {self.jitter} µs later" * bool(self.latency)
        return f"queue {self.namespace}/{self.interface}{speed}{delay}"
