"""A probe's drops, as the kernel's tracepoints tell them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netlab.kernel.host.doctor import require_root
from netlab.kernel.host.tracepoints import audit
from netlab.lab.packets.tracing import trace
from netlab.trace.audit import account

if TYPE_CHECKING:
    from netlab.lab.labs import Lab
    from netlab.trace.audit import DropAudit
    from netlab.trace.trace import Trace


def trace_with_drops(
    lab: Lab, source: str, target: str | None = None, by: str = "icmp", wait: float = 0.0
) -> tuple[Trace, DropAudit]:
    """Do what `trace` does, and return what the kernel says of its drops meanwhile as well.

    Raises Missing without tracepoints, and what `trace` raises.
    """
    require_root()
    with audit() as recorded:
        traced = trace(lab, source, target, by, wait)
    return traced, account(recorded, traced)
