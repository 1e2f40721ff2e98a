"""Labs without root: user, mount, network and process namespaces in which the user is root.

Everything in them ends with their first process, and nothing of it is on the machine. /etc and /run
are folders in memory there, in which the machine's own entries show and new ones can be made.
(RootlessKit does the same and calls it copy-up.)
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import NoReturn

from netlab.errors import KernelError, Missing
from netlab.kernel import syscalls

_NAMESPACES = (
    syscalls.CLONE_NEWUSER
    | syscalls.CLONE_NEWNS
    | syscalls.CLONE_NEWNET
    | syscalls.CLONE_NEWPID
    | syscalls.CLONE_NEWIPC
    | syscalls.CLONE_NEWUTS
)
_NOBODY = 65534
_FIRST, _INNER = 1, 2
"""In netlab's namespaces, the numbers of the process that waits, and of the one for which it waits."""
_KERNEL_SETTINGS = Path("/proc/sys")
_SETTINGS = (
    (
        "user/max_user_namespaces",
        "0",
        "this machine allows no user namespaces (user.max_user_namespaces is 0)",
        "sudo sysctl user.max_user_namespaces=10000",
    ),
    (
        "kernel/unprivileged_userns_clone",
        "0",
        "only root may make user namespaces here (kernel.unprivileged_userns_clone is 0)",
        "sudo sysctl kernel.unprivileged_userns_clone=1",
    ),
    (
        "kernel/apparmor_restrict_unprivileged_userns",
        "1",
        "AppArmor gives a user namespace no rights here "
        "(kernel.apparmor_restrict_unprivileged_userns is 1)",
        "sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0",
    ),
)
"""Setting below /proc/sys, the value that is in the way, its meaning, and the remedy."""


def is_inside() -> bool:
    """Return whether this process is root in a user namespace, and not the machine's."""
    return os.geteuid() == 0 and Path("/proc/self/uid_map").read_text().split()[2] == "1"


def ends_with_this_process() -> bool:
    """Return whether this is the only command of its namespaces: `netlab unshare -- netlab up nat`."""
    return is_inside() and (os.getppid(), os.getpid()) == (_FIRST, _INNER)


def enter() -> None:
    """Go on as root in new namespaces; everything in them ends with this process.

    Returns only inside, in a child process. The caller's process stays outside, passes signals on,
    and ends with the child's exit code. Raises Missing where user namespaces are not allowed.
    """
    for stream in (sys.stdout, sys.stderr):
        stream.flush()  # Buffered text would be printed by both processes.
    _unshare()
    first = os.fork()
    if first:
        _wait_for(first, (signal.SIGTERM, signal.SIGHUP))
    syscalls.die_with_parent()
    inner = os.fork()
    if inner:
        _wait_for(inner, (signal.SIGTERM, signal.SIGHUP))
    _furnish()


def try_out() -> None:
    """Raise Missing if a plain user cannot have user namespaces; for root, tried as nobody."""
    child = os.fork()
    if child == 0:
        try:
            if os.geteuid() == 0 and not is_inside():
                become(_NOBODY)
            _unshare()
            syscalls.mount("netlab", "/run", "tmpfs")
            os._exit(0)
        finally:
            os._exit(1)
    if os.waitpid(child, 0)[1] != 0:
        raise refusal("user namespaces cannot be used here")


def become(user: int) -> None:
    """Give up root for good, and be the user of this number."""
    os.setgroups([])
    os.setresgid(user, user, user)
    os.setresuid(user, user, user)
    syscalls.set_dumpable()


def _unshare() -> None:
    user, group = os.geteuid(), os.getegid()
    try:
        syscalls.unshare(_NAMESPACES)
        Path("/proc/self/setgroups").write_text("deny")  # Or the kernel takes no group map.
        Path("/proc/self/uid_map").write_text(f"0 {user} 1")
        Path("/proc/self/gid_map").write_text(f"0 {group} 1")
        syscalls.mount("", "/", flags=syscalls.MS_SLAVE | syscalls.MS_REC)
    except OSError as error:
        raise refusal(f"user namespaces cannot be used here: {error.strerror}") from error


def refusal(otherwise: str) -> Missing:
    """Return the error that names the setting that forbids user namespaces, or says `otherwise`."""
    for setting, value, problem, remedy in _SETTINGS:
        with suppress(OSError):
            if (_KERNEL_SETTINGS / setting).read_text().strip() == value:
                return Missing(problem, f"`{remedy}` allows them, or use sudo")
    return Missing(otherwise, "use sudo")


def _wait_for(child: int, forwarded: Collection[signal.Signals]) -> NoReturn:
    """Wait for a child, reap orphans meanwhile, and end as it does; signals are forwarded to it."""

    def forward(number: int, _: FrameType | None) -> None:
        with suppress(ProcessLookupError):
            os.kill(child, number)

    for number in forwarded:
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, forward)
    for number in (signal.SIGINT, signal.SIGQUIT):  # The terminal sends them to the child as well.
        signal.signal(number, signal.SIG_IGN)
    while True:
        ended, status = os.wait()
        if ended == child:
            code = os.waitstatus_to_exitcode(status)
            os._exit(code if code >= 0 else 128 - code)


def _furnish() -> None:
    """Mount /proc of the new processes, an /etc and a /run to write into; bring up the loopback."""
    try:
        syscalls.mount("proc", "/proc", "proc")
        _cover(Path("/etc"), without={"netns"})
        _cover(Path("/run"), without={"netns", "netlab"})
    except OSError as error:
        raise KernelError(f"cannot set up the namespaces: {error}", "use sudo") from error
    from netlab.kernel.netlink.channel import Netlink
    from netlab.kernel.netlink.objects.links import loopback_up

    netlink = Netlink()
    loopback_up(netlink)
    netlink.close()


def _cover(folder: Path, without: Collection[str]) -> None:
    """Mount a folder in memory over `folder`, and in it the entries of `folder`, each by a mount."""
    covered = os.open(folder, os.O_PATH | os.O_DIRECTORY)
    syscalls.mount("netlab", str(folder), "tmpfs")
    folder.chmod(0o755)
    for entry in os.scandir(f"/proc/self/fd/{covered}"):
        target = folder / entry.name
        if entry.name in without:
            continue
        if entry.is_symlink():
            target.symlink_to(os.readlink(entry.path))
            continue
        target.mkdir() if entry.is_dir() else target.touch()
        syscalls.mount(entry.path, str(target), flags=syscalls.MS_BIND | syscalls.MS_REC)
    os.close(covered)
