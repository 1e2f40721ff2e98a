"""Packages that import a submodule when one of its names is first used (PEP 562), for a quick start."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from threading import RLock
from types import ModuleType

_importing = RLock()
"""Of threads that each import what the other one needs, Python gives one a module that is half made."""


def submodule(package: str, submodules: Mapping[str, str], name: str) -> ModuleType:
    """Import the submodule that a package's table has for a name. Raises AttributeError for no such name."""
    if name not in submodules:
        raise AttributeError(f"module {package!r} has no attribute {name!r}")
    with _importing:
        return import_module(f"{package}.{submodules[name]}")
