"""Texts for people: English in the code, other languages in the gettext catalogues of `locale/`.

A text is an English sentence with named places: `"{address} is at {mac}"`; `make messages` collects it.
What is shown at once is translated by `translator(language)`. What is shown later, by a caller who knows
the language, is a `Message`. Linux's own texts (a rule, a route) are plain strings in every language.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache, reduce
from gettext import translation
from pathlib import Path
from typing import Self

ENGLISH = "en"
LOCALE = Path(__file__).with_name("locale")
_DOMAIN = "netlab"
_SCRIPTS = {"zh": "zh-Hans"}
"""Tags of languages that have several scripts: HTML chooses fonts by them."""


@cache
def languages() -> tuple[str, ...]:
    """English, and every language that has a compiled catalogue, in the order of the alphabet."""
    catalogues = LOCALE.glob(f"*/LC_MESSAGES/{_DOMAIN}.mo")
    return (ENGLISH, *sorted(catalogue.parts[-3] for catalogue in catalogues))


@cache
def translator(language: str) -> Callable[[str], str]:
    """Return gettext's function for a language; English needs no catalogue.

    A text that the catalogue lacks stays English, and so do all if the file is gone or damaged: what a
    command has found out is not lost for a text.
    """
    if language == ENGLISH:
        return str
    try:
        return translation(_DOMAIN, LOCALE, [language]).gettext
    except (OSError, ValueError, struct.error):
        return str


def N_(text: str) -> str:  # noqa: N802
    """Mark a text that is translated elsewhere, so that Babel finds it; gettext's name for this."""
    return text


def language_name(language: str) -> str:
    """Return what speakers of a language call it."""
    # Translators: instead of "English", the name of your language in your language.
    return translator(language)(N_("English"))


def language_tag(language: str) -> str:
    """Return a language's tag in HTML: `zh-Hans`."""
    return _SCRIPTS.get(language, language.replace("_", "-"))


class Message(str):
    """A text in English that can be rendered in another language.

    As `oslo_i18n.Message`, it is a `str`: JSON and comparisons see English. Joined to another text or
    formatted into one it becomes plain English, so it is an argument of the other `Message` instead.
    """

    msgid: str
    """English, with named places."""
    arguments: Mapping[str, object]

    def __new__(cls, msgid: str, /, **arguments: object) -> Self:
        message = super().__new__(cls, msgid.format(**arguments))
        message.msgid, message.arguments = msgid, arguments
        return message

    def __getnewargs_ex__(self) -> tuple[tuple[str], dict[str, object]]:
        return (self.msgid,), dict(self.arguments)

    def render(self, language: str) -> str:
        """Return the text in a language, and its arguments with it."""
        arguments = {
            name: argument.render(language) if isinstance(argument, Message) else argument
            for name, argument in self.arguments.items()
        }
        return translator(language)(self.msgid).format(**arguments)


def render(text: str, language: str) -> str:
    """Return a text in a language if it is a `Message`; any other one as it is."""
    return text.render(language) if isinstance(text, Message) else text


def in_languages(text: str) -> dict[str, str]:
    """Return a text in every language."""
    return {language: render(text, language) for language in languages()}


def join_and(names: Iterable[str]) -> str:
    """Return `vm1 and vm2`, in the order of the alphabet."""
    return _joined(N_("{first} and {second}"), sorted(names))


def join_or(names: Sequence[str]) -> str:
    """Return `10.0.0.1 or 10.0.0.2`, in the order given."""
    return _joined(N_("{first} or {second}"), names)


def _joined(text: str, names: Sequence[str]) -> str:
    if not names:
        return ""
    return reduce(lambda first, second: Message(text, first=first, second=second), names)
