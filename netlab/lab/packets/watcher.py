"""A running lab followed through its changes."""

from __future__ import annotations

import time
from collections import deque
from contextlib import suppress
from functools import reduce
from typing import TYPE_CHECKING

from netlab import lab as verbs
from netlab.errors import KernelError, NetlabError, NoSuchLab
from netlab.kernel.rundir import RunDirectory
from netlab.lab.attaching import attach
from netlab.lab.packets.network_map import netmap
from netlab.lab.registry import record

if TYPE_CHECKING:
    from netlab.diagnosis.journey import NetworkMap
    from netlab.kernel.state.owners import Owners
    from netlab.lab.labs import Lab

_REMEMBERED = 8
"""Changes of a lab for which what has gone is still known: its last packets may be under way."""
_OWNERS_SECONDS = 1.0
"""How old an answer may be."""


class LabWatcher:
    """A running lab as its last change has left it, for whatever goes on for long."""

    def __init__(self, lab: Lab) -> None:
        """Raises NoSuchLab."""
        self._lab = self._mapped = lab
        self._begun = record(lab.name).created
        self._stamp: object = None
        stamp, run = self._read_stamp(), RunDirectory(lab.name)
        with suppress(FileNotFoundError):
            if run.scenario.read_bytes() == lab.source.text:  # Else it was changed just now.
                self._stamp = stamp
        self._netmap = netmap(lab)
        self._maps = deque([self._netmap], maxlen=_REMEMBERED)
        self._owners: Owners | None = None
        self._asked = 0.0

    def current(self) -> Lab:
        """Return the lab; of one that has ended, or is being changed, as it was last."""
        stamp = self._read_stamp()
        if stamp != self._stamp and not self.ended:
            with suppress(NetlabError, OSError):  # In the middle of a change, or of its end.
                current = attach(self._lab.name)
                self._stamp = stamp
                if (current.source.text, current.plan) != (self._lab.source.text, self._lab.plan):
                    self._lab = current
        return self._lab

    def netmap(self) -> NetworkMap:
        """Return `netmap`, with what has come, and what has gone meanwhile: it may still be told of."""
        if (current := self.current()) is not self._mapped:
            self._mapped = current
            self._maps.append(netmap(current))
            self._netmap = reduce(lambda former, later: later.after(former), self._maps)
        return self._netmap

    def owners(self) -> Owners:
        """Return `owners`, asked anew if the last answer is a second old.

        Raises KernelError the first time only: a lab that has ended has last packets to tell of.
        """
        if self._owners is None or time.monotonic() - self._asked > _OWNERS_SECONDS:
            try:
                # By the facade: not everybody who watches a lab asks for them.
                self._owners = verbs.owners(self.current())
            except KernelError:
                if self._owners is None:
                    raise
            self._asked = time.monotonic()
        return self._owners

    @property
    def ended(self) -> bool:
        """True if the lab is down, or another one has its name."""
        try:
            return record(self._lab.name).created != self._begun
        except NoSuchLab:
            return True

    def _read_stamp(self) -> object:
        return RunDirectory(self._lab.name).stamp
