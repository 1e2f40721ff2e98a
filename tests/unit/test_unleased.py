"""Why a lease has not come is asked only where one has not."""

from __future__ import annotations

import pytest

from netlab import lab
from netlab.kernel.patience import Interruption
from netlab.kernel.rundir import RunDirectory
from netlab.lab import missing_leases


def test_where_every_lease_has_come_nobody_is_asked(monkeypatch):
    """A look at all the machines of a large lab takes longer than a change of one of them."""
    monkeypatch.setattr(lab, "ask_dhcp", lambda *_: pytest.fail("a question was asked"))
    planned = lab.prepare(lab.load("nat"))
    explained = missing_leases.explained(planned, RunDirectory("nat"), (), Interruption())
    assert not list(explained)
    assert not missing_leases.reasons(planned, [])
