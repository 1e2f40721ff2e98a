"""The language that netlab is written in, counted: how easily a newcomer knows the house by its names.

make language
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "netlab"

PRONOUNS = frozenset(
    (
        *("one", "each", "both", "some", "less", "more", "other", "others", "own", "rest"),
        *("row", "place"),
        *("here", "there", "it", "its", "them", "those", "what", "which", "whose"),
        *("found", "gone", "known", "said", "seen", "told", "wanted"),
    )
)
"""Names that do not say what they hold."""
RELATIVES = frozenset(("What", "Whether", "Whose", "Those", "Of", "Where", "Who", "Which"))
"""First words of a docstring that cannot be read alone."""

Definition = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def modules() -> list[Path]:
    """Return the files of the package."""
    return sorted(PACKAGE.rglob("*.py"))


@cache
def tree(file: Path) -> ast.Module:
    """Return a file's syntax."""
    return ast.parse(file.read_text())


def room(file: Path) -> str:
    """Return the room that a file of the package is in."""
    return file.relative_to(PACKAGE).parts[0].removesuffix(".py")


def names(file: Path) -> Iterator[str]:
    """Yield every variable and parameter, as often as it is written."""
    for node in ast.walk(tree(file)):
        if isinstance(node, ast.Name):
            yield node.id
        elif isinstance(node, ast.arg):
            yield node.arg


def imports_in_functions(file: Path) -> int:
    """Return how many imports a file has below functions."""
    functions = (
        node
        for node in ast.walk(tree(file))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    )
    imports = {
        node
        for function in functions
        for node in ast.walk(function)
        if isinstance(node, ast.Import | ast.ImportFrom)
    }
    return len(imports)


def public_docstrings(file: Path) -> Iterator[tuple[str, str]]:
    """Yield name and docstring of the module, and of all that has no underscore before its name."""

    def below(parent: Definition, name: str) -> Iterator[tuple[str, str]]:
        if text := ast.get_docstring(parent):
            yield name, text
        for node in parent.body:
            if isinstance(node, Definition) and not node.name.startswith("_"):
                yield from below(node, f"{name}.{node.name}")

    return below(tree(file), file.relative_to(PACKAGE).as_posix())


def relative_docstrings(file: Path) -> list[str]:
    """Return the names whose public docstring begins with a relative clause."""
    return [name for name, text in public_docstrings(file) if text.split()[0] in RELATIVES]


def _print_by_room(
    title: str, count: Callable[[Path], int], whole: Callable[[Path], int] = lambda _: 0
) -> None:
    """Print counts by room, the largest first, and what part of the whole they are, if there is one."""
    counts, wholes = Counter[str](), Counter[str]()
    for file in modules():
        counts[room(file)] += count(file)
        wholes[room(file)] += whole(file)
    print(f"{title}: {_shown(counts.total(), wholes.total())}")
    for name, number in counts.most_common():
        if number:
            print(f"  {name:<12}{_shown(number, wholes[name])}")


def _shown(number: int, whole: int) -> str:
    return f"{number:,} of {whole:,}, {100 * number / whole:.1f} %" if whole else f"{number:,}"


def main() -> None:
    """Print the counts."""
    _print_by_room(
        "names that are pronouns",
        lambda file: sum(name in PRONOUNS for name in names(file)),
        lambda file: sum(1 for _ in names(file)),
    )
    _print_by_room("imports inside functions", imports_in_functions)
    _print_by_room(
        "public docstrings that begin with a relative clause",
        lambda file: len(relative_docstrings(file)),
        lambda file: sum(1 for _ in public_docstrings(file)),
    )
    print("files in the largest folders:")
    folders = Counter(file.parent.relative_to(ROOT).as_posix() for file in modules())
    for folder, number in folders.most_common(5):
        print(f"  {folder:<24}{number}")
    print("bytes of documents:")
    for name in ("README.md", "CONTRIBUTING.md"):
        print(f"  {name:<24}{(ROOT / name).stat().st_size:,}")


if __name__ == "__main__":
    main()
