"""Suggestions for a name that does not exist: the name that was meant, or a list."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable

_COMPARED = 100
"""Names that are compared: it takes some microseconds for each, and there may be thousands."""
_SHOWN = 12
"""Names that are listed."""
_LONGEST = 100
"""Letters; no name has more."""


def near(word: str, names: Collection[str]) -> str:
    """Return `did you mean 'web'?` for the name that is most like a word; empty if none is.

    A name with another number is no slip of the hand: vm7 is not vm8.
    """
    if len(word) > _LONGEST:
        return ""
    comparable = [name for name in list(names)[:_COMPARED] if _letters(name) != _letters(word)]
    equal = [name for name in names if name.lower() == word.lower()]
    matches = equal or _like(word, comparable)
    return f"did you mean '{matches[0]}'?" if matches else ""


def _like(word: str, names: list[str]) -> list[str]:
    from difflib import get_close_matches

    return get_close_matches(word, names, 1)


def _letters(name: str) -> str:
    return re.sub("[0-9]", "", name)


def one_of(names: Iterable[str]) -> str:
    """Return `use one of: vm1, vm2`; of many names, the first ones and their number."""
    listed = list(names)
    if not listed:
        return "there is none"
    tail = f", … ({len(listed):,} in all)" if len(listed) > _SHOWN else ""
    return f"use one of: {', '.join(listed[:_SHOWN])}{tail}"


def instead(word: str, names: Iterable[str]) -> str:
    """Return a question for the name that was meant, or a list of the names."""
    listed = list(names)
    return near(word, listed) or one_of(listed)
