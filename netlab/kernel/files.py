"""Small files read and written by bare system calls: a lab of 1,000 machines has 10,000 of them."""

from __future__ import annotations

import errno
import os
import shutil
from contextlib import suppress
from pathlib import Path

_PIECE = 1 << 16
_WRITING = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW


def read(path: str) -> str | None:
    """The text of a file; None if it is none (a link is none), or not there."""
    try:
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        if error.errno != errno.ELOOP:
            raise
        return None
    try:
        data = piece = os.read(file, _PIECE)
        while piece:
            piece = os.read(file, _PIECE)
            data += piece
    except IsADirectoryError:
        return None
    finally:
        os.close(file)
    return data.decode(errors="replace")


def write(path: str, text: str) -> None:
    """Make a file of this text, or give it another. A link or a folder in its place goes."""
    try:
        file = os.open(path, _WRITING, 0o666)
    except OSError as error:
        if error.errno not in (errno.ELOOP, errno.EISDIR):
            raise
        remove(path)
        file = os.open(path, _WRITING, 0o666)
    try:
        data = text.encode()
        while data:
            data = data[os.write(file, data) :]
    finally:
        os.close(file)


def make_folder(path: Path) -> None:
    """Let a folder be there. Anything else in its place goes."""
    if path.is_symlink() or not path.is_dir():
        path.unlink(missing_ok=True)
        path.mkdir()


def remove(path: str) -> None:
    """Let nothing be there: no file, no link, no folder. Forgives absence."""
    there = Path(path)
    if there.is_dir() and not there.is_symlink():
        shutil.rmtree(there)
    else:
        with suppress(FileNotFoundError, NotADirectoryError):
            there.unlink()
