"""Journeys as one HTML file that needs nothing else: no network, no other file, no library."""

from __future__ import annotations

import hashlib
import json
import re
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from pathlib import Path
from string import Template
from typing import Any

from netlab.messages import ENGLISH, language_name, language_tag, languages, translator
from netlab.visible import visible_data

_PARTS = Path(__file__).parents[2] / "programs" / "page"
_STYLES = re.compile(r"""<style[^>]*>(.*?)</style>|\sstyle="([^"]*)\"""", re.DOTALL)
"""Elements and attributes of a picture."""

_TEXT = re.compile(r"""\b_\("([^"]+)"\)""")

Pictures = Mapping[str, Mapping[str, str]]
"""Lab to language to the SVG of `graph`."""


def html(
    journeys: Sequence[dict[str, Any]],
    pictures: Pictures,
    language: str,
    live: bool = False,
    send: Sequence[str] = (),
) -> str:
    """Return the page. `journeys` are documents of `trace --json`; two are compared.

    `pictures`: of every lab that journeys are in, and of one that is shown without a journey.
    `live`: the page is served by `view`, and asks it for packets. `send`: the kinds of probe that
    the page may ask for; none if it only looks on.
    """
    style, script = (_PARTS / "page.css").read_text(), (_PARTS / "page.js").read_text()
    drawn = "\n".join(_figures(pictures))
    facts = {
        "language": language,
        "languages": {
            code: {"name": language_name(code), "tag": language_tag(code)} for code in languages()
        },
        "texts": _translated(script),
        "journeys": journeys,
        "live": live,
        "send": list(send),
    }
    return Template((_PARTS / "page.html").read_text()).substitute(
        policy=_policy([style, *_styles(drawn)], script, live),
        style=style,
        pictures=drawn,
        data=_inert(facts),
        script=script,
    )


def texts_of(script: str) -> list[str]:
    """Return every text that a script marks by `_("…")`."""
    return _TEXT.findall(script)


def _translated(script: str) -> dict[str, dict[str, str]]:
    """Return language to English to the language's text, of every text of a script."""
    texts = texts_of(script)
    return {
        code: dict(zip(texts, map(translator(code), texts), strict=True))
        for code in languages()
        if code != ENGLISH
    }


def _figures(pictures: Pictures) -> Iterator[str]:
    """Yield all pictures; the page shows those that it needs."""
    for lab, drawn in pictures.items():
        for language, picture in drawn.items():
            yield (
                f'<figure class="picture" data-lab="{escape(lab)}" data-language="{language}"'
                f" hidden>{picture}</figure>"
            )


def _styles(pictures: str) -> list[str]:
    return sorted({element or attribute for element, attribute in _STYLES.findall(pictures)})


def _policy(styles: Sequence[str], script: str, live: bool) -> str:
    """Return what the browser may run and load: the page's own styles and script, by their digests."""
    return "; ".join(
        (
            "default-src 'none'",
            f"style-src 'unsafe-hashes' {' '.join(map(_digest, styles))}",
            f"script-src {_digest(script)}",
            "connect-src " + ("'self'" if live else "'none'"),
            "base-uri 'none'",
            "form-action 'none'",
        )
    )


def _digest(text: str) -> str:
    return f"'sha256-{b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _inert(facts: object) -> str:
    """Return JSON in which nothing can end the element that it stands in, or begin another."""
    text = json.dumps(visible_data(facts), ensure_ascii=False)
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")
