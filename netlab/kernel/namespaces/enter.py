"""A command on a node: in its network, with its host name and its files in /etc, like on a machine."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

from netlab.errors import KernelError
from netlab.kernel import syscalls
from netlab.kernel.installed import remedy
from netlab.kernel.namespaces import netns

_PROXIES = ("http_proxy", "https_proxy", "ftp_proxy", "all_proxy", "no_proxy")


def execute(
    namespace: str, host_name: str, command: Sequence[str], environment: dict[str, str]
) -> None:
    """Replace this process by a command on a node. Raises KernelError if it cannot be started.

    The command sees what `ip netns exec` shows (the node's /etc/netns files and a fresh /sys), and
    the node's host name as well. The machine's proxies are not the lab's.
    """
    try:
        netns.enter(namespace)
        syscalls.unshare(syscalls.CLONE_NEWUTS)
        mount_etc(namespace)
        _mount_sys(namespace)
        socket.sethostname(host_name)
    except OSError as error:
        raise KernelError(f"cannot enter '{namespace}': {error}") from error
    replace(command, environment)


def replace(command: Sequence[str], environment: dict[str, str]) -> NoReturn:
    """Replace this process by a command on the machine. Raises KernelError if it cannot be started."""
    for number in (signal.SIGPIPE, signal.SIGXFSZ):  # Python ignores them; programs must not.
        signal.signal(number, signal.SIG_DFL)
    inherited = {key: value for key, value in os.environ.items() if key.lower() not in _PROXIES}
    try:
        os.execvpe(command[0], list(command), {**inherited, **environment})
    except FileNotFoundError:
        raise KernelError(
            f"there is no command '{command[0]}'",
            f"a lab runs the machine's programs: {remedy(command[0])} on the machine",
        ) from None
    except OSError as error:
        raise KernelError(f"cannot run '{command[0]}': {error.strerror}") from error


def _mount_sys(namespace: str) -> None:
    """Mount /sys anew: /sys/class/net shows the namespace in which /sys was mounted."""
    with suppress(OSError):  # In a container, /sys may be no mount: then it is covered.
        syscalls.unmount("/sys")
    syscalls.mount(namespace, "/sys", "sysfs")


def mount_etc(namespace: str) -> None:
    """Mount the node's files over those that the machine's /etc has, for this process."""
    syscalls.unshare(syscalls.CLONE_NEWNS)
    syscalls.mount("", "/", flags=syscalls.MS_SLAVE | syscalls.MS_REC)
    folder = netns.ETC / namespace
    for file in sorted(folder.iterdir()) if folder.is_dir() else ():
        target = Path("/etc") / file.name
        if target.exists():
            syscalls.mount(str(file), str(target), flags=syscalls.MS_BIND)
