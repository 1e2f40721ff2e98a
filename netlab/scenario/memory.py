"""A checked scenario written down, so that its text need not be read and checked again."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from pathlib import Path

from netlab import __version__
from netlab.errors import Problem
from netlab.scenario.model import Scenario
from netlab.scenario.source import Source
from netlab.scenario.topology import resolve


def remember(source: Source) -> bytes:
    """For `recall`."""
    known = {
        "netlab": __version__,
        "text": _digest(source.text),
        "data": source.data,
        "warnings": [asdict(warning) for warning in source.warnings],
    }
    return json.dumps(known).encode()


def recall(text: bytes, file: str, memory: bytes) -> Source:
    """The checked scenario of a text; at once if that is the one that was `remember`ed.

    Else the text is read and checked, which takes some times longer. Raises ScenarioError.
    """
    try:
        known = json.loads(memory)
        if (known["netlab"], known["text"]) == (__version__, _digest(text)):
            topology = resolve(Scenario.model_validate(known["data"]))
            warnings = tuple(Problem(**warning) for warning in known["warnings"])
            return Source(Path(file).stem, file, text, topology, warnings, known["data"])
    except (ValueError, LookupError, TypeError, RecursionError):
        pass  # Nothing was remembered, or by another netlab.
    from netlab.scenario.load import loads

    return loads(text, file)


def _digest(text: bytes) -> str:
    return hashlib.sha256(text).hexdigest()
