"""Imports go one way: this table says who may import whom."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "netlab"

ALLOWED = {
    "errors": set(),
    "visible": set(),
    "scenario": {"errors", "visible"},
    "plan": {"errors", "scenario"},
    "kernel": {"errors", "visible", "plan"},
    "probe": {"errors", "visible", "scenario", "kernel"},
    "explain": {"errors", "kernel", "probe"},
    "lab": {"errors", "scenario", "plan", "kernel", "probe", "explain"},
    "views": {"errors", "visible", "scenario", "plan", "kernel", "lab"},
    "report": {
        "errors",
        "visible",
        "scenario",
        "plan",
        "kernel",
        "probe",
        "explain",
        "lab",
        "views",
    },
    "cli": {
        "errors",
        "visible",
        "scenario",
        "plan",
        "kernel",
        "probe",
        "explain",
        "lab",
        "views",
        "report",
    },
    "__main__": {"cli"},
}

ONLY_IN = {
    "nftables": "kernel",
    "scapy": "probe/layers.py",
    "click": "cli",
    "pydantic": "scenario",
    "yaml": "scenario",
    "subprocess": "kernel",
}

PURE = ("scenario", "plan")
IMPURE_MODULES = {"os", "socket", "subprocess", "fcntl", "ctypes", "signal", "shutil", "resource"}


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def room(file: Path) -> str:
    return file.relative_to(PACKAGE).parts[0].removesuffix(".py")


@cache
def tree(file: Path) -> ast.Module:
    return ast.parse(file.read_text())


@cache
def imports(file: Path) -> set[str]:
    found = set()
    for node in ast.walk(tree(file)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(node.module or "")
            if node.module == "netlab":
                found |= {f"netlab.{alias.name}" for alias in node.names}
    return found


@pytest.mark.parametrize("file", modules(), ids=lambda file: str(file.relative_to(PACKAGE)))
def test_a_room_imports_only_what_its_row_allows(file):
    if file.name == "__init__.py" and file.parent == PACKAGE:
        assert not [name for name in imports(file) if name.startswith("netlab")]
        return
    own = room(file)
    for name in imports(file):
        if name.startswith("netlab."):
            target = name.split(".")[1]
            assert target in ALLOWED[own] | {own, "__version__"}, f"{own} imports {name}"


@pytest.mark.parametrize("file", modules(), ids=lambda file: str(file.relative_to(PACKAGE)))
def test_a_library_is_used_in_one_room_only(file):
    """Or in one module of a room."""
    for name in imports(file):
        home = ONLY_IN.get(name.split(".")[0])
        homes = (None, room(file), file.relative_to(PACKAGE).as_posix())
        assert home in homes, f"{name} belongs to {home}"


@pytest.mark.parametrize(
    "file", [f for f in modules() if room(f) in PURE], ids=lambda f: str(f.relative_to(PACKAGE))
)
def test_scenario_and_plan_are_pure(file):
    assert not imports(file) & IMPURE_MODULES


@pytest.mark.parametrize("file", modules(), ids=lambda file: str(file.relative_to(PACKAGE)))
def test_every_module_says_what_it_is_for(file):
    assert ast.get_docstring(tree(file))


def test_nothing_calls_the_tools_that_libraries_replace():
    for file in modules():
        for node in ast.walk(tree(file)):
            if isinstance(node, ast.List | ast.Tuple) and node.elts:
                first = node.elts[0]
                if isinstance(first, ast.Constant):
                    assert first.value not in ("ip", "nft", "ping", "iptables", "brctl"), file
