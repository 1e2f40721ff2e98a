"""A packet's journey for people: a step for each node, and only what changed there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from rich.cells import cell_len
from rich.console import RenderableType
from rich.text import Text

from netlab.probe.cause import SENTENCES
from netlab.probe.icmp import Kind
from netlab.probe.verdict import Verdict

if TYPE_CHECKING:
    from netlab.probe.journey import Step
    from netlab.probe.trace import Trace

LANGUAGES = ("en", "zh")

_WORDS = {
    "en": {
        "request": "REQUEST",
        "answer": "ANSWER",
        "error": "ERROR",
        "cold": "ARP caches: cold",
        "warm": "ARP caches: warm",
        "nothing": "nothing was sent",
        "question": "nothing was sent but the ARP question",
        "ip.src": "source",
        "ip.dst": "destination",
        "icmp.id": "ICMP id",
        "answered": "answered",
        "dead": "died at {at}",
        "refused": "refused at {at}",
        "unknown": "not known",
        "why": "why",
        "evidence": "evidence",
        "look": "look at",
    },
    "zh": {
        "request": "请求",
        "answer": "应答",
        "error": "差错报文",
        "cold": "ARP 缓存：冷",
        "warm": "ARP 缓存：热",
        "nothing": "没有发出任何包",
        "question": "除了 ARP 请求，没有发出任何包",
        "ip.src": "源地址",
        "ip.dst": "目的地址",
        "icmp.id": "ICMP 标识",
        "answered": "已应答",
        "dead": "死在 {at}",
        "refused": "被 {at} 拒绝",
        "unknown": "无法判断",
        "why": "原因",
        "evidence": "证据",
        "look": "请看",
    },
}


def journey(trace: Trace, reply: bool, language: str) -> RenderableType:
    """The whole journey; the way of an answer only if `reply`."""
    return Text("\n".join(_lines(trace, reply, language)), no_wrap=True, overflow="ignore")


def _lines(trace: Trace, reply: bool, language: str) -> Iterator[str]:
    words = _WORDS[language]
    target = trace.target if trace.target == trace.to else f"{trace.target} ({trace.to})"
    yield f"{trace.source} → {target}   ICMP echo   {words['cold' if trace.cold else 'warm']}"
    answered = trace.finding.verdict is Verdict.ANSWERED
    for part in Kind:
        steps = trace.journey.of(part)
        if steps and (reply or part is not Kind.ANSWER or not answered):
            yield ""
            yield words[part]
            for number, step in enumerate(steps, 1):
                yield from _step(number, step, trace, words)
    if not trace.journey.steps:
        yield ""
        yield words["question" if trace.cold else "nothing"]
    yield ""
    yield from _end(trace, language, words)


def _step(number: int, step: Step, trace: Trace, words: Mapping[str, str]) -> Iterator[str]:
    addresses = f"{step.after['ip.src']} → {step.after['ip.dst']}"
    time = f"{_microseconds(step, trace)} µs"
    left = f"{number:2}  {_pad(step.node, 14)}{_pad(_ends(step), 26)}{_pad(addresses, 32)}"
    yield f"{left}ttl {step.after['ip.ttl']:>3}{time:>10}"
    for name, (old, new) in step.rewrites.items():
        if name in words:
            yield f"     * {words[name]} {old} → {new}"


def _ends(step: Step) -> str:
    """`vm1 ▸ router`: interfaces are named by who is at the other end of their cables."""
    came = step.came_in.peer if step.came_in else ""
    return f"{came} ▸ {', '.join(out.peer for out in step.went_out)}".strip()


def _end(trace: Trace, language: str, words: Mapping[str, str]) -> Iterator[str]:
    finding = trace.finding
    said = words[finding.verdict].format(at=finding.at)
    if finding.verdict is Verdict.ANSWERED:
        last = trace.journey.of(Kind.ANSWER)[-1]
        times = sum("ip.src" in step.rewrites for step in trace.journey.of(Kind.REQUEST))
        yield f"✔ {said}{f' · NAT × {times}' if times else ''} · {_microseconds(last, trace)} µs"
        return
    yield f"{'?' if finding.verdict is Verdict.UNKNOWN else '✘'} {said}"
    if finding.cause:
        why = f"{SENTENCES[finding.cause][language]} ({finding.cause})"
        yield f"  {_pad(words['why'], 10)}{why}"
    yield f"  {_pad(words['evidence'], 10)}{finding.evidence}"
    if finding.look_at:
        yield f"  {_pad(words['look'], 10)}netlab exec {finding.at} -- {finding.look_at}"


def _microseconds(step: Step, trace: Trace) -> int:
    return (step.at - trace.sent_at) // 1000


def _pad(text: str, width: int) -> str:
    """Chinese characters take two columns."""
    return text + " " * max(1, width - cell_len(text))
