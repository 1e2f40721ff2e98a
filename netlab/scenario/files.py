"""Scenario files by name: a path, or a scenario that comes with netlab."""

from __future__ import annotations

from pathlib import Path

from netlab.errors import UsageError
from netlab.suggest import instead, near

_PACKAGE = Path(__file__).parent.parent
SHIPPED_FOLDERS = (_PACKAGE / "scenarios", _PACKAGE.parent / "scenarios")
"""The folders in which an installed wheel and a source tree keep the shipped scenarios."""

STDIN = "-"
"""The name of the file that is read from standard input."""


def shipped() -> dict[str, Path]:
    """Return the files of the scenarios that come with netlab, by name."""
    folder = next((folder for folder in SHIPPED_FOLDERS if folder.is_dir()), None)
    return {file.stem: file for file in sorted(folder.glob("*.yaml"))} if folder else {}


def is_path(name: str) -> bool:
    """Return whether a name means a file, and no scenario that comes with netlab."""
    return name == STDIN or "/" in name or Path(name).suffix in (".yaml", ".yml")


def find_file(name: str) -> Path:
    """Return the file of `name`: a path, or a shipped scenario. Raises UsageError."""
    file, by_name = Path("/dev/stdin" if name == STDIN else name), shipped()
    if name in by_name:
        return by_name[name]
    try:
        is_folder, exists = file.is_dir(), file.exists()
    except (OSError, ValueError) as error:
        raise UsageError(f"'{name}' cannot be a file: {error}") from error
    if is_folder:
        raise UsageError(f"'{name}' is a folder", "name a scenario file in it")
    if exists:
        return file
    if is_path(name):
        raise _no_file(file)
    names = [*by_name, *(neighbour.name for neighbour in Path().glob("*.yaml"))]
    raise UsageError(f"there is no scenario or file '{name}'", instead(name, names))


def _no_file(file: Path) -> UsageError:
    folder = file.parent
    if not folder.is_dir():
        return UsageError(f"there is no folder '{folder}' for '{file.name}'", "correct the path")
    message = f"there is no file '{file.name}' in {folder.absolute()}"
    if file.stem in shipped():
        meant = f"did you mean the scenario '{file.stem}', which comes with netlab?"
        return UsageError(message, meant)
    neighbours = [neighbour.name for neighbour in folder.glob("*.y*ml")]
    return UsageError(message, near(file.name, neighbours) or "correct the path")
