"""Screenshots for docs/guide/view.md, of real journeys and real traffic: `make pictures`."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from netlab import lab
from netlab.messages import languages
from netlab.report import data
from netlab.report.topology import graph, svg
from netlab.report.web.page import html
from tests.machine import inside, viewing
from tests.page import record
from tests.page.browser import Browser, browser

IMAGES = Path(__file__).parents[2] / "docs" / "images"


@contextmanager
def translated(tab: Browser, nat: lab.Lab) -> Iterator[str | None]:
    """The NAT device rewrites a packet."""
    _load(tab, nat, [record.answered(nat)], "en", "light")
    changes = "step.before['ip.src'] !== step.after['ip.src']"
    tab.js(f"go(page.journeys[0].steps.findIndex((step) => {changes}))")
    yield None


@contextmanager
def live(tab: Browser, nat: lab.Lab) -> Iterator[str | None]:
    """Live traffic, with the form that sends."""
    tab.look(1280, 900, prefers_color_scheme="light")
    with viewing(nat.name, "--allow-send") as (_, address):
        tab.go(address)
        tab.until("$('link').dataset.word === 'connected'")
        inside(f"{nat.name}.vm1", "ping", "-f", "-c100", "10.0.0.129")
        tab.until("document.querySelectorAll('.count').length > 1")
        tab.until("document.querySelectorAll('.dot').length === 0")
        tab.js(_STILL)
        for node, *words in (
            ("vm1", "ping", "-c1", "10.0.0.129"),
            ("vm2", "dig", "+short", "www.example.com"),
            ("vm2", "curl", "-s", "http://www.example.com/"),
            ("vm1", "ping", "-c1", "203.0.113.80"),
        ):
            inside(f"{nat.name}.{node}", *words)
        tab.until(
            "['DNS', 'SYN', '203.0.113.80  ICMP'].every((one) => $('packets').textContent.includes(one))"
        )
        yield None


_STILL = """{
  const known = new Set();
  globalThis.requestAnimationFrame = (tick) => {
    if (known.has(tick)) return;
    setTimeout(tick, 0, performance.now() + HOP_MILLISECONDS * (known.size % 4 + 0.5));
    known.add(tick);
  };
}"""
"""From now on a dot goes half-way along one of its wires, and stays there."""


@contextmanager
def dead(tab: Browser, nat: lab.Lab) -> Iterator[str | None]:
    """A guest's firewall drops a packet."""
    _load(tab, nat, [record.dead(nat)], "zh", "dark")
    tab.press("End")
    yield None


@contextmanager
def compared(tab: Browser, modes: lab.Lab) -> Iterator[str | None]:
    """A bridged VM and one behind NAT."""
    both = [data.trace(lab.trace(modes, vm, "internet"), modes.name) for vm in ("vm1", "vm2")]
    _load(tab, modes, both, "en", "light")
    tab.click("#hide-arp")
    tab.js("go(2)")
    yield "main"


PICTURES = {
    "page-nat.png": ("nat", translated),
    "page-dropped-zh.png": ("nat", dead),
    "page-live.png": ("nat", live),
    "page-compare.png": ("three-modes", compared),
}
"""File to scenario and to what brings the page about; that tells which part of it is the picture, or None."""


def _load(tab: Browser, running: lab.Lab, journeys: list[dict], language: str, scheme: str) -> None:
    status = lab.status(running)
    drawn = {one: svg.render(graph.running(status, one)) for one in languages()}
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "page.html")
        file.write_text(html(journeys, {running.name: drawn}, language))
        tab.look(1280, 900, prefers_reduced_motion="reduce", prefers_color_scheme=scheme)
        tab.go(file.as_uri())


def main() -> None:
    """Take all of them anew."""
    IMAGES.mkdir(parents=True, exist_ok=True)
    with browser() as tab:
        for name, (scenario, scene) in PICTURES.items():
            planned = lab.prepare(lab.load(scenario))
            with lab.running(planned) as running, scene(tab, running) as part:
                tab.picture(IMAGES / name, part)


if __name__ == "__main__":
    main()
