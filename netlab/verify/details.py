"""Details of a probe that is over, beyond its outcome: its way, who answered, and what the reply says."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netlab.frozen import frozen

if TYPE_CHECKING:
    from netlab.probes.answers import Answer


@frozen
class Throughput:
    """A second of packets between two machines, as iperf3 counts it."""

    bandwidth: float = 0.0
    """Bits per second that arrived."""
    loss: float = 0.0
    """Percent of the datagrams that did not arrive."""


@frozen
class Details:
    """Sightings of one probe, put together."""

    passed: frozenset[str] | None = None
    """Machines and switches that the request has passed or reached; None: it was not followed."""
    answered_by: str = ""
    """Node; empty: not known, or nobody."""
    answer: Answer | None = None
    """None: there was none, or the kind of probe has no content."""
    throughput: Throughput | None = None


NO_DETAILS = Details()
