"""Kernel settings of a namespace; /proc/sys/net shows those of the calling thread's."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from netlab.kernel import netns
from netlab.plan.nouns import Sysctl


def write(setting: Sysctl) -> None:
    """Set it; an optional one only where the kernel has it."""
    path = _path(setting)
    with netns.inside(setting.namespace):
        if not setting.optional or path.exists():
            path.write_text(setting.value)


def reset(setting: Sysctl) -> None:
    """Back to what a new namespace has, where a plan's switches are off. Forgives absence."""
    path = _path(setting)
    with netns.inside(setting.namespace):
        if setting.value == "1" and path.exists():
            path.write_text("0")


def values(namespace: str, keys: Iterable[str]) -> dict[str, str]:
    """The values of those settings that are there."""
    found = {}
    with netns.inside(namespace):
        for key in keys:
            with suppress(OSError):
                found[key] = _file(key).read_text().strip()
    return found


def _path(setting: Sysctl) -> Path:
    return _file(setting.key)


def _file(key: str) -> Path:
    return Path("/proc/sys") / key.replace(".", "/")
