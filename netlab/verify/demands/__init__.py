"""Demands that a rule makes on a probe, a file for each kind.

A demand is a key of `scenario.model.Rule`, a file here with a function that says in words what is not met,
and a line in `DEMANDS`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from netlab.scenario.expectation import Expectation
from netlab.verify.demands import (
    answerer,
    dhcp,
    dns,
    http,
    place,
    reason,
    sender,
    size,
    throughput,
    verdict,
    way,
)
from netlab.verify.demands.probed import Probed

DEMANDS: Sequence[Callable[[Expectation, Probed], str | None]] = (
    verdict.unmet,
    sender.unmet,
    reason.unmet,
    place.unmet,
    way.unmet,
    answerer.unmet,
    dns.unmet,
    http.unmet,
    dhcp.unmet,
    size.unmet,
    throughput.unmet,
)


def unmet(expectation: Expectation, measured: Probed) -> str | None:
    """Return why an expectation is not met, None if it is: the first demand that is not."""
    reasons = (demand(expectation, measured) for demand in DEMANDS)
    return next((reason for reason in reasons if reason), None)
