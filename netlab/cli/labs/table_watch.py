"""`show --watch`: a table again whenever it changes."""

from __future__ import annotations

import sys
import time
from bisect import bisect_right
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from netlab import lab, report
from netlab.cli.output import Output, as_json, say, terminal
from netlab.errors import Interrupted, KernelError
from netlab.kernel.signals import deferred_signals
from netlab.kernel.state.monitor import TableMonitor
from netlab.show import view

if TYPE_CHECKING:
    from rich.console import Console

    from netlab.show import View

_UNHEARD_SECONDS = 1.0
"""How often to look for what the kernel does not tell of: leases, processes, rules."""
_BREATH_SECONDS = 0.1
"""Between two looks, however much happens."""
_CHANGE_SECONDS = 10.0
"""How long nothing can be read while another command changes or ends the lab."""


def watch(output: Output, running: lab.Lab, name: str, subject: str | None) -> None:
    """Show a table until the reader leaves, Ctrl-C or another signal comes, or the lab ends."""
    watcher = lab.LabWatcher(running)
    # On a terminal the seconds may count down; a pipe is told of changes only.
    counting = sys.stdout.isatty() and not output.json
    drawn = None
    with suppress(Interrupted), deferred_signals() as interruption, interruption.at_once():
        for shown in _views(watcher, name, subject):
            if counting or shown.steady != drawn:
                drawn = shown.steady
                if not _draw(output, running, name, shown):
                    return
        say("netlab: the lab has ended", to_stderr=True)


def _views(watcher: lab.LabWatcher, name: str, subject: str | None) -> Iterator[View]:
    """Yield the table again and again, for as long as there is the lab."""
    since = time.monotonic()
    while not watcher.ended:
        running = watcher.current()
        try:
            with TableMonitor(list(lab.netmap(running).nodes)) as events:
                while not watcher.ended and watcher.current() is running:
                    shown = view(running, name, subject)
                    since = time.monotonic()
                    yield shown
                    time.sleep(_BREATH_SECONDS)
                    events.wait(_UNHEARD_SECONDS)
                    events.changes()
        except (KernelError, OSError):
            # What was to be read has gone: an interface, a machine, the lab.
            if time.monotonic() > since + _CHANGE_SECONDS:
                raise
            time.sleep(_BREATH_SECONDS)


def _draw(output: Output, running: lab.Lab, name: str, shown: View) -> bool:
    """Print a table; return False if nobody reads any more."""
    if output.json:
        return say(as_json(report.data.view(running.name, name, shown)))
    if not sys.stdout.isatty():
        return say(report.text.plain(report.text.view(shown)) + "\n")
    console = terminal(sys.stdout)
    title = f"{running.name}: {name}   {time.strftime('%H:%M:%S')}   Ctrl-C ends\n"
    # The cursor stands in the last line.
    fitting = _fitting(console, shown, console.height - len(title.splitlines()) - 2)
    console.clear()
    console.print(title)
    console.print(report.text.view(fitting), crop=False)
    if hidden := len(shown.rows) - len(fitting.rows):
        console.print(f"… and {hidden} more", end="")
    return True


def _fitting(console: Console, shown: View, lines: int) -> View:
    """Return the table with as many rows, one at least, as there are lines for."""

    def height(count: int) -> int:
        return len(console.render_lines(report.text.view(replace(shown, rows=shown.rows[:count]))))

    count = len(shown.rows)
    if count <= lines and height(count) <= lines:
        return shown
    most = bisect_right(range(min(count, lines)), lines, key=lambda count: height(count + 1))
    return replace(shown, rows=shown.rows[: max(most, 1)])
