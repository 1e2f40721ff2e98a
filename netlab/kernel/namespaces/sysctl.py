"""Kernel settings of a namespace; /proc/sys/net shows those of the calling thread's."""

from __future__ import annotations

import os
from collections.abc import Iterable

from netlab.errors import Missing
from netlab.kernel import syscalls
from netlab.plan.resources import Sysctl

_BRIDGE_NETFILTER = "net.bridge."
"""Beginning of the settings of br_netfilter, which few kernels have without the module."""
_NAMESPACES = 30
"""The most namespaces that one /proc serves."""


class Settings:
    """The settings of whatever namespace the thread is in, through a /proc of their own.

    In one /proc, the folders `net/ipv4` of all namespaces are entries by one name in one folder, and the
    kernel looks through all of them: opening a file takes 100 µs among 1,000 namespaces. So a /proc
    serves few, and then comes a new one.
    """

    def __init__(self) -> None:
        self._proc: int | None = None
        self._served: set[str] = set()

    def close(self) -> None:
        """Close the /proc."""
        if self._proc is not None:
            os.close(self._proc)
            self._proc = None
            self._served.clear()

    def values(self, namespace: str, keys: Iterable[str]) -> dict[str, str]:
        """Read the settings that are there; return their values by key. The thread is in `namespace`."""
        values = {}
        for key in keys:
            try:
                file = self._open(namespace, key, os.O_RDONLY)
            except OSError:
                continue
            try:
                values[key] = os.read(file, 4096).decode().strip()
            except OSError:
                continue
            finally:
                os.close(file)
        return values

    def write(self, setting: Sysctl) -> None:
        """Write a setting; an optional one only where the kernel has it. The thread is in its namespace.

        Raises Missing for one of a module that is not loaded, OSError.
        """
        try:
            file = self._open(setting.namespace, setting.key, os.O_WRONLY | os.O_TRUNC)
        except FileNotFoundError:
            if setting.optional:
                return
            if setting.key.startswith(_BRIDGE_NETFILTER):
                what = "the kernel has no br_netfilter, by which a bridge's frames meet its rules"
                raise Missing(
                    what, "sudo modprobe br_netfilter, or leave `br_netfilter` out"
                ) from None
            raise
        try:
            os.write(file, setting.value.encode())
        finally:
            os.close(file)

    def _open(self, namespace: str, key: str, flags: int) -> int:
        if self._proc is None or (
            namespace not in self._served and len(self._served) == _NAMESPACES
        ):
            self.close()
            self._proc = _new_proc()
        self._served.add(namespace)
        path = f"sys/{key.replace('.', '/')}"
        return os.open(path, flags | os.O_CLOEXEC, dir_fd=self._proc)


def _new_proc() -> int:
    """Mount a /proc nowhere; return the descriptor of its root."""
    try:
        return syscalls.detached_mount("proc")
    except OSError:  # A container may not mount one: then the /proc that is there has to do.
        return os.open("/proc", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
