"""A packet's header fields when it came in and when it left, as Packet Tracer shows a PDU."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.text import Text

from netlab.diagnosis.decision import By
from netlab.diagnosis.journey import Step
from netlab.report.styled import Styled
from netlab.report.table import Table
from netlab.report.trace.narrative import Story
from netlab.report.trace.steps import decision_line
from netlab.report.words import FIELDS, field_name
from netlab.trace.model import Trace

_LAYERS = {
    "eth": "L2",
    "arp": "ARP",
    "ip": "L3",
    "icmp": "L4",
    "tcp": "L4",
    "udp": "L4",
    "malformed": "",
}
_APPLICATION = "L7"
_TRANSLATED = {"ip.src", "ip.dst", "tcp.src", "tcp.dst", "udp.src", "udp.dst", "icmp.id"}
_GAP = 3
_Row = tuple[str, str, str, str, str]


def fields(trace: Trace, number: int | None, language: str) -> RenderableType:
    """Return a table of one step by its number, or of all steps."""
    story = Story(trace, language)
    if not story.numbered:
        return Text(story.nothing_sent)
    steps = story.numbered if number is None else [story.numbered[number - 1]]
    tables = [Group(*_table(step, story)) for step in steps]
    return Group(*[part for table in tables for part in (table, "")][:-1])


def count(trace: Trace) -> int:
    """Return how many steps there are to choose from."""
    return len(Story(trace, "en").numbered)


def _table(step: Step, story: Story) -> Iterator[RenderableType]:
    gettext = story.gettext
    title = gettext("step {number}").format(number=story.number(step))
    yield Text(f"{title} · {step.node} · {story.packet_name(step.packet)}", "bold")
    came = _interfaces(gettext("in"), [step.came_in.interface] if step.came_in else [])
    went = _interfaces(gettext("out"), [out.interface for out in step.went_out])
    rows = list(_rows(step, story))
    by = gettext("who changed it") if any(reason for *_, reason in rows) else ""
    headings = ("", "", came or gettext("sent here"), went or gettext("ends here"), by)
    styled = [[Styled(cell, "yellow" if cells[-1] else "") for cell in cells] for cells in rows]
    yield Table(headings, styled, gap=_GAP)
    for decision in story.decisions(step):
        line = f"      {decision_line(decision, story)}"
        yield Text(line, "dim", no_wrap=True, overflow="ellipsis")


def _interfaces(word: str, names: list[str]) -> str:
    """Return `out (eth0)`; of a flood, how many interfaces."""
    if not names:
        return ""
    return f"{word} ({names[0] if len(names) == 1 else len(names)})"


def _rows(step: Step, story: Story) -> Iterator[_Row]:
    """A row for each field, in the order of the frame, with the owners of addresses."""
    order = {name: number for number, name in enumerate(FIELDS)}
    names = sorted(step.before, key=lambda name: order.get(name, len(order)))
    layer = ""
    for name in names:
        before, after = step.before[name], step.after.get(name, "")
        changed = after != before
        came = _shown(before, story) if step.came_in else ""
        went = "" if not step.went_out else _shown(after, story)
        if step.came_in and step.went_out and not changed:
            went = "="
        heading = _layer(name)
        by = _changed_by(name, before, after, step, story) if changed else ""
        yield (
            f" {heading}" if heading != layer else "",
            field_name(name, story.language),
            came,
            went,
            by,
        )
        layer = heading


def _shown(value: str, story: Story) -> str:
    return story.named(story.render(value)) or "–"


def _layer(name: str) -> str:
    return _LAYERS.get(name.partition(".")[0], _APPLICATION)


def _changed_by(name: str, before: str, after: str, step: Step, story: Story) -> str:
    """Return what rewrote a field, where that is known, behind a star."""
    reason = ""
    deciders = {decision.by for decision in story.decisions(step)}
    if name == "eth.dst" and By.ROUTE in deciders:
        reason = story.gettext("next hop of the route")
    elif name == "eth.src":
        reason = story.gettext("the card it leaves by")
    elif name == "ip.ttl" and int(before) - int(after) == 1:
        reason = story.gettext("forwarding")
    elif name == "ip.ttl":
        reason = story.gettext("forwarding, twice")
    elif name.removeprefix("quoted.") in _TRANSLATED:
        reason = story.gettext("NAT")
    return f"* {reason}".rstrip()
