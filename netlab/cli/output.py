"""Printing: results go to stdout, everything else to stderr.

With `--json`, stdout gets one JSON document and nothing else.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BufferedWriter, TextIOWrapper
from typing import TYPE_CHECKING, Any, TextIO

from netlab import report
from netlab.cli.called import typed
from netlab.errors import NetlabError, Problem
from netlab.visible import visible_json, visible_lines

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from netlab.kernel.resources.create import Moment, Progress
    from netlab.lab import Lab, Unleased
    from netlab.plan.diff import Diff
    from netlab.plan.resources import Resource


DRAWING_WIDTH = 100
"""Columns of a drawing that goes into a pipe."""


def say(text: str, *, to_stderr: bool = False) -> bool:
    """Print a line, at once. A reader that has left (`netlab plan nat | head`) is no error, but False."""
    stream = sys.stderr if to_stderr else sys.stdout
    try:
        print(visible_lines(text), file=stream, flush=True)
    except OSError as error:
        discard(stream)  # Or what is left in its buffer fails once more at the very end.
        if not isinstance(error, BrokenPipeError):
            raise
        return False
    return True


def unblock() -> None:
    """Let no signal wait for who reads stdout and stderr, from now on."""
    # What works on files only needs nothing of the kernel's, and no Linux.
    from netlab.kernel.signals import InterruptibleFile

    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if isinstance(stream, TextIOWrapper):
            stream.flush()
            raw = BufferedWriter(InterruptibleFile(stream))
            through = name == "stderr"
            fresh = TextIOWrapper(raw, stream.encoding, stream.errors, write_through=through)
            setattr(sys, name, fresh)


def discard(stream: TextIO) -> None:
    """Let what is still to be written to `stream` go nowhere."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def columns(in_pipe: int) -> int:
    """Return the columns of the terminal, or `in_pipe` where there is none."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else in_pipe


def terminal(stream: TextIO) -> Console:
    """Return what prints on a terminal, as wide as that is: also on one that is called dumb."""
    return report.console.console(stream, *shutil.get_terminal_size())


def show(renderable: RenderableType, *, to_stderr: bool = False) -> None:
    """Print a table or drawing: with colour and wrapped on a terminal, plain and whole in a pipe."""
    stream = sys.stderr if to_stderr else sys.stdout
    if stream.isatty():
        console = terminal(stream)
        with console.capture() as printed:
            console.print(renderable, crop=False)
        say(typed(printed.get()).removesuffix("\n"), to_stderr=to_stderr)
    else:
        say(typed(report.text.plain(renderable)), to_stderr=to_stderr)


def as_json(data: Any, indent: int | None = None) -> str:
    """Return a document as it may be printed: letters of all languages, and no control character."""
    return visible_json(json.dumps(data, indent=indent, ensure_ascii=False))


@dataclass
class Output:
    """The way this command prints, and what was said before a subcommand."""

    json: bool = False
    lab: str | None = None
    """The lab that `--lab` names."""
    quiet: bool = False
    """Neither warnings nor progress are shown: somebody else shows what came of it."""

    def warn(self, warnings: Iterable[Problem | Unleased | str]) -> None:
        """Say what works, but not everywhere or not always.

        Warnings of a scenario and of adapters without an address are part of the JSON document.
        """
        if not self.json and not self.quiet:
            for warning in warnings:
                say(typed(f"warning: {warning}"), to_stderr=True)

    def result(self, data: Any, text: Callable[[], RenderableType]) -> None:
        """Print a result, as data or as text. `text` is made only if it is needed."""
        if self.json:
            self.document(data)
        else:
            show(text())

    def document(self, data: Any) -> None:
        """Print the one JSON document of this command."""
        say(as_json(data, indent=1))

    def note(self, line: str) -> None:
        """Print a line for people."""
        say(typed(line), to_stderr=self.json)

    def failure(self, error: NetlabError, details: dict[str, Any] | None = None) -> None:
        """Print an error: for people on stderr, and as data on stdout if JSON is wanted."""
        say(typed(f"netlab: {error.with_notes}"), to_stderr=True)
        if self.json:
            self.document({**report.data.error(error), **(details or {})})

    @contextmanager
    def building(self, lab: Lab) -> Iterator[Progress]:
        """Show a progress bar for `up`."""
        with self._bar(f"building {lab.name}", len(lab.plan.resources)) as advance:

            def progress(resource: Resource, moment: Moment) -> None:
                advance(type(resource).__name__.lower(), int(moment == "after"))

            yield progress

    @contextmanager
    def changing(self, lab: Lab, change: Diff) -> Iterator[Progress]:
        """Show a progress bar for `apply`."""
        steps = len(change.removed) + len(change.altered) + len(change.created)
        with self._bar(f"changing {lab.name}", steps) as advance:

            def progress(resource: Resource, moment: Moment) -> None:
                advance(type(resource).__name__.lower(), int(moment == "after"))

            yield progress

    @contextmanager
    def measuring(self, lab: Lab, pairs: int) -> Iterator[Callable[[int], None]]:
        """Show a progress bar for `verify`; it is told how many more pairs are done."""
        with self._bar(f"measuring {lab.name}", pairs) as advance:
            yield lambda done: advance("", done)

    @contextmanager
    def running(self, scenarios: int) -> Iterator[Callable[[str], None]]:
        """Show a progress bar for `run`; it is told the name of each scenario that is done."""
        with self._bar("running scenarios", scenarios) as advance:
            yield lambda name: advance(name, 1)

    @contextmanager
    def _bar(self, title: str, steps: int) -> Iterator[Callable[[str, int], None]]:
        """Show a bar on a terminal, and nothing in a pipe."""
        if self.quiet or not sys.stderr.isatty():
            yield lambda doing, done: None
            return
        # Rich's progress bars take as long as all the rest of a command's start.
        from netlab.cli.progress import bar

        with bar(title, steps) as advance:
            yield advance
