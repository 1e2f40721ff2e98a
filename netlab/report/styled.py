"""Texts and things that can be shown anywhere: for a pipe they are only text, and rich is not loaded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeAlias

from netlab.frozen import frozen

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult
    from rich.text import Text


class Renderable(Protocol):
    """A thing that knows its lines for any width; with `__rich_console__`, rich shows it on a terminal."""

    def as_text(self, width: int) -> str: ...

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult: ...


Shown: TypeAlias = str | Renderable


class Styled(str):
    """A text in a style of rich's."""

    style: str

    def __new__(cls, text: str, style: str = "") -> Styled:
        styled = super().__new__(cls, text)
        styled.style = style
        return styled

    def __rich__(self) -> Text:
        from rich.text import Text

        return Text(str(self), self.style)


class Drawing(Styled):
    """A text whose lines are cut, and not broken, where they have no room."""

    def __rich__(self) -> Text:
        from rich.text import Text

        return Text(str(self), self.style, no_wrap=True, overflow="crop")


@frozen
class Below:
    """Several things, each below the one before."""

    parts: tuple[Shown, ...]

    def as_text(self, width: int) -> str:
        return "\n".join(as_text(part, width) for part in self.parts)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield from self.parts


def as_text(shown: Shown, width: int) -> str:
    """Return the lines without styles."""
    return shown if isinstance(shown, str) else shown.as_text(width)


def style_of(text: str) -> str:
    """Return a text's style, empty if it has none."""
    return text.style if isinstance(text, Styled) else ""
