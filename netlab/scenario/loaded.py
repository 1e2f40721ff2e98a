"""A checked scenario, with the text that it came from."""

from __future__ import annotations

from dataclasses import field
from typing import Any

from netlab.errors import Problem
from netlab.frozen import frozen
from netlab.scenario.model import Scenario
from netlab.scenario.topology import Topology


@frozen
class LoadedScenario:
    """A checked scenario and the file that it came from."""

    name: str
    """The lab's default name: the file's, without `.yaml`."""
    file: str
    text: bytes
    topology: Topology
    warnings: tuple[Problem, ...] = ()
    """What works here, and would not with VMware."""
    data: Any = field(default=None, repr=False, compare=False)
    """The text's mappings, lists and words, before any meaning."""

    @property
    def scenario(self) -> Scenario:
        """What was asked for, before defaults."""
        return self.topology.scenario
