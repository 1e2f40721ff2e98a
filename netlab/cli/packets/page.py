"""The page on which traffic and journeys are looked at, with pictures of labs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from netlab import lab, report
from netlab.errors import UsageError
from netlab.messages import languages
from netlab.report.web.page import Pictures, html


def write(
    labs: Sequence[lab.Lab], journeys: Sequence[dict[str, Any]], language: str, file: str
) -> None:
    """Write journeys as a page, with the pictures of their labs. Raises UsageError."""
    page = html(journeys, pictures(*labs), language)
    try:
        Path(file).write_text(page, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"cannot write '{file}': {error.strerror}") from error


def pictures(*labs: lab.Lab) -> Pictures:
    """Draw each lab as it is now, in every language."""
    drawings = {}
    for name, running in {running.name: running for running in labs}.items():
        status = lab.status(running)
        drawings[name] = {
            language: report.svg.render(report.graph.running(status, language))
            for language in languages()
        }
    return drawings
