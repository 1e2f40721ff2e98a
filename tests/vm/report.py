"""The table that a long test prints while it grows, and the folder for its logs."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[2]


def new_folder(name: str) -> Path:
    """An empty folder vm-results/NAME."""
    folder = ROOT / "vm-results" / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def give_to_owner(folder: Path) -> None:
    """What root has written into a user's tree is the user's."""
    owner = ROOT.stat()
    for path in (folder.parent, folder, *folder.iterdir()):
        os.chown(path, owner.st_uid, owner.st_gid)


@contextmanager
def row(name: str) -> Iterator[list[str]]:
    """A row of the table, printed when the block ends: seconds, and the words that it has added."""
    words: list[str] = []
    before = time.monotonic()
    try:
        yield words
    except BaseException:
        words.append("FAILED")
        raise
    finally:
        print(f"{name:18}{time.monotonic() - before:6.0f} s  {', '.join(words)}", flush=True)


def _give_to_owner(folder: Path) -> None:
    """What root has written into a user's tree is the user's."""
    owner = ROOT.stat()
    for path in (folder.parent, folder, *folder.iterdir()):
        os.chown(path, owner.st_uid, owner.st_gid)
