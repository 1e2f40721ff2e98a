"""System calls that Python lacks before 3.12, through libc. They raise OSError."""

from __future__ import annotations

import ctypes
import errno
import os
import signal
from pathlib import Path

CLONE_NEWNS = 0x00020000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000
MS_BIND = 0x1000
MS_REC = 0x4000
MS_SLAVE = 1 << 19
MS_SHARED = 1 << 20
MNT_DETACH = 2
_FSOPEN, _FSCONFIG, _FSMOUNT = (
    430,
    431,
    432,
)  # Nearly everywhere; a kernel that has others says ENOSYS.
_FSCONFIG_CMD_CREATE = 6
_FSMOUNT_CLOEXEC = 1
_PR_SET_PDEATHSIG = 1
_PR_SET_DUMPABLE = 4
_MSG_DONTWAIT = 0x40
_MSG_ERRQUEUE = 0x2000

LIBC = ctypes.CDLL(None, use_errno=True)


def _check(result: int, filename: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), filename)


def unshare(flags: int) -> None:
    """Give the calling thread namespaces of its own."""
    _check(LIBC.unshare(flags), "unshare")


def setns(descriptor: int, kind: int) -> None:
    """Move the calling thread into the namespace behind `descriptor`."""
    _check(LIBC.setns(descriptor, kind), "setns")


def mount(source: str, target: str, kind: str = "", flags: int = 0) -> None:
    """Mount a file system (mount(2))."""
    arguments = (source.encode(), target.encode(), kind.encode() or None)
    _check(LIBC.mount(*arguments, ctypes.c_ulong(flags), None), target)


def detached_mount(kind: str) -> int:
    """Mount a file system nowhere; return a descriptor of its root, which ends it when it is closed."""
    context = _descriptor(LIBC.syscall(_FSOPEN, kind.encode(), 0), kind)
    try:
        _check(LIBC.syscall(_FSCONFIG, context, _FSCONFIG_CMD_CREATE, None, None, 0), kind)
        return _descriptor(LIBC.syscall(_FSMOUNT, context, _FSMOUNT_CLOEXEC, 0), kind)
    finally:
        os.close(context)


def _descriptor(result: int, filename: str) -> int:
    _check(min(result, 0), filename)
    return result


def recvmmsg(descriptor: int, messages: int, count: int, errors: bool = False) -> int:
    """Receive messages without waiting (recvmmsg(2)); return how many came. `messages`: their address.

    With `errors`, they come from the queue in which the kernel reports what became of sent packets.
    """
    flags = _MSG_DONTWAIT | (_MSG_ERRQUEUE if errors else 0)
    received = int(LIBC.recvmmsg(descriptor, ctypes.c_void_p(messages), count, flags, None))
    if received < 0 and ctypes.get_errno() in (errno.EAGAIN, errno.EINTR):
        return 0
    _check(min(received, 0), "recvmmsg")
    return received


def sendmmsg(descriptor: int, messages: int, count: int) -> int:
    """Send messages (sendmmsg(2)); return how many were sent, raise OSError if not even the first was."""
    while True:
        sent = int(LIBC.sendmmsg(descriptor, ctypes.c_void_p(messages), count, 0))
        if sent < 0 and ctypes.get_errno() == errno.EINTR:
            continue
        _check(min(sent, 0), "sendmmsg")
        return sent


def filesystem(path: str) -> str:
    """Return the type of the file system that `path` is on: ext4, tmpfs, …"""
    status = os.stat(path)
    device = f"{os.major(status.st_dev)}:{os.minor(status.st_dev)}"
    with Path("/proc/self/mountinfo").open() as mounts:
        # 36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw (see proc(5))
        entries = [line.split() for line in mounts]
    return next((fields[fields.index("-") + 1] for fields in entries if fields[2] == device), "")


def unmount(target: str) -> None:
    """Unmount lazily (umount2(2)): it succeeds while somebody still uses the mount."""
    _check(LIBC.umount2(target.encode(), MNT_DETACH), target)


def die_with_parent() -> None:
    """Let the kernel kill the calling process when its parent ends, in whatever way."""
    _check(LIBC.prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0), "prctl")


def set_dumpable() -> None:
    """Let the process own its files in /proc/self, which a change of user has given to root."""
    _check(LIBC.prctl(_PR_SET_DUMPABLE, 1, 0, 0, 0), "prctl")
