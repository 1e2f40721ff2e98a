"""Questions about a journey, to be answered before it is shown. Their keys are what was seen."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from ipaddress import ip_address

from netlab.diagnosis.decision import By
from netlab.diagnosis.journey import Step
from netlab.diagnosis.verdict import Verdict
from netlab.frozen import frozen
from netlab.packets.packet import Part
from netlab.report.trace.narrative import Story
from netlab.trace.trace import Trace

_CHOICES = 4


@frozen
class Riddle:
    """A question with choices."""

    question: str
    choices: tuple[str, ...]
    right: int
    """Place among the choices, from 0."""
    reason: str
    """Why, as it was seen."""


def riddles(trace: Trace, language: str) -> list[Riddle]:
    """What can be asked of a journey, in the order of the packet's way."""
    story = Story(trace, language)
    request = story.main(Part.REQUEST)
    steps = story.steps(request) if request else ()
    hops = [step for step in steps if _next(step, story) not in ("", step.node)]
    asked: list[Riddle | None] = []
    machines = [step for step in hops if _is_sender(step)]
    asked += [_hop(step, story) for step in machines[:1]]
    asked.append(_outcome(steps, story))
    asked += [_hop(step, story) for step in machines[1:]]
    asked.append(_seen(steps, story))
    return [riddle for riddle in asked if riddle]


def _is_sender(step: Step) -> bool:
    """It put its own MAC into the frame: no switch."""
    return bool(step.went_out) and (
        step.came_in is None or step.before.get("eth.src") != step.after.get("eth.src")
    )


def _next(step: Step, story: Story) -> str:
    """The machine whose MAC a frame is for."""
    return story.owner(step.after.get("eth.dst", "")) if step.went_out else ""


def _hop(step: Step, story: Story) -> Riddle | None:
    words, asked = story.words, story.trace.request
    right = _next(step, story)
    others = [asked.target, *sorted(set(story.trace.names.values()))]
    text = words["first hop" if step.came_in is None else "then hop"].format(
        source=asked.source, target=asked.ends.to or asked.target, node=step.node
    )
    decided = [
        story.told(d.text) for d in story.decisions(step) if d.by in (By.ROUTE, By.ARP, By.NDP)
    ]
    return _riddle(text, right, (one for one in others if one != step.node), " · ".join(decided))


def _outcome(steps: Iterable[Step], story: Story) -> Riddle | None:
    words, asked, finding = story.words, story.trace.request, story.trace.diagnosis
    yes, no = words["outcome yes"], words["outcome no"]
    at = finding.at
    match finding.verdict:
        case Verdict.ANSWERED:
            right, reason = yes, words["because yes"].format(source=asked.source)
        case Verdict.REFUSED:
            right, reason = words["outcome refused"].format(node=at), finding.evidence
        case Verdict.DROPPED:
            right, reason = no.format(node=at), finding.evidence
        case _:
            return None
    machines = [step.node for step in steps if step.came_in is None or _is_sender(step)]
    others = [no.format(node=node) for node in (*machines[::-1], asked.target) if node != at]
    return _riddle(words["outcome"].format(source=asked.source), right, [yes, *others], reason)


def _seen(steps: tuple[Step, ...], story: Story) -> Riddle | None:
    """Which source address arrives; asked only if the target is reached."""
    words, target = story.words, story.trace.request.target
    arrived = [step for step in steps if step.node == target and "ip.src" in step.before]
    if not arrived:
        return None
    sources = [
        fields["ip.src"] for s in steps if "ip.src" in s.before for fields in (s.before, s.after)
    ]
    gateways = [
        address
        for address, node in sorted(story.trace.names.items())
        if node in {s.node for s in steps} and _alike(address, arrived[-1].before["ip.src"])
    ]
    rewrites = [
        f"{step.node}: {old} → {new}"
        for step in steps
        for name, (old, new) in step.rewrites.items()
        if name == "ip.src"
    ]
    reason = ", ".join(rewrites) or words["because source"]
    right = arrived[-1].before["ip.src"]
    return _riddle(words["seen"].format(target=target), right, [*sources, *gateways], reason)


def _alike(one: str, other: str) -> bool:
    """Whether both are IP addresses of one version; a MAC address is none."""
    with suppress(ValueError):
        return ip_address(one).version == ip_address(other).version
    return False


def _riddle(question: str, right: str, others: Iterable[str], reason: str) -> Riddle | None:
    """In alphabetical order, so that its place says nothing. None if there is nothing to choose."""
    wrong = [one for one in dict.fromkeys(others) if one != right]
    choices = sorted([right, *wrong[: _CHOICES - 1]])
    if len(choices) == 1:
        return None
    return Riddle(question, tuple(choices), choices.index(right), reason)


def lines(number: int, riddle: Riddle) -> Iterator[str]:
    """A question as it is asked."""
    yield f"{number}. {riddle.question}"
    yield from (f"   {place}  {choice}" for place, choice in enumerate(riddle.choices, 1))
