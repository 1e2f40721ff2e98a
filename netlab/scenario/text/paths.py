"""Paths into a scenario's data, and problems at them."""

from __future__ import annotations

from netlab.frozen import frozen

DataPath = tuple[str | int, ...]
"""Keys of mappings and indices of lists, from the file's outermost mapping inwards."""


@frozen
class PathProblem:
    """A problem at a path of the data; `Document.report` makes a `Problem` with line and column of it."""

    path: DataPath
    what: str
    fix: str
    on_key: bool = False
    """True: the key itself is wrong, not its value."""
    is_warning: bool = False
    """True: it works here, but not with VMware, or not as one may think."""
    missing_key: str = ""
    """The key beside it whose absence is what is wrong."""
