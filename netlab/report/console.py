"""A rich console that obeys nothing in the texts that it shows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TextIO

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Text

from netlab.visible import visible_lines


def console(stream: TextIO, width: int, height: int = 1) -> Console:
    """Return a rich console that takes texts as they are: a MAC's `:ab:` is no emoji, `[x]` no markup.

    It gets both sizes, or rich believes a terminal that is called dumb to have 80 columns.
    """
    return _Console(
        file=stream, width=width, height=height, highlight=False, markup=False, emoji=False
    )


class _Console(Console):
    """Obeys nothing that stands in a text: control characters are shown."""

    def render_str(self, text: str, **options: Any) -> Text:
        return super().render_str(visible_lines(text), **options)

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterator[Segment]:
        for segment in super().render(renderable, options):
            text = segment.text
            if text.isprintable() or segment.control:
                yield segment
            else:
                yield Segment(visible_lines(text), segment.style)
