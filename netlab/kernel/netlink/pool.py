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
        """Those of the namespace that the thread is in."""
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
        """Let go of a namespace that is to end."""
        if netlink := self._netlinks.pop(namespace, None):
            netlink.close()
        if namespace in self.descriptors:
            os.close(self.descriptors.pop(namespace))

    def netlink(self, namespace: str) -> Netlink:
        """The namespace's netlink socket, opened at first use."""
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
            for one in settings:
                self.settings.write(one)


def files_for(count: int) -> int:
    """How many numbers of open files handles for so many namespaces take."""
    return _FILES_EACH * count + _OTHER_FILES


def allow_files(more: int) -> None:
    """Raise the soft limit (usually 1,024 files) if it is too low, and no further than needed."""
    wanted = more + _OTHER_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < wanted and soft != resource.RLIM_INFINITY:
        ceiling = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, ceiling), hard))
