"""Where a packet would go, for people: in the style of a journey, without times."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from rich.cells import cell_len
from rich.console import RenderableType
from rich.text import Text

from netlab.probe.cause import SENTENCES
from netlab.probe.packet import Part
from netlab.probe.verdict import Verdict

if TYPE_CHECKING:
    from netlab.explain.way import Explanation, Stay

_WORDS = {
    "en": {
        "sent": "nothing is sent",
        "request": "REQUEST",
        "answer": "ANSWER",
        "source": "source",
        "destination": "destination",
        "answered": "would be answered",
        "dead": "would die at {at}",
        "refused": "would be refused at {at}",
        "unknown": "not certain, at {at}",
        "why": "why",
        "because": "because",
    },
    "zh": {
        "sent": "不发送任何包",
        "request": "请求",
        "answer": "应答",
        "source": "源地址",
        "destination": "目的地址",
        "answered": "将得到应答",
        "dead": "将死在 {at}",
        "refused": "将被 {at} 拒绝",
        "unknown": "在 {at} 无法确定",
        "why": "原因",
        "because": "依据",
    },
}

Words = Mapping[str, str]


def explanation(found: Explanation, reply: bool, language: str) -> RenderableType:
    """The whole way; that of an answer that arrives only if `reply`."""
    return Text("\n".join(_lines(found, reply, language)), no_wrap=True, overflow="ignore")


def _lines(found: Explanation, reply: bool, language: str) -> Iterator[str]:
    words = _WORDS[language]
    target = found.target if found.to == found.target else f"{found.target} ({found.to})"
    what = "ICMP echo" if found.probe.protocol == "icmp" else str(found.probe)
    yield f"{found.source} → {target}   {what}   {words['sent']}"
    answered = found.finding.verdict is Verdict.ANSWERED
    number = 0
    for part in (Part.REQUEST, Part.ANSWER):
        stays = found.of(part)
        if not stays or (part is Part.ANSWER and answered and not reply):
            continue
        yield ""
        yield words[part]
        for stay in stays:
            number += 1
            yield from _stay(number, stay, words)
    yield ""
    yield from _end(found, language, words)


def _stay(number: int, stay: Stay, words: Words) -> Iterator[str]:
    came = stay.came_in.peer if stay.came_in else ""
    peers = [out.peer for out in stay.went_out]
    shown = ", ".join(peers) if len(peers) < 3 else f"{peers[0]}, {peers[1]}, …"
    ends = _pad(f"{came} ▸ {shown}".strip(), 26)
    addresses = _pad(" → ".join(stay.after), 32)
    yield f"{number:2}  {_pad(stay.node, 14)}{ends}{addresses}ttl {stay.ttl:>3}"
    for word, old, new in zip(("source", "destination"), stay.before, stay.after, strict=True):
        if old != new:
            yield f"     * {words[word]} {old} → {new}"
    for decision in stay.decisions:
        yield f"       {_pad(decision.by, 6)} {decision.text}"


def _end(found: Explanation, language: str, words: Words) -> Iterator[str]:
    finding = found.finding
    said = words[finding.verdict].format(at=finding.at)
    if finding.verdict is Verdict.ANSWERED:
        times = sum(stay.before[0] != stay.after[0] for stay in found.of(Part.REQUEST))
        waits = f" · {finding.evidence}" if finding.evidence else ""
        yield f"✔ {said}{f' · NAT × {times}' if times else ''}{waits}"
        return
    yield f"{'?' if finding.verdict is Verdict.UNKNOWN else '✘'} {said}"
    if finding.cause and finding.verdict is not Verdict.UNKNOWN:
        yield f"  {_pad(words['why'], 10)}{SENTENCES[finding.cause][language]} ({finding.cause})"
    yield f"  {_pad(words['because'], 10)}{finding.evidence}"


def _pad(text: str, width: int) -> str:
    """Chinese characters take two columns."""
    return text + " " * max(1, width - cell_len(text))
