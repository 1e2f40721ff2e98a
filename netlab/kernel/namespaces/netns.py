"""Network namespaces under names that `ip netns` shows (see ip-netns(8) for the layout).

Only the calling thread moves. Netlab moves its main one; others send from sockets that are open.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

from netlab.errors import KernelError
from netlab.kernel import files, syscalls
from netlab.plan import names

NAMES = Path("/run/netns")
ETC = Path("/etc/netns")
_OWN = "/proc/thread-self/ns/net"
MARK = int.from_bytes(b"nlab")
"""What netlab's namespaces have in `net.ipv4.conf.lo.tag`, a setting that the kernel keeps for whoever wants
to write a number down (Documentation/networking/ip-sysctl.rst). So they are known without a record."""
MARK_KEY = "net.ipv4.conf.lo.tag"
"""It, as a setting is called."""
_MARK_FILE = f"/proc/sys/{MARK_KEY.replace('.', '/')}"


def delete(name: str) -> None:
    """Remove the name; the namespace ends with its last process and socket. Forgives absence."""
    path = NAMES / name
    with suppress(OSError):  # A crash between open and mount leaves a name without a mount.
        syscalls.unmount(str(path))
    path.unlink(missing_ok=True)


def inode(name: str) -> int | None:
    """The number that identifies the namespace, None if it is not there."""
    try:
        status = os.stat(f"{NAMES}/{name}")
    except FileNotFoundError:
        return None
    return status.st_ino if status.st_dev == _device() else None


def left_over(known: Callable[[str], bool]) -> Iterator[tuple[str, bool]]:
    """Names that netlab has given for labs that are not `known` (any more), and whether each leads somewhere.

    One that leads nowhere is nobody's, whoever gave it: a container that ended, or a crash, has left it.
    """
    for name in sorted(os.listdir(NAMES)) if NAMES.is_dir() else ():
        lab = names.lab_of(name)
        if lab is None or known(lab):
            continue
        leads_somewhere = inode(name) is not None
        if not leads_somewhere or is_marked(name):
            yield name, leads_somewhere


def is_marked(name: str) -> bool:
    """Whether the namespace `name` is there and was made by netlab. Needs root: others see none."""
    if os.geteuid() != 0 or inode(name) is None:
        return False
    with inside(name):
        return int(files.read(_MARK_FILE) or 0) == MARK


@cache
def _device() -> int:
    """The file system of all namespaces: a name without a mount is a file of another."""
    return os.stat(_OWN).st_dev


def here() -> int:
    """A descriptor of the namespace in which the thread is."""
    return os.open(_OWN, os.O_RDONLY | os.O_CLOEXEC)


def opened(name: str) -> int:
    """A descriptor of the namespace `name`. Raises KernelError if it is gone."""
    try:
        return os.open(f"{NAMES}/{name}", os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        raise KernelError(
            f"the namespace '{name}' is gone", "take the lab down and up again"
        ) from None


def move(descriptor: int, name: str) -> None:
    """Move into a namespace; its `name` is for the error. Raises KernelError."""
    try:
        syscalls.setns(descriptor, syscalls.CLONE_NEWNET)
    except OSError as error:
        raise KernelError(f"cannot enter the namespace '{name}': {error.strerror}") from error


@contextmanager
def stay_home() -> Iterator[None]:
    """Come back to the present namespace at the end, whatever happens inside."""
    home = here()
    try:
        yield
    finally:
        move(home, "home")
        os.close(home)


@contextmanager
def nameless() -> Iterator[None]:
    """Run a block inside a new namespace that ends with it."""
    with stay_home():
        syscalls.unshare(syscalls.CLONE_NEWNET)
        yield


def enter(name: str) -> None:
    """Move into the namespace `name`. Raises KernelError if it is gone."""
    descriptor = opened(name)
    try:
        move(descriptor, name)
    finally:
        os.close(descriptor)


@contextmanager
def inside(name: str) -> Iterator[None]:
    """Run a block inside the namespace `name`."""
    with stay_home():
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
    """Whether programs in the namespace see the files of `folder` in /etc."""
    try:
        return os.readlink(f"{ETC}/{name}") == folder and os.access(f"{folder}/.", os.F_OK)
    except OSError:
        return False


def has_place(name: str) -> bool:
    """Whether a node can have such a file in its /etc: it is mounted over the machine's.

    `ip netns exec` complains, each time, of one that the machine lacks. The exception is resolv.conf,
    which netlab reads by itself.
    """
    return name == "resolv.conf" or os.access(f"/etc/{name}", os.F_OK)


def link_etc(name: str, folder: str) -> None:
    """Let programs in the namespace see the files of `folder` in /etc.

    A link, because /etc/netns outlives a reboot and the run directory does
    not: what is left then dangles, and is recognised as ours.
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
        # It is there from before a reboot, and right.


def unlink_etc(names: Iterable[str]) -> None:
    """Remove the links of these namespaces."""
    for name in names:
        link = ETC / name
        if link.is_symlink():
            link.unlink()
    with suppress(OSError):  # It is not ours if something else is in it.
        ETC.rmdir()


def named(name: str) -> bool:
    """Whether the name is there, with a namespace or (after a crash) without one."""
    return os.path.lexists(f"{NAMES}/{name}")


def dangling_etc(below: Path) -> list[str]:
    """Namespaces whose links a reboot has left: they lead `below`, to nothing."""
    links = [link for link in ETC.iterdir() if link.is_symlink()] if ETC.is_dir() else []
    return [
        link.name for link in links if link.readlink().is_relative_to(below) and not link.exists()
    ]
