"""Every error that netlab raises on purpose.

    NetlabError                       what went wrong, and what to do about it
    ├── ScenarioError        exit 2   the scenario file is wrong: holds every Problem found
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
    """Root of the tree. `fix` is one sentence that says what to do."""

    exit_code = 3

    def __init__(self, what: str, fix: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.fix = fix

    def __str__(self) -> str:
        return f"{self.what}; {self.fix}" if self.fix else self.what

    @property
    def told(self) -> str:
        """With its notes: while what was done."""
        return "\n".join([str(self), *(f"  ({note})" for note in getattr(self, "__notes__", ()))])


_READ = 100
"""Problems of a file that anybody reads at once."""


@dataclass(frozen=True, order=True)
class Problem:
    """One thing wrong in a scenario file. Lines and columns count from 1."""

    file: str
    """Empty for what stands in no file: it was typed."""
    line: int
    column: int
    what: str
    fix: str

    @property
    def sentence(self) -> str:
        """Without the place."""
        return f"{self.what}; {self.fix}"

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}:{self.column}: " if self.file else ""
        return place + self.sentence


class ScenarioError(NetlabError):
    """The scenario file is wrong in one or more places."""

    exit_code = 2

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = sorted(set(problems))
        lines = [str(problem) for problem in self.problems[:_READ]]
        if len(self.problems) > _READ:
            lines.append(f"{len(self.problems):,} problems in all; these are the first {_READ}")
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
    """No lab of that name, or the name is needed because several run."""


class LabExists(SystemRefused):
    """A lab of that name is already there."""


class KernelError(SystemRefused):
    """A system call failed or a service did not start."""


class Interrupted(NetlabError):
    """Ctrl-C or SIGTERM, delivered where it is safe to stop."""

    exit_code = 130
