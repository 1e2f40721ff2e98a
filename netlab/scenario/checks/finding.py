"""What a check finds."""

from __future__ import annotations

from typing import Protocol

from netlab.frozen import frozen
from netlab.scenario.text.document import Path


class Written(Protocol):
    """The keys that the file has at a place, right or wrong."""

    def __call__(self, *path: str) -> set[str]: ...


@frozen
class PathProblem:
    """Something wrong at `path`; `on_key` says that the key itself is what is wrong."""

    path: Path
    what: str
    fix: str
    on_key: bool = False
    is_warning: bool = False
    """It works here, but not with VMware, or not as one may think."""
    without: str = ""
    """The key beside it whose absence is what is wrong."""
