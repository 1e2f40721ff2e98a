"""Where things are printed: results to stdout, everything else to stderr.

With `--json`, stdout gets one JSON document and nothing else.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TextIO

from netlab.errors import NetlabError

if TYPE_CHECKING:
    from rich.console import RenderableType

    from netlab.kernel.create import Moment, Progress
    from netlab.plan.nouns import Noun


def say(text: str, *, to_stderr: bool = False) -> None:
    """Print a line, at once. A reader that has left (`netlab plan nat | head`) is no error."""
    stream = sys.stderr if to_stderr else sys.stdout
    try:
        print(text, file=stream, flush=True)
    except BrokenPipeError:
        discard(stream)


def discard(stream: TextIO) -> None:
    """Let what is still to be written to `stream` go nowhere."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def show(renderable: RenderableType, *, to_stderr: bool = False) -> None:
    """Print a table or drawing: with colour and wrapped on a terminal, plain and whole in a pipe."""
    from netlab.report import text

    if (sys.stderr if to_stderr else sys.stdout).isatty():
        text.console(sys.stderr if to_stderr else sys.stdout).print(renderable)
    else:
        say(text.plain(renderable), to_stderr=to_stderr)


@dataclass
class Output:
    """How this command prints."""

    json: bool = False

    def result(self, data: Any, text: Callable[[], RenderableType]) -> None:
        """Print a result, as data or as text. `text` is made only if it is needed."""
        if self.json:
            say(json.dumps(data, indent=1, ensure_ascii=False))
        else:
            show(text())

    def note(self, line: str) -> None:
        """Print a line for people."""
        say(line, to_stderr=self.json)

    def failure(self, error: NetlabError, details: dict[str, Any] | None = None) -> None:
        """Print an error: for people on stderr, and as data on stdout if JSON is wanted."""
        lines = [str(error), *(f"  ({note})" for note in getattr(error, "__notes__", ()))]
        say("netlab: " + "\n".join(lines), to_stderr=True)
        if self.json:
            from netlab.report import data

            document = {**data.error(error), **(details or {})}
            say(json.dumps(document, indent=1, ensure_ascii=False))

    @contextmanager
    def progress(self, what: str, steps: int) -> Iterator[Progress | None]:
        """A progress bar on a terminal; nothing in a pipe."""
        if not sys.stderr.isatty():
            yield None
            return
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
        from rich.progress import Progress as Bar

        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
        # Without the refreshing thread: namespaces are entered by the one thread that there is.
        with Bar(*columns, console=Console(stderr=True), auto_refresh=False, transient=True) as bar:
            task = bar.add_task(what, total=steps)

            def advance(noun: Noun, moment: Moment) -> None:
                if moment == "after":
                    bar.advance(task)
                else:
                    bar.update(task, description=f"{what}: {type(noun).__name__.lower()}")
                    bar.refresh()

            yield advance
