"""A journey as a Mermaid sequence diagram: https://mermaid.js.org/syntax/sequenceDiagram.html."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from netlab.diagnosis.cause import sentences
from netlab.diagnosis.decision import By
from netlab.diagnosis.journey import Step
from netlab.packets.packet import Part
from netlab.report.trace.narrative import TOLD, Story, flow
from netlab.trace.trace import Trace

_ARROWS = {Part.REQUEST: "->>", Part.REPLY: "-->>", Part.ERROR: "--x"}
_ESCAPED = {"#": "#35;", ";": "#59;", "\n": " "}


def sequence(trace: Trace, language: str) -> str:
    """Participants are nodes; rewrites, ARP and the end are notes."""
    story = Story(trace, language)
    nodes = dict.fromkeys([trace.request.source])
    nodes |= dict.fromkeys(step.node for step in story.numbered)
    nodes.setdefault(trace.diagnosis.at or trace.request.source)
    aliases = {node: f"n{number}" for number, node in enumerate(nodes, 1)}
    lines = ["sequenceDiagram"]
    lines += [f"    participant {alias} as {_text(node)}" for node, alias in aliases.items()]
    lines += [f"    {line}" for line in _lines(story, aliases)]
    return "\n".join(lines)


def _lines(story: Story, aliases: dict[str, str]) -> Iterator[str]:
    words = story.words
    for step, address, reply in story.asked():
        if step.node in aliases:
            said = story.named(reply.before["arp.sender_mac"]) if reply else words["nobody"]
            question = words["asks"].format(asker=step.node, address=address)
            by = By.NDP if ":" in address else By.ARP
            yield _note(aliases[step.node], f"{words[f'asked by {by}']}: {question}: {said}")
    for part in TOLD:
        for packet in story.packets(part):
            yield from _packet(story.steps(packet), story, aliases)
    finding = story.trace.diagnosis
    why = f": {sentences(finding)[story.language]}" if finding.cause else ""
    yield _note(aliases[finding.at or story.trace.request.source], f"{story.verdict()}{why}")


def _packet(steps: Sequence[Step], story: Story, aliases: dict[str, str]) -> Iterator[str]:
    """An arrow for each cable, a note for each rewrite."""
    shown = ""
    for number, step in enumerate(steps):
        if number:
            sender = _sender(steps[:number], step)
            now = flow(sender.after)
            label = story.packet_name(step.packet) + (f", {now}" if now and now != shown else "")
            shown = now
            arrow = _ARROWS[step.part]
            yield f"{aliases[sender.node]}{arrow}{aliases[step.node]}: {_text(label)}"
        rewrites = [f"{name} {old} → {new}" for name, old, new in story.rewrites(step)]
        if rewrites:
            yield _note(aliases[step.node], ", ".join(rewrites))


def _sender(before: Sequence[Step], step: Step) -> Step:
    """Who handed the packet over: of a flood the switch; a NAT device also for its host."""
    came = step.came_in.peer if step.came_in else ""
    return next((one for one in reversed(before) if one.node == came), before[-1])


def _note(alias: str, text: str) -> str:
    return f"Note over {alias}: {_text(text)}"


def _text(text: str) -> str:
    """Without what Mermaid reads as its own."""
    return "".join(_ESCAPED.get(letter, letter) for letter in text)
