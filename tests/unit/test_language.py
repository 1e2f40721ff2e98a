"""One name is one thing, a docstring can be read alone, and no folder's files import in a circle."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from tests.language import PACKAGE, modules, relative_docstrings, room, tree

CLASS_LIKE = re.compile("_?[A-Z][A-Za-z0-9]*[a-z][A-Za-z0-9]*")


def types(file: Path) -> set[str]:
    """Return a file's classes, its aliases of types and its type variables."""
    names = {node.name for node in ast.walk(tree(file)) if isinstance(node, ast.ClassDef)}
    for node in tree(file).body:
        if isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names |= {target.id for target in targets if isinstance(target, ast.Name)}
    return {name for name in names if CLASS_LIKE.fullmatch(name)}


def test_a_type_has_a_name_that_no_other_module_gives():
    definitions = defaultdict(list)
    for file in modules():
        for name in types(file):
            definitions[name].append(str(file.relative_to(PACKAGE)))
    assert {name: files for name, files in definitions.items() if len(files) > 1} == {}


@pytest.mark.parametrize("name", sorted({room(file) for file in modules()}))
def test_a_docstring_can_be_read_alone(name):
    files = [file for file in modules() if room(file) == name]
    assert [where for file in files for where in relative_docstrings(file)] == []


def parts(file: Path) -> tuple[str, ...]:
    """`netlab`, folders, module; a folder's own file is `__init__`."""
    return file.relative_to(PACKAGE.parent).with_suffix("").parts


FILES = {parts(file) for file in modules()}


@cache
def imported(file: Path) -> set[tuple[str, ...]]:
    """Return the files of netlab that a file imports, inside functions too."""
    names = set()
    for node in ast.walk(tree(file)):
        if isinstance(node, ast.ImportFrom) and node.module:
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
    return {home(tuple(name.split("."))) for name in names if name.startswith("netlab.")}


def home(name: tuple[str, ...]) -> tuple[str, ...]:
    """Return the file of a name: a module's, a folder's, or the one that defines it."""
    while name not in FILES and (*name, "__init__") not in FILES:
        name = name[:-1]
    return name if name in FILES else (*name, "__init__")


@pytest.mark.parametrize(
    "folder", sorted({file.parent for file in modules()}), ids=lambda f: f.name
)
def test_what_is_in_a_folder_imports_in_no_circle(folder):
    above = parts(folder / "x")[:-1]
    graph: dict[str, set[str]] = defaultdict(set)
    for file in modules():
        for target in imported(file):
            if parts(file)[: len(above)] == above == target[: len(above)]:
                source, imports = parts(file)[len(above)], target[len(above)]
                if source != imports and "__init__" not in (source, imports):
                    graph[source].add(imports)
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" <- ".join(error.args[1]), pytrace=False)
