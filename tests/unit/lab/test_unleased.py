"""Why a lease has not come is asked only where one has not."""

from __future__ import annotations

import pytest

from netlab import lab
from netlab.kernel.rundir import RunDirectory
from netlab.kernel.signals import Interruption
from netlab.lab import packets, unleased


def test_where_every_lease_has_come_nobody_is_asked(monkeypatch):
    """A look at all the machines of a large lab takes longer than a change of one of them."""
    monkeypatch.setattr(packets, "ask_dhcp", lambda *_: pytest.fail("a question was asked"))
    planned = lab.prepare(lab.load("nat"))
    found = unleased.explained(planned, RunDirectory("nat"), (), Interruption())
    assert not list(found)
    assert not unleased.reasons(planned, [])
