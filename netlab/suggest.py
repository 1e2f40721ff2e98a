"""What a name that nobody knows may have been meant to be."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable

_COMPARED = 100
"""Names: comparing takes some microseconds for each, and there may be thousands."""
_SHOWN = 12
_LONGEST = 100
"""Letters; no name has more."""


def near(word: str, known: Collection[str]) -> str:
    """`did you mean 'web'?` for the name that is most like a word; empty if none is.

    A name with another number is no slip of the hand: vm7 is not vm8.
    """
    if len(word) > _LONGEST:
        return ""
    names = [name for name in list(known)[:_COMPARED] if _letters(name) != _letters(word)]
    same = [name for name in known if name.lower() == word.lower()]
    like = same or _like(word, names)
    return f"did you mean '{like[0]}'?" if like else ""


def _like(word: str, names: list[str]) -> list[str]:
    from difflib import get_close_matches

    return get_close_matches(word, names, 1)


def _letters(name: str) -> str:
    return re.sub("[0-9]", "", name)


def one_of(known: Iterable[str]) -> str:
    """`use one of: vm1, vm2`; of many names, the first ones and how many there are."""
    names = list(known)
    if not names:
        return "there is none"
    more = f", … ({len(names):,} in all)" if len(names) > _SHOWN else ""
    return f"use one of: {', '.join(names[:_SHOWN])}{more}"


def instead(word: str, known: Iterable[str]) -> str:
    """The name that was meant, or those that there are."""
    names = list(known)
    return near(word, names) or one_of(names)
