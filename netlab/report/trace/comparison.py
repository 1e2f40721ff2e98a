"""Two journeys side by side: what both passed in one line, and a mark where they differ."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import SequenceMatcher
from itertools import zip_longest

from rich.console import Group, RenderableType
from rich.text import Text

from netlab.diagnosis.journey import Step
from netlab.messages import N_
from netlab.packets.packet import Part
from netlab.report.trace.narrative import NUMBERED, Story, flow, pad, widest
from netlab.trace.model import Trace

_GAP = 4
_ComparedRow = tuple[bool, str, str]
"""True if the journeys differ in this line, and the text of each."""


def side_by_side(
    left: Trace, right: Trace, titles: tuple[str, str], reply: bool, language: str
) -> RenderableType:
    """Return two journeys in columns, aligned by component.

    The source is aligned with the source, and the target with the target, whatever their names.
    `titles`: what is above, besides who sends to whom.
    """
    stories = Story(left, language), Story(right, language)
    heads = [
        f"{story.head()}   {title}".rstrip() for story, title in zip(stories, titles, strict=True)
    ]
    rows = [(False, heads[0], heads[1]), (False, "", "")]
    for part in NUMBERED:
        if part is not Part.REPLY or reply:
            rows += _part(part, *stories)
    rows += _ends(*stories)
    width = widest([text for _, text, _ in rows]) + _GAP
    lines = [
        Text(
            f"{'≠' if differs else ' '} {pad(first, width)}{second}".rstrip(),
            "yellow" if differs else ("bold" if number == 0 else ""),
        )
        for number, (differs, first, second) in enumerate(rows)
    ]
    differ = any(differs for differs, _, _ in rows)
    text = N_("≠ marks where the journeys differ") if differ else N_("the journeys do not differ")
    return Group(*lines, Text(stories[0].gettext(text), "dim"))


def _part(part: Part, first: Story, second: Story) -> Iterator[_ComparedRow]:
    packets = (first.main(part), second.main(part))
    if packets == (None, None):
        return
    names = [
        f"{story.part_name(part)}   {story.packet_name(packet)}" if packet else "–"
        for story, packet in zip((first, second), packets, strict=True)
    ]
    yield names[0] != names[1], names[0], names[1]
    left, right = (
        story.steps(packet) if packet else ()
        for story, packet in zip((first, second), packets, strict=True)
    )
    roles = [_role(step.node, first) for step in left], [_role(step.node, second) for step in right]
    for operation, a, b, c, d in SequenceMatcher(None, *roles, autojunk=False).get_opcodes():
        same = operation == "equal"
        for steps in zip_longest(left[a:b], right[c:d]):
            yield from _steps(*steps, first, second, same)
    yield False, "", ""


def _role(node: str, story: Story) -> str:
    """Return what a node is compared by."""
    asked = story.trace.request
    return {asked.source: "the source", asked.target: "the target"}.get(node, node)


def _steps(
    left: Step | None, right: Step | None, first: Story, second: Story, same: bool
) -> Iterator[_ComparedRow]:
    """Two aligned steps: the node of each, and a line for each rewrite."""
    columns = [_cell(left, first), _cell(right, second)]
    goes = [_goes(left, first), _goes(right, second)]
    for number, cells in enumerate(zip_longest(*columns, fillvalue=("", ""))):
        (a, to), (b, onto) = cells
        differs = not same or (goes[0] != goes[1] if number == 0 else to != onto)
        yield differs, a, b


def _goes(step: Step | None, story: Story) -> list[str]:
    """Return where a packet goes on to; the cross where it was dropped."""
    if step is None:
        return []
    if story.is_drop(step):
        return ["✘"]
    return sorted(_role(out.peer, story) for out in step.went_out)


def _cell(step: Step | None, story: Story) -> list[tuple[str, str]]:
    """Return lines, `vmnet8-nat   vmnet8 ▸ lan` and the rewrites, each with the part that has to be equal."""
    if step is None:
        return []
    lines = [(f"{story.number(step):2}  {step.node}   {story.ends(step)}", "")]
    if step.came_in is None and flow(step.after):
        lines.append((f"    {flow(step.after)}", ""))
    rewrites = story.rewrites(step)
    return lines + [(f"    * {name} {old} → {new}", f"{name} {new}") for name, old, new in rewrites]


def _ends(first: Story, second: Story) -> Iterator[_ComparedRow]:
    findings = [story.trace.diagnosis for story in (first, second)]
    causes = [f" ({finding.cause})" if finding.cause else "" for finding in findings]
    differs = (findings[0].verdict, findings[0].cause) != (findings[1].verdict, findings[1].cause)
    yield differs, first.verdict() + causes[0], second.verdict() + causes[1]
