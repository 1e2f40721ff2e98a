"""A progress bar on a terminal."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

_REDRAW_SECONDS = 0.1


@contextmanager
def bar(title: str, steps: int) -> Iterator[Callable[[str, int], None]]:
    """Show a bar on stderr for the length of a block; it is told what is being done, and steps done."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    # Without the refreshing thread: namespaces are entered by the one thread that there is.
    with Progress(
        *columns, console=Console(stderr=True), auto_refresh=False, transient=True
    ) as progress:
        task = progress.add_task(title, total=steps)
        drawn = 0.0

        def advance(doing: str, done: int) -> None:
            nonlocal drawn
            due = time.monotonic() - drawn > _REDRAW_SECONDS
            progress.update(task, description=f"{title} {doing}", advance=done, refresh=due)
            drawn = time.monotonic() if due else drawn

        yield advance
