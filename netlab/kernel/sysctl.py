"""Kernel settings of a namespace; /proc/sys/net shows those of the calling thread's."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from netlab.kernel import netns
from netlab.plan.nouns import Sysctl


def write(setting: Sysctl) -> None:
    """Set it; an optional one only where the kernel has it."""
    path = _path(setting)
    with netns.inside(setting.namespace):
        if not setting.optional or path.exists():
            path.write_text(setting.value)


def read(setting: Sysctl) -> Sysctl | None:
    """The setting with its present value; an absent optional one is as planned."""
    with netns.inside(setting.namespace):
        try:
            return replace(setting, value=_path(setting).read_text().strip())
        except FileNotFoundError:
            return setting if setting.optional else None


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
