"""pyroute2's message classes, without what its package imports: 370 modules in 0.1 s, where 30 are needed."""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.machinery import PathFinder
from importlib.util import module_from_spec
from types import ModuleType
from typing import Any

from netlab.errors import Missing

_PACKAGE = "pyroute2"


def load() -> None:
    """Let submodules of pyroute2 be imported alone.

    The package is there at once, and its `__init__` runs when somebody asks for a name that it defines:
    `import pyroute2; pyroute2.IPRoute()` works as ever. Raises Missing if there is no pyroute2.
    """
    if _PACKAGE in sys.modules:
        return
    spec = PathFinder.find_spec(_PACKAGE)
    if spec is None or spec.loader is None:
        raise Missing(
            "Python's package pyroute2 is not installed", "`make setup`, or `pip install pyroute2`"
        )
    package = module_from_spec(spec)
    package.__getattr__ = lambda name: _attribute(package, name)  # type: ignore[method-assign]
    sys.modules[_PACKAGE] = package


def _attribute(package: ModuleType, name: str) -> Any:
    """Return what the package does not have yet (PEP 562): a submodule, or a name from its `__init__`."""
    if PathFinder.find_spec(f"{_PACKAGE}.{name}", package.__path__):
        return import_module(f"{_PACKAGE}.{name}")
    del package.__getattr__
    assert package.__spec__ and package.__spec__.loader
    package.__spec__.loader.exec_module(package)
    return getattr(package, name)


def incompatible(problem: str) -> Missing:
    """Return the error of a pyroute2 that lacks something that netlab needs."""
    from importlib.metadata import version

    return Missing(
        f"pyroute2 {version(_PACKAGE)} does not fit: {problem}",
        "install one of the versions that netlab's pyproject.toml allows",
    )
