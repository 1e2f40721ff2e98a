"""Network namespaces under names that `ip netns` shows (see ip-netns(8) for the layout).

Only the calling thread moves. Netlab moves its main one; others send from sockets that are open.
"""

from __future__ import annotations

import fcntl
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

from netlab.errors import KernelError
from netlab.kernel import files, syscalls
from netlab.plan import names

NAMES = Path("/run/netns")
ETC = Path("/etc/netns")
_CURRENT = "/proc/thread-self/ns/net"
MARK = int.from_bytes(b"nlab")
"""The value of `net.ipv4.conf.lo.tag` in netlab's namespaces, which are known by it without a record. The
kernel keeps this setting for anybody's number (Documentation/networking/ip-sysctl.rst)."""
MARK_KEY = "net.ipv4.conf.lo.tag"
"""The setting that holds MARK."""
_MARK_FILE = f"/proc/sys/{MARK_KEY.replace('.', '/')}"


def delete(name: str) -> None:
    """Remove the name; the namespace ends with its last process and socket. Forgives absence."""
    path = NAMES / name
    with suppress(OSError):  # A crash between open and mount leaves a name without a mount.
        syscalls.unmount(str(path))
    path.unlink(missing_ok=True)


def inode(name: str) -> int | None:
    """Return the number that identifies the namespace, None if it is not there."""
    try:
        status = os.stat(f"{NAMES}/{name}")
    except FileNotFoundError:
        return None
    return status.st_ino if status.st_dev == _device() else None


def leftovers(is_known: Callable[[str], bool]) -> Iterator[tuple[str, bool]]:
    """Yield names that netlab gave for labs that are not known (any more), and whether each has a namespace.

    A name without a namespace is nobody's, whoever gave it: a container that ended, or a crash, has left it.
    """
    for name in sorted(os.listdir(NAMES)) if NAMES.is_dir() else ():
        lab = names.lab_of(name)
        if lab is None or is_known(lab):
            continue
        exists = inode(name) is not None
        if not exists or is_marked(name):
            yield name, exists


def is_marked(name: str) -> bool:
    """Return whether the namespace `name` is there and was made by netlab. Needs root: others see none."""
    if os.geteuid() != 0 or inode(name) is None:
        return False
    with inside(name):
        return int(files.read(_MARK_FILE) or 0) == MARK


@cache
def _device() -> int:
    """Return the file system of all namespaces: a name without a mount is a file of another."""
    return os.stat(_CURRENT).st_dev


def current() -> int:
    """Open the namespace in which the thread is; return the descriptor."""
    return os.open(_CURRENT, os.O_RDONLY | os.O_CLOEXEC)


def open_named(name: str) -> int:
    """Open the namespace `name`; return the descriptor. Raises KernelError if it is gone."""
    if name in _held.descriptors:
        return os.dup(_held.descriptors[name])
    try:
        return os.open(f"{NAMES}/{name}", os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        raise KernelError(
            f"the namespace '{name}' is gone", "`sudo netlab repair` brings a machine back"
        ) from None


class _Held(threading.local):
    """The namespaces that a thread keeps open."""

    def __init__(self) -> None:
        self.descriptors: dict[str, int] = {}


_held = _Held()


@contextmanager
def held(namespaces: Iterable[str]) -> Iterator[None]:
    """Keep those of these namespaces that are there open for the length of a block.

    Within it, whoever removes one takes its name away, and it can be entered all the same: what goes on
    for a while sees the same machines from its beginning to its end.
    """
    fresh: dict[str, int] = {}
    try:
        for name in namespaces:
            if name not in _held.descriptors and inode(name) is not None:
                with suppress(KernelError):  # It has gone just now.
                    fresh[name] = open_named(name)
        _held.descriptors |= fresh
        yield
    finally:
        for name, descriptor in fresh.items():
            _held.descriptors.pop(name, None)
            os.close(descriptor)


def is_there(name: str) -> bool:
    """Return whether the namespace `name` can be entered."""
    return name in _held.descriptors or inode(name) is not None


def move(descriptor: int, name: str) -> None:
    """Move the thread into a namespace; its `name` is for the error. Raises KernelError."""
    try:
        syscalls.setns(descriptor, syscalls.CLONE_NEWNET)
    except OSError as error:
        raise KernelError(f"cannot enter the namespace '{name}': {error.strerror}") from error


@contextmanager
def returning() -> Iterator[None]:
    """Run a block, and come back to the present namespace at its end, whatever happens inside."""
    home = current()
    try:
        yield
    finally:
        move(home, "home")
        os.close(home)


@contextmanager
def temporary() -> Iterator[None]:
    """Run a block inside a new namespace without a name, which ends with the block."""
    with returning():
        syscalls.unshare(syscalls.CLONE_NEWNET)
        yield


def enter(name: str) -> None:
    """Move the thread into the namespace `name`. Raises KernelError if it is gone."""
    descriptor = open_named(name)
    try:
        move(descriptor, name)
    finally:
        os.close(descriptor)


@contextmanager
def inside(name: str) -> Iterator[None]:
    """Run a block inside the namespace `name`. Raises KernelError if it is gone."""
    with returning():
        enter(name)
        yield


def share_names() -> None:
    """Make /run/netns a shared mount, as iproute2 does: names then show in all mount namespaces."""
    NAMES.mkdir(mode=0o755, parents=True, exist_ok=True)
    lock = os.open(NAMES, os.O_RDONLY | os.O_CLOEXEC | os.O_DIRECTORY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)  # iproute2 takes the same lock.
        try:
            syscalls.mount("", str(NAMES), "none", syscalls.MS_SHARED | syscalls.MS_REC)
        except OSError:  # EINVAL: it is no mount yet.
            syscalls.mount(str(NAMES), str(NAMES), "none", syscalls.MS_BIND | syscalls.MS_REC)
            syscalls.mount("", str(NAMES), "none", syscalls.MS_SHARED | syscalls.MS_REC)
    finally:
        os.close(lock)


def shows_etc(name: str, folder: str) -> bool:
    """Return whether programs in the namespace see the files of `folder` in /etc."""
    try:
        return os.readlink(f"{ETC}/{name}") == folder and os.access(f"{folder}/.", os.F_OK)
    except OSError:
        return False


def can_have_etc(name: str) -> bool:
    """Return whether a node can have a file of this name in its /etc: it is mounted over the machine's.

    `ip netns exec` complains, each time, of a file that the machine lacks. The exception is resolv.conf,
    which netlab reads by itself.
    """
    return name == "resolv.conf" or os.access(f"/etc/{name}", os.F_OK)


def etc_lines(name: str, file: str) -> list[list[str]]:
    """Return the words of each line of a file in a node's /etc, without comments; none without a file."""
    path = ETC / name / file
    text = path.read_text(errors="replace") if path.is_file() else ""
    return [words for line in text.splitlines() if (words := line.partition("#")[0].split())]


def name_servers(name: str) -> list[str]:
    """Return the name servers in a node's /etc/resolv.conf, in the order in which they are asked."""
    lines = etc_lines(name, "resolv.conf")
    return [words[1] for words in lines if words[0] == "nameserver" and len(words) > 1]


def link_etc(name: str, folder: str) -> None:
    """Let programs in the namespace see the files of `folder` in /etc.

    /etc/netns/NAME is a link, because /etc/netns outlives a reboot and the run directory does not: after
    one, the link dangles, and is recognised as netlab's.
    """
    link = ETC / name
    try:
        link.symlink_to(folder)
    except FileNotFoundError:
        ETC.mkdir(mode=0o755, exist_ok=True)
        link.symlink_to(folder)
    except FileExistsError:
        if not shows_etc(name, folder):
            raise
        # The link is from before a reboot, and right.


def unlink_etc(namespaces: Iterable[str]) -> None:
    """Remove the links of these namespaces."""
    for name in namespaces:
        link = ETC / name
        if link.is_symlink():
            link.unlink()
    with suppress(OSError):  # The folder is not netlab's if something else is in it.
        ETC.rmdir()


def named(name: str) -> bool:
    """Return whether the name is taken, by a namespace or (after a crash) without one."""
    return os.path.lexists(f"{NAMES}/{name}")


def dangling_etc(below: Path) -> list[str]:
    """Return the namespaces whose links a reboot has left: they lead to a folder `below` that is gone."""
    links = [link for link in ETC.iterdir() if link.is_symlink()] if ETC.is_dir() else []
    return [
        link.name for link in links if link.readlink().is_relative_to(below) and not link.exists()
    ]
