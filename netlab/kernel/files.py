"""Small files read and written by bare system calls: a lab of 1,000 machines has 10,000 of them."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

_PIECE = 1 << 16


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
    """Make a file of this text, or give it another; never that to which a link leads."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW
    file = os.open(path, flags, 0o666)
    try:
        data = text.encode()
        while data:
            data = data[os.write(file, data) :]
    finally:
        os.close(file)


def remove(path: str) -> None:
    """Let nothing be there: no file, no link, no folder. Forgives absence."""
    there = Path(path)
    if there.is_dir() and not there.is_symlink():
        shutil.rmtree(there)
    else:
        there.unlink(missing_ok=True)
