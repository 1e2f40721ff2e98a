"""Text that others have written, so that it can be shown: to a terminal, on a page, in a file.

Scenarios come from the Internet, and packets from machines that do what they like: a control character in
them could clear the screen, forge a line, or turn the reading order round.
"""

from __future__ import annotations

import json
import re
from functools import lru_cache
from typing import Any
from unicodedata import category

_PLAIN = " -~"
"""A range of ASCII: what can be printed."""
_LINES = "\n\t"
_ODD = re.compile(f"[^{_PLAIN}]")
_ODD_BUT_LINES = re.compile(f"[^{_PLAIN}{_LINES}]")


def visible(text: str) -> str:
    """Return a line in which every character that cannot be seen as itself is an escape."""
    return _ODD.sub(lambda char: _shown(char[0]), text)


def visible_lines(text: str) -> str:
    """Return lines as `visible` does; line ends and tabs stay."""
    return _ODD_BUT_LINES.sub(lambda char: _shown(char[0]), text)


def visible_json(document: str) -> str:
    """Return JSON as `visible` does; it stays the same document: such characters are in strings only."""
    return _ODD_BUT_LINES.sub(lambda char: _in_json(char[0]), document)


def visible_data(data: Any) -> Any:
    """Return data, to become JSON for a page, with every text in it as `visible` returns it."""
    match data:
        case str():
            return visible(data)
        case dict():
            return {visible_data(key): visible_data(value) for key, value in data.items()}
        case list() | tuple():
            return [visible_data(item) for item in data]
    return data


def is_visible(char: str) -> bool:
    """Return whether a character shows as itself: letters, signs, and spaces of all widths."""
    return char.isprintable() or category(char) == "Zs"


@lru_cache
def _shown(char: str) -> str:
    return char if is_visible(char) else ascii(char)[1:-1]


@lru_cache
def _in_json(char: str) -> str:
    return char if is_visible(char) else json.dumps(char)[1:-1]
