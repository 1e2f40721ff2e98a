"""Why a lease has not come is asked only where one has not."""

from __future__ import annotations

import pytest

from netlab import lab
from netlab.lab.unleased import report_missing


def test_where_every_lease_has_come_nobody_is_asked(monkeypatch):
    """A look at all the machines of a large lab takes longer than a change of one of them."""
    monkeypatch.setattr(lab, "explain_leases", lambda *_: pytest.fail("a question was asked"))
    report_missing(lab.prepare(lab.load("nat")), (), pytest.fail)
