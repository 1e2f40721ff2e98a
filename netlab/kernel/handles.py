"""The open namespaces of one command: a descriptor and a netlink socket each, opened once."""

from __future__ import annotations

import os
import resource
from types import TracebackType

from netlab.kernel import netns
from netlab.kernel.links import loopback_up
from netlab.kernel.netlink import Netlink

_FILES_EACH = 2
_OTHER_FILES = 64
"""Room for everything that is not a namespace: terminals, libraries, pipes."""


class Handles:
    """Use as a context manager; everything is closed at the end. `namespaces`: how many to expect."""

    def __init__(self, namespaces: int) -> None:
        self.descriptors: dict[str, int] = {}
        self._netlinks: dict[str, Netlink] = {}
        allow_files(_FILES_EACH * namespaces)

    def __enter__(self) -> Handles:
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

    def create(self, namespace: str) -> None:
        """Make a namespace with `lo` up, and keep it open."""
        with netns.stay_home():
            netns.create(namespace)
            self._keep(namespace)
        loopback_up(self._netlinks[namespace])

    def forget(self, namespace: str) -> None:
        """Let go of a namespace that is to end."""
        if namespace in self._netlinks:
            self._netlinks.pop(namespace).close()
            os.close(self.descriptors.pop(namespace))

    def netlink(self, namespace: str) -> Netlink:
        """The namespace's netlink socket, opened at first use."""
        if namespace not in self._netlinks:
            with netns.inside(namespace):
                self._keep(namespace)
        return self._netlinks[namespace]

    def _keep(self, namespace: str) -> None:
        """Remember the namespace in which the thread is now."""
        path = netns.NAMES / namespace
        self.descriptors[namespace] = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        self._netlinks[namespace] = Netlink()


def files_for(namespaces: int) -> int:
    """How many numbers of open files handles for so many namespaces take."""
    return _FILES_EACH * namespaces + _OTHER_FILES


def allow_files(more: int) -> None:
    """Raise the soft limit (usually 1,024 files) if it is too low, and no further than needed."""
    wanted = more + _OTHER_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < wanted and soft != resource.RLIM_INFINITY:
        ceiling = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, ceiling), hard))
