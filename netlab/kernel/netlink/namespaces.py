"""New network namespaces, under names that `ip netns` shows.

pyroute2's `netns.create` forks a process for each (6 ms), and looks for libc by running `ldconfig`: so the
namespace is made here, in this process, and only its name is pyroute2's work, with the libc that is loaded.
"""

from __future__ import annotations

from pathlib import Path

from netlab.errors import KernelError
from netlab.kernel import syscalls
from netlab.kernel.namespaces import netns


def create(name: str) -> None:
    """Make the namespace `name` and stay inside it until the caller leaves (see `netns.returning`).

    Raises KernelError if the name is taken.
    """
    syscalls.unshare(syscalls.CLONE_NEWNET)
    try:
        _bind_name(f"{netns.NAMES}/{name}")
    except FileExistsError:
        raise KernelError(
            f"a namespace '{name}' is already there", "is it yours? `ip netns del` removes it"
        ) from None


def _bind_name(path: str) -> None:
    """Bind the thread's namespace to a new file. Raises FileExistsError, and OSError without leaving one."""
    from pyroute2.netns import attach  # 7 ms, which commands that only look at labs do not spend.

    try:
        attach(path, "thread-self", libc=syscalls.LIBC)
    except FileExistsError:
        raise
    except OSError:
        Path(path).unlink(missing_ok=True)  # A full disk has no room for it.
        raise
