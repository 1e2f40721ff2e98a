"""A scenario with the text that it came from; written down so that it need not be read again."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from netlab import __version__
from netlab.errors import Problem
from netlab.scenario.model import Scenario
from netlab.scenario.topology import Topology, resolve


@dataclass(frozen=True)
class Source:
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

    def remembered(self) -> bytes:
        """For `recall`."""
        known = {
            "netlab": __version__,
            "text": _digest(self.text),
            "data": self.data,
            "warnings": [asdict(warning) for warning in self.warnings],
        }
        return json.dumps(known).encode()


def recall(text: bytes, file: str, memory: bytes) -> Source:
    """The checked scenario of a text; at once if that is the one that was `remembered`.

    Else the text is read and checked, which takes some times longer. Raises ScenarioError.
    """
    try:
        known = json.loads(memory)
        if (known["netlab"], known["text"]) == (__version__, _digest(text)):
            topology = resolve(Scenario.model_validate(known["data"]))
            warnings = tuple(Problem(**warning) for warning in known["warnings"])
            return Source(Path(file).stem, file, text, topology, warnings, known["data"])
    except (ValueError, LookupError, TypeError):
        pass  # Nothing was remembered, or by another netlab.
    from netlab.scenario.load import loads

    return loads(text, file)


def _digest(text: bytes) -> str:
    return hashlib.sha256(text).hexdigest()
