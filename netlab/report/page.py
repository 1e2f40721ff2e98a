"""Journeys as one HTML file that needs nothing else: no network, no other file, no library."""

from __future__ import annotations

import hashlib
import json
import re
from base64 import b64encode
from collections.abc import Sequence
from pathlib import Path
from string import Template
from typing import Any

_PARTS = Path(__file__).parent.parent / "programs" / "page"
_STYLES = re.compile(r"""<style[^>]*>(.*?)</style>|\sstyle="([^"]*)\"""", re.DOTALL)
"""Elements and attributes of the picture."""


def html(
    journeys: Sequence[dict[str, Any]],
    picture: str,
    language: str,
    live: bool = False,
    send: Sequence[str] = (),
) -> str:
    """The page. `journeys` are documents of `trace --json`, `picture` is the SVG of `graph`.

    `live`: the page is served by `view`, and asks it for packets. `send`: the kinds of probe that
    the page may ask for; none if it only looks on.
    """
    style, script = (_PARTS / "page.css").read_text(), (_PARTS / "page.js").read_text()
    picture = picture[picture.index("<svg") :]
    facts = {"language": language, "journeys": journeys, "live": live, "send": list(send)}
    return Template((_PARTS / "page.html").read_text()).substitute(
        policy=_policy([style, *_styles(picture)], script, live),
        style=style,
        picture=picture,
        data=_inert(facts),
        script=script,
    )


def _styles(picture: str) -> list[str]:
    return sorted({element or attribute for element, attribute in _STYLES.findall(picture)})


def _policy(styles: Sequence[str], script: str, live: bool) -> str:
    """What the browser may run and load: the page's own styles and script, by their digests."""
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
    """JSON in which nothing can end the element that it stands in, or begin another."""
    text = json.dumps(facts, ensure_ascii=False)
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")
