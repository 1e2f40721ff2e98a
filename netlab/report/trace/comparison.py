"""Two journeys side by side: what both passed in one line, and a mark where they differ."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import SequenceMatcher
from itertools import zip_longest

from rich.console import Group, RenderableType
from rich.text import Text

from netlab.diagnosis.journey import Step
from netlab.packets.packet import Part
from netlab.report.trace.narrative import TOLD, Story, flow, pad, widest
from netlab.trace.trace import Trace

_GAP = 4
_ComparedRow = tuple[bool, str, str]
"""Whether the journeys differ here, and what each says."""


def side_by_side(
    left: Trace, right: Trace, titles: tuple[str, str], reply: bool, language: str
) -> RenderableType:
    """Two journeys in columns, aligned by component. The source is aligned with the source, and the target
    with the target, whatever their names. `titles`: what is above, besides who sends to whom."""
    one, other = Story(left, language), Story(right, language)
    heads = [
        f"{story.head()}   {title}".rstrip()
        for story, title in zip((one, other), titles, strict=True)
    ]
    rows = [(False, heads[0], heads[1]), (False, "", "")]
    for part in TOLD:
        if part is not Part.REPLY or reply:
            rows += _part(part, one, other)
    rows += _ends(one, other)
    width = widest([row[1] for row in rows]) + _GAP
    lines = [
        Text(
            f"{'≠' if differs else ' '} {pad(a, width)}{b}".rstrip(),
            "yellow" if differs else ("bold" if number == 0 else ""),
        )
        for number, (differs, a, b) in enumerate(rows)
    ]
    words = one.words
    lines.append(Text(words["differ" if any(row[0] for row in rows) else "same"], "dim"))
    return Group(*lines)


def _part(part: Part, one: Story, other: Story) -> Iterator[_ComparedRow]:
    packets = (one.main(part), other.main(part))
    if packets == (None, None):
        return
    names = [
        f"{story.words[part]}   {story.packet_name(packet)}" if packet else "–"
        for story, packet in zip((one, other), packets, strict=True)
    ]
    yield names[0] != names[1], names[0], names[1]
    left, right = (
        story.steps(packet) if packet else ()
        for story, packet in zip((one, other), packets, strict=True)
    )
    roles = [_role(step.node, one) for step in left], [_role(step.node, other) for step in right]
    for operation, a, b, c, d in SequenceMatcher(None, *roles, autojunk=False).get_opcodes():
        same = operation == "equal"
        for here, there in zip_longest(left[a:b], right[c:d]):
            yield from _steps(here, there, one, other, same)
    yield False, "", ""


def _role(node: str, story: Story) -> str:
    """By what nodes are compared."""
    asked = story.trace.request
    return {asked.source: "the source", asked.target: "the target"}.get(node, node)


def _steps(
    here: Step | None, there: Step | None, one: Story, other: Story, same: bool
) -> Iterator[_ComparedRow]:
    """What is at one place of both journeys: the node, and a line for each rewrite."""
    columns = [_cell(here, one), _cell(there, other)]
    goes = [_goes(here, one), _goes(there, other)]
    for number, cells in enumerate(zip_longest(*columns, fillvalue=("", ""))):
        (a, to), (b, onto) = cells
        differs = not same or (goes[0] != goes[1] if number == 0 else to != onto)
        yield differs, a, b


def _goes(step: Step | None, story: Story) -> list[str]:
    """Where a packet goes on to; the cross where it was dropped."""
    if step is None:
        return []
    if story.is_drop(step):
        return ["✘"]
    return sorted(_role(out.peer, story) for out in step.went_out)


def _cell(step: Step | None, story: Story) -> list[tuple[str, str]]:
    """`vmnet8-nat   vmnet8 ▸ lan`, and what was rewritten: the text, and what of it has to be equal."""
    if step is None:
        return []
    lines = [(f"{story.number(step):2}  {step.node}   {story.ends(step)}", "")]
    if step.came_in is None and flow(step.after):
        lines.append((f"    {flow(step.after)}", ""))
    rewrites = story.rewrites(step)
    return lines + [(f"    * {name} {old} → {new}", f"{name} {new}") for name, old, new in rewrites]


def _ends(one: Story, other: Story) -> Iterator[_ComparedRow]:
    findings = [story.trace.diagnosis for story in (one, other)]
    causes = [f" ({finding.cause})" if finding.cause else "" for finding in findings]
    differs = (findings[0].verdict, findings[0].cause) != (findings[1].verdict, findings[1].cause)
    yield differs, one.verdict() + causes[0], other.verdict() + causes[1]
