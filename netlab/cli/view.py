"""The page in which packets are looked at: written to a file, or served while the lab runs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from netlab import lab
from netlab.errors import UsageError


def write(running: lab.Lab, journeys: Sequence[dict[str, Any]], language: str, file: str) -> None:
    """Write journeys of a lab as a page. Raises UsageError."""
    from netlab.report import graph, svg
    from netlab.report.page import html

    picture = svg.render(graph.running(lab.status(running)))
    try:
        Path(file).write_text(html(journeys, picture, language), encoding="utf-8")
    except OSError as error:
        raise UsageError(f"cannot write '{file}': {error.strerror}") from error
