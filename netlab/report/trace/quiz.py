"""Questions about a journey, to be answered before it is shown; the right answers are what was seen."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from ipaddress import ip_address

from netlab.diagnosis.decision import By
from netlab.diagnosis.journey import Step
from netlab.diagnosis.verdict import Verdict
from netlab.frozen import frozen
from netlab.messages import N_
from netlab.packets.packet import Part
from netlab.report.trace.narrative import Story
from netlab.trace.model import Trace

_CHOICES = 4


@frozen
class QuizQuestion:
    """A question with choices."""

    question: str
    choices: tuple[str, ...]
    right: int
    """Index among the choices, from 0."""
    reason: str
    """Why that is right, as it was seen."""


def questions(trace: Trace, language: str) -> list[QuizQuestion]:
    """Return what can be asked of a journey, in the order of the packet's way."""
    story = Story(trace, language)
    request = story.main(Part.REQUEST)
    steps = story.steps(request) if request else ()
    hops = [step for step in steps if _next(step, story) not in ("", step.node)]
    senders = [step for step in hops if _is_sender(step)]
    candidates = [
        *(_hop(step, story) for step in senders[:1]),
        _outcome(steps, story),
        *(_hop(step, story) for step in senders[1:]),
        _source(steps, story),
    ]
    return [question for question in candidates if question]


def _is_sender(step: Step) -> bool:
    """Return whether the node put its own MAC into the frame, as no switch does."""
    return bool(step.went_out) and (
        step.came_in is None or step.before.get("eth.src") != step.after.get("eth.src")
    )


def _next(step: Step, story: Story) -> str:
    """Return the machine that a frame's destination MAC belongs to."""
    return story.owner(step.after.get("eth.dst", "")) if step.went_out else ""


def _hop(step: Step, story: Story) -> QuizQuestion | None:
    """Ask which machine a frame goes to."""
    request = story.trace.request
    nodes = [request.target, *sorted(set(story.trace.names.values()))]
    text = N_("{node} has the packet now. Which machine gets it next?")
    if step.came_in is None:
        text = N_("{source} sends to {target}. Which machine does the first frame go to?")
    question = story.gettext(text).format(
        source=request.source, target=request.ends.to or request.target, node=step.node
    )
    reasons = [
        story.render(decision.text)
        for decision in story.decisions(step)
        if decision.by in (By.ROUTE, By.ARP, By.NDP)
    ]
    wrong = [node for node in nodes if node != step.node]
    return _question(question, _next(step, story), wrong, " · ".join(reasons))


def _outcome(steps: Iterable[Step], story: Story) -> QuizQuestion | None:
    """Ask whether a reply comes back, and if not, which machine is the last one to have the packet."""
    gettext, request, finding = story.gettext, story.trace.request, story.trace.diagnosis
    yes, no = gettext("yes"), gettext("no: {node} is the last to have it")
    reason = story.render(finding.evidence)
    match finding.verdict:
        case Verdict.ANSWERED:
            right = yes
            reason = gettext("seen coming in at {source}").format(source=request.source)
        case Verdict.REFUSED:
            right = gettext("no: {node} refuses it").format(node=finding.at)
        case Verdict.DROPPED:
            right = no.format(node=finding.at)
        case _:
            return None
    machines = [step.node for step in steps if step.came_in is None or _is_sender(step)]
    wrong = [
        no.format(node=node) for node in (*machines[::-1], request.target) if node != finding.at
    ]
    question = gettext("Does {source} get a reply?").format(source=request.source)
    return _question(question, right, [yes, *wrong], reason)


def _source(steps: tuple[Step, ...], story: Story) -> QuizQuestion | None:
    """Ask which source address arrives; only if the target is reached."""
    target = story.trace.request.target
    arrived = [step for step in steps if step.node == target and "ip.src" in step.before]
    if not arrived:
        return None
    sources = [
        fields["ip.src"] for s in steps if "ip.src" in s.before for fields in (s.before, s.after)
    ]
    gateways = [
        address
        for address, node in sorted(story.trace.names.items())
        if node in {s.node for s in steps}
        and _are_of_one_version(address, arrived[-1].before["ip.src"])
    ]
    rewrites = [
        f"{step.node}: {old} → {new}"
        for step in steps
        for name, (old, new) in step.rewrites.items()
        if name == "ip.src"
    ]
    reason = ", ".join(rewrites) or story.gettext("nobody on the way rewrote the source")
    right = arrived[-1].before["ip.src"]
    question = story.gettext("With which source address does it arrive at {target}?")
    return _question(question.format(target=target), right, [*sources, *gateways], reason)


def _are_of_one_version(first: str, second: str) -> bool:
    """Return whether both are IP addresses of one version; a MAC address is none."""
    with suppress(ValueError):
        return ip_address(first).version == ip_address(second).version
    return False


def _question(question: str, right: str, wrong: Iterable[str], reason: str) -> QuizQuestion | None:
    """Sort the choices, so that an index says nothing. None if there is nothing to choose."""
    remaining = [choice for choice in dict.fromkeys(wrong) if choice != right]
    choices = sorted([right, *remaining[: _CHOICES - 1]])
    if len(choices) == 1:
        return None
    return QuizQuestion(question, tuple(choices), choices.index(right), reason)


def lines(number: int, question: QuizQuestion) -> Iterator[str]:
    """Yield a question as it is asked."""
    yield f"{number}. {question.question}"
    yield from (f"   {index}  {choice}" for index, choice in enumerate(question.choices, 1))
