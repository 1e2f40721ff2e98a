"""Errors that netlab raises on purpose.

    NetlabError                       what went wrong, and what to do about it
    ├── ScenarioError        exit 2   the scenario file is wrong: holds every Problem
    ├── UsageError           exit 2   the command line asks for something that makes no sense
    ├── SystemRefused        exit 3   the system said no
    │   ├── NeedsRoot                 not root
    │   ├── Missing                   a program, library or kernel feature is not there
    │   ├── NoSuchLab                 no lab of that name (or none, or several)
    │   ├── LabExists                 the lab is already running
    │   └── KernelError               a system call or a service failed
    └── Interrupted          exit 130 Ctrl-C or a termination signal

Exit 0 means fine; exit 1 is not an error but a finding: an expectation was
not met, or a verdict is unknown.
"""

from __future__ import annotations

from dataclasses import dataclass


class NetlabError(Exception):
    """The root of the tree. `what` says what went wrong, `fix` what to do: a sentence, or empty."""

    exit_code = 3

    def __init__(self, message: str, fix: str = "") -> None:
        super().__init__(message)
        self.what = message
        self.fix = fix

    def __str__(self) -> str:
        return f"{self.what}; {self.fix}" if self.fix else self.what

    @property
    def with_notes(self) -> str:
        """The text with its notes, a line each: what was being done."""
        return "\n".join([str(self), *(f"  ({note})" for note in getattr(self, "__notes__", ()))])


_MOST_SHOWN = 100
"""Problems of a file that are shown."""


@dataclass(frozen=True, order=True)
class Problem:
    """A problem in a scenario file. Lines and columns count from 1."""

    file: str
    """The file's name; empty for what was typed on the command line."""
    line: int
    column: int
    what: str
    fix: str

    @property
    def sentence(self) -> str:
        """The problem and the fix, without file and line."""
        return f"{self.what}; {self.fix}"

    def __str__(self) -> str:
        position = f"{self.file}:{self.line}:{self.column}: " if self.file else ""
        return position + self.sentence


class ScenarioError(NetlabError):
    """The scenario file is wrong in one or more places."""

    exit_code = 2

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = sorted(set(problems))
        lines = [str(problem) for problem in self.problems[:_MOST_SHOWN]]
        if len(self.problems) > _MOST_SHOWN:
            lines.append(
                f"{len(self.problems):,} problems in all; these are the first {_MOST_SHOWN}"
            )
        super().__init__("\n".join(lines))


class UsageError(NetlabError):
    """The command line asks for something that makes no sense."""

    exit_code = 2


class SystemRefused(NetlabError):
    """The system said no."""


class NeedsRoot(SystemRefused):
    """Network namespaces need root."""


class Missing(SystemRefused):
    """A program, a library or a kernel feature is not there."""


class NoSuchLab(SystemRefused):
    """There is no lab of that name, or the name is needed because several run."""


class LabExists(SystemRefused):
    """A lab of that name is already there."""


class KernelError(SystemRefused):
    """A system call failed or a service did not start."""


class Interrupted(NetlabError):
    """Ctrl-C or SIGTERM, delivered where it is safe to stop."""

    exit_code = 130
