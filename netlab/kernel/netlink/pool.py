"""The open namespaces of one command: a descriptor and a netlink socket each, opened once."""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType

from netlab.kernel.namespaces import netns
from netlab.kernel.namespaces.sysctl import Settings
from netlab.kernel.netlink import namespaces
from netlab.kernel.netlink.channel import Netlink
from netlab.kernel.netlink.objects.links import loopback_up
from netlab.plan.resources import Sysctl

_FILES_EACH = 2
_OTHER_FILES = 64
"""Room for everything that is not a namespace: terminals, libraries, pipes."""


class NamespacePool:
    """Use as a context manager; everything is closed at the end. `expected`: how many namespaces."""

    def __init__(self, expected: int) -> None:
        self.descriptors: dict[str, int] = {}
        self._netlinks: dict[str, Netlink] = {}
        self.settings = Settings()
        """Kernel settings of the namespace that the thread is in."""
        allow_files(_FILES_EACH * expected)

    def __enter__(self) -> NamespacePool:
        self._home = netns.current()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for netlink in self._netlinks.values():
            netlink.close()
        for descriptor in self.descriptors.values():
            os.close(descriptor)
        self.settings.close()
        os.close(self._home)

    def create(self, namespace: str) -> None:
        """Make a namespace with `lo` up, and keep it open."""
        try:
            namespaces.create(namespace)
            self._netlinks[namespace] = Netlink()
        finally:
            netns.move(self._home, "home")
        self.descriptors[namespace] = netns.open_named(namespace)
        loopback_up(self._netlinks[namespace])

    def forget(self, namespace: str) -> None:
        """Close a namespace that is to end."""
        if netlink := self._netlinks.pop(namespace, None):
            netlink.close()
        if namespace in self.descriptors:
            os.close(self.descriptors.pop(namespace))

    def netlink(self, namespace: str) -> Netlink:
        """Return the namespace's netlink socket, opened at first use. Raises KernelError if it is gone."""
        if namespace not in self._netlinks:
            with self.inside(namespace):
                pass
        return self._netlinks[namespace]

    @contextmanager
    def inside(self, namespace: str) -> Iterator[None]:
        """Run a block inside a namespace, then go back to where the command began. Raises KernelError."""
        if namespace not in self.descriptors:
            self.descriptors[namespace] = netns.open_named(namespace)
        netns.move(self.descriptors[namespace], namespace)
        try:
            if namespace not in self._netlinks:
                self._netlinks[namespace] = Netlink()
            yield
        finally:
            netns.move(self._home, "home")

    def set(self, *settings: Sysctl) -> None:
        """Write kernel settings of one namespace."""
        with self.inside(settings[0].namespace):
            for setting in settings:
                self.settings.write(setting)


def files_for(count: int) -> int:
    """Return how many open files a command with so many namespaces needs."""
    return _FILES_EACH * count + _OTHER_FILES


def allow_files(count: int) -> None:
    """Raise the soft limit (usually 1,024 files) to `count` and some, if it is lower."""
    required = count + _OTHER_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < required and soft != resource.RLIM_INFINITY:
        ceiling = required if hard == resource.RLIM_INFINITY else min(required, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, ceiling), hard))
