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
    """A checked scenario, with its file's name, text and data."""

    name: str
    """The lab's default name: the file's, without `.yaml`."""
    file: str
    text: bytes
    topology: Topology
    warnings: tuple[Problem, ...] = ()
    """Warnings of what works here, but not with VMware, or not as one may think."""
    data: Any = field(default=None, repr=False, compare=False)
    """The text's mappings, lists and words, before they are checked."""

    @property
    def scenario(self) -> Scenario:
        """The scenario as it is written, before defaults."""
        return self.topology.scenario
