"""A journey as a Mermaid sequence diagram: https://mermaid.js.org/syntax/sequenceDiagram.html."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from netlab.diagnosis import phrases
from netlab.diagnosis.decision import By
from netlab.diagnosis.journey import Step
from netlab.packets.packet import Part
from netlab.report.trace.narrative import NUMBERED, Story, flow
from netlab.report.trace.steps import question_and_answer
from netlab.report.words import discovery_name
from netlab.trace.model import Trace

_ARROWS = {Part.REQUEST: "->>", Part.REPLY: "-->>", Part.ERROR: "--x"}
_ESCAPED = {"#": "#35;", ";": "#59;", "\n": " "}


def sequence(trace: Trace, language: str) -> str:
    """Return the diagram: participants are nodes; rewrites, ARP and the end are notes."""
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
    for step, address, reply in story.asked():
        if step.node in aliases:
            protocol = discovery_name(By.NDP if ":" in address else By.ARP, story.language)
            question, answer = question_and_answer(step, address, reply, story)
            yield _note(aliases[step.node], f"{protocol}: {question}: {answer}")
    for part in NUMBERED:
        for packet in story.packets(part):
            yield from _packet(story.steps(packet), story, aliases)
    finding = story.trace.diagnosis
    sentence = phrases.sentence(finding)
    why = f": {story.render(sentence)}" if sentence else ""
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
    """Return the step that handed the packet over: of a flood the switch; a NAT device also for its host."""
    peer = step.came_in.peer if step.came_in else ""
    return next((earlier for earlier in reversed(before) if earlier.node == peer), before[-1])


def _note(alias: str, text: str) -> str:
    return f"Note over {alias}: {_text(text)}"


def _text(text: str) -> str:
    """Escape characters that Mermaid reads as its own."""
    return "".join(_ESCAPED.get(letter, letter) for letter in text)
