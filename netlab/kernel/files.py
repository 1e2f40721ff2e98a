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
    """Return the text of a file; None if it is no regular file (but a link, a folder), or not there."""
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
    """Write a file of this text; a link or a folder of its name goes."""
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
    """Make a folder where there is none yet; a file or a link of its name goes."""
    if path.is_symlink() or not path.is_dir():
        path.unlink(missing_ok=True)
        path.mkdir()


def remove(path: str) -> None:
    """Remove a file, a link or a folder with its contents. Forgives absence."""
    entry = Path(path)
    if entry.is_dir() and not entry.is_symlink():
        shutil.rmtree(entry)
    else:
        with suppress(FileNotFoundError, NotADirectoryError):
            entry.unlink()
