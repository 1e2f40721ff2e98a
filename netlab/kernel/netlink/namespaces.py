"""Names for network namespaces, by pyroute2's `netns` and in this process.

Its `create` forks a process for each (6 ms), and it looks for libc by running `ldconfig`: so the namespace
is made by the caller, and libc is handed over.
"""

from __future__ import annotations

from pathlib import Path

from pyroute2 import netns

from netlab.kernel import syscalls


def give_name(path: str) -> None:
    """Bind the thread's namespace to a new file. Raises FileExistsError, and OSError without leaving one."""
    try:
        netns.attach(path, "thread-self", libc=syscalls.LIBC)
    except FileExistsError:
        raise
    except OSError:
        Path(path).unlink(missing_ok=True)  # A full disk has no room for it.
        raise
