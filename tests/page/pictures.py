"""Screenshots for docs/page.md, of real journeys: `make pictures`."""

from __future__ import annotations

import tempfile
from pathlib import Path

from netlab import lab
from netlab.report import data, graph, svg
from netlab.report.page import html
from tests.page import record
from tests.page.browser import Browser, browser

IMAGES = Path(__file__).parents[2] / "docs" / "images"


def main() -> None:
    """Take all of them anew."""
    IMAGES.mkdir(parents=True, exist_ok=True)
    with lab.running(lab.prepare(lab.load("nat"))) as nat:
        through, dead = record.answered(nat), record.dead(nat)
        drawn = svg.render(graph.running(lab.status(nat)))
    with lab.running(lab.prepare(lab.load("three-modes"))) as modes:
        both = [data.trace(lab.trace(modes, vm, "internet"), modes.name) for vm in ("vm1", "vm2")]
        all_modes = svg.render(graph.running(lab.status(modes)))
    with browser() as tab, tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "page.html")

        def load(journeys: list[dict], picture: str, language: str, **look: str) -> Browser:
            file.write_text(html(journeys, picture, language))
            tab.look(1280, 900, prefers_reduced_motion="reduce", **look)
            tab.go(file.as_uri())
            return tab

        load([through], drawn, "en", prefers_color_scheme="light")
        tab.js(
            "go(page.journeys[0].steps.findIndex((step) => step.before['ip.src'] !== step.after['ip.src']))"
        )
        tab.picture(IMAGES / "page-nat.png")
        load([dead], drawn, "zh", prefers_color_scheme="dark")
        tab.press("End")
        tab.picture(IMAGES / "page-death-zh.png")
        load(both, all_modes, "en", prefers_color_scheme="light")
        tab.click("#hide-arp")
        tab.choose("#compare", "1")
        tab.js("go(2)")
        tab.picture(IMAGES / "page-compare.png", "main")


if __name__ == "__main__":
    main()
