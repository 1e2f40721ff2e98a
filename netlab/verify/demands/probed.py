"""A probe that is over, as demands look at it."""

from __future__ import annotations

from netlab.diagnosis.verdict import Outcome
from netlab.frozen import frozen
from netlab.verify.details import NO_DETAILS, Details


@frozen
class Probed:
    """A probe that is over."""

    outcome: Outcome
    allowed_sources: tuple[str, ...] = ()
    """Source addresses with which the target may see it; none: it does not matter."""
    details: Details = NO_DETAILS
