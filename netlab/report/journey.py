"""A packet's journey for people: a step for each node, only what changed there, and who decided."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from rich.cells import cell_len
from rich.console import RenderableType
from rich.text import Text

from netlab.probe.cause import SENTENCES
from netlab.probe.packet import Part
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
        "asks": "{asker} asks who has {address}: {answer}",
        "nobody": "nobody answers",
        "then": "    then {packet}: {way}",
        "ip.src": "source",
        "ip.dst": "destination",
        "icmp.id": "ICMP id",
        "tcp.src": "source port",
        "tcp.dst": "destination port",
        "udp.src": "source port",
        "udp.dst": "destination port",
        "answered": "answered",
        "dead": "died at {at}",
        "refused": "refused at {at}",
        "unknown": "not known",
        "why": "why",
        "evidence": "evidence",
        "look": "look at",
        "field": "field",
        "in": "in",
        "out": "out",
        "decided": "decided by",
    },
    "zh": {
        "request": "请求",
        "answer": "应答",
        "error": "差错报文",
        "cold": "ARP 缓存：冷",
        "warm": "ARP 缓存：热",
        "nothing": "没有发出任何包",
        "question": "除了 ARP 请求，没有发出任何包",
        "asks": "{asker} 询问谁拥有 {address}：{answer}",
        "nobody": "无人应答",
        "then": "    随后 {packet}：{way}",
        "ip.src": "源地址",
        "ip.dst": "目的地址",
        "icmp.id": "ICMP 标识",
        "tcp.src": "源端口",
        "tcp.dst": "目的端口",
        "udp.src": "源端口",
        "udp.dst": "目的端口",
        "answered": "已应答",
        "dead": "死在 {at}",
        "refused": "被 {at} 拒绝",
        "unknown": "无法判断",
        "why": "原因",
        "evidence": "证据",
        "look": "请看",
        "field": "字段",
        "in": "进",
        "out": "出",
        "decided": "决定者",
    },
}

Words = Mapping[str, str]


def journey(trace: Trace, reply: bool, language: str) -> RenderableType:
    """The whole journey; the way of an answer only if `reply`."""
    return _text(_lines(trace, reply, language))


def fields(trace: Trace, number: int | None, language: str) -> RenderableType:
    """What was in the packet when it came to a step and when it left, as a table for each step."""
    words = _WORDS[language]
    steps = list(enumerate(_numbered(trace), 1))
    chosen = [one for one in steps if number in (None, one[0])]
    return _text(line for n, step in chosen for line in (*_fields(n, step, trace, words), ""))


def side_by_side(traces: Sequence[Trace], titles: Sequence[str], language: str) -> RenderableType:
    """Journeys in columns, a line for each step; `≠` marks the first line where they part."""
    columns = [
        [title, *_column(trace, language)] for trace, title in zip(traces, titles, strict=True)
    ]
    height = max(map(len, columns))
    rows = zip(*([*column, *[""] * (height - len(column))] for column in columns), strict=True)
    widths = [max(map(cell_len, column)) + 3 for column in columns]
    lines = []
    for row in rows:
        differs = len(set(row)) > 1
        cells = "".join(_pad(cell, width) for cell, width in zip(row, widths, strict=True))
        lines.append(f"{'≠' if differs else ' '} {cells}".rstrip())
    return _text(lines)


def count(trace: Trace) -> int:
    """How many steps there are to choose from."""
    return len(_numbered(trace))


def _text(lines: Iterable[str]) -> RenderableType:
    return Text("\n".join(lines), no_wrap=True, overflow="ignore")


def _numbered(trace: Trace) -> list[Step]:
    """Steps as people count them: those of requests, of answers, of errors."""
    order = {part: number for number, part in enumerate(Part)}
    packets = [packet for packet in trace.journey.packets if packet.part is not Part.ARP]
    packets.sort(key=lambda packet: order[packet.part])
    return [step for packet in packets for step in trace.journey.packets[packet]]


def _lines(trace: Trace, reply: bool, language: str) -> Iterator[str]:
    words = _WORDS[language]
    asked = trace.question
    to = asked.ends.to
    target = asked.target if to in ("", asked.target) else f"{asked.target} ({to})"
    warmth = words["cold" if trace.cold else "warm"]
    yield f"{asked.source} → {target}   {_what(trace)}   {warmth}"
    yield from _arp(trace, words)
    answered = trace.finding.verdict is Verdict.ANSWERED
    numbers = {id(step): n for n, step in enumerate(_numbered(trace), 1)}
    for part in (Part.REQUEST, Part.ANSWER, Part.ERROR):
        packets = [packet for packet in trace.journey.packets if packet.part is part]
        if not packets or (answered and not reply and part is not Part.REQUEST):
            continue
        yield ""
        yield f"{words[part]}   {packets[0].name}"
        for step in trace.journey.packets[packets[0]]:
            yield from _step(numbers[id(step)], step, trace, words)
        ways = [(p.name, _way(trace.journey.packets[p])) for p in packets[1:]]
        for (name, way), times in Counter(ways).items():
            several = f"{times} × {name}" if times > 1 else name
            yield words["then"].format(packet=several, way=way)
    if not numbers:
        yield ""
        yield words["question" if trace.cold else "nothing"]
    if trace.found:
        yield ""
        yield from (f"  {line}" for line in trace.found)
    yield ""
    yield from _end(trace, language, words)


def _what(trace: Trace) -> str:
    """What was sent, in words."""
    return {"icmp": "ICMP echo"}.get(trace.question.by, trace.question.by)


def _arp(trace: Trace, words: Words) -> Iterator[str]:
    """Each question for a MAC address as one line."""
    answers = {
        packet.key: steps[0].before.get("arp.sender_mac", "")
        for packet, steps in trace.journey.packets.items()
        if packet.part is Part.ARP and packet.name.endswith("answer")
    }
    for packet, steps in trace.journey.packets.items():
        if packet.part is Part.ARP and packet.name.endswith("request"):
            sender, address = packet.key
            answer = answers.get((address, sender), words["nobody"])
            asker = steps[0].node
            yield "  " + words["asks"].format(asker=asker, address=address, answer=answer)


def _way(steps: Sequence[Step]) -> str:
    """`vm1 · vmnet8 · vmnet8-nat* · lan`: a star where something was rewritten."""
    return " · ".join(step.node + "*" * bool(step.rewrites) for step in steps)


def _step(number: int, step: Step, trace: Trace, words: Words) -> Iterator[str]:
    addresses = f"{step.after['ip.src']} → {step.after['ip.dst']}" if "ip.src" in step.after else ""
    time = f"{_microseconds(step, trace)} µs"
    left = f"{number:2}  {_pad(step.node, 14)}{_pad(_ends(step), 26)}{_pad(addresses, 32)}"
    yield f"{left}ttl {step.after.get('ip.ttl', '–'):>3}{time:>10}"
    for name, (old, new) in step.rewrites.items():
        if name in words:
            yield f"     * {words[name]} {old} → {new}"
    for decision in _decisions(trace, step):
        yield f"       {_pad(decision[0], 6)} {decision[1]}"


def _decisions(trace: Trace, step: Step) -> list[tuple[str, str]]:
    for one, decided in zip(trace.journey.steps, trace.decisions, strict=False):
        if one is step:
            return [(decision.by.value, decision.text) for decision in decided]
    return []


def _ends(step: Step) -> str:
    """`vm1 ▸ router`: interfaces are named by who is at the other end of their cables."""
    came = step.came_in.peer if step.came_in else ""
    peers = [out.peer for out in step.went_out]
    shown = ", ".join(peers) if len(peers) < 3 else f"{peers[0]}, {peers[1]}, …"
    return f"{came} ▸ {shown}".strip()


def _end(trace: Trace, language: str, words: Words) -> Iterator[str]:
    finding = trace.finding
    said = words[finding.verdict].format(at=finding.at)
    if finding.verdict is Verdict.ANSWERED:
        last = trace.journey.of(Part.ANSWER)[-1]
        times = sum("ip.src" in step.rewrites for step in trace.journey.first(Part.REQUEST))
        yield f"✔ {said}{f' · NAT × {times}' if times else ''} · {_microseconds(last, trace)} µs"
        return
    yield f"{'?' if finding.verdict is Verdict.UNKNOWN else '✘'} {said}"
    if finding.cause:
        why = f"{SENTENCES[finding.cause][language]} ({finding.cause})"
        yield f"  {_pad(words['why'], 10)}{why}"
    yield f"  {_pad(words['evidence'], 10)}{finding.evidence}"
    if finding.look_at:
        yield f"  {_pad(words['look'], 10)}netlab exec {finding.at} -- {finding.look_at}"


def _fields(number: int, step: Step, trace: Trace, words: Words) -> Iterator[str]:
    """A table in and out, as Packet Tracer shows a PDU."""
    yield f"{number}  {step.node}   {step.packet.name}   {_ends(step)}"
    rows = [(words["field"], words["in"], words["out"])]
    for name, before in step.before.items():
        after = step.after.get(name, "")
        came = before if step.came_in else "–"
        went = (after if after != before else "=") if step.went_out else "–"
        star = "* " if step.went_out and step.came_in and after != before else "  "
        rows.append((star + name, came, went if step.came_in else after))
    widths = [max(cell_len(row[n]) for row in rows) + 3 for n in range(3)]
    for row in rows:
        yield "  " + "".join(_pad(cell, w) for cell, w in zip(row, widths, strict=True)).rstrip()
    for by, text in _decisions(trace, step):
        yield f"  {words['decided']}: {by} {text}"


def _column(trace: Trace, language: str) -> Iterator[str]:
    """One journey, narrow."""
    words = _WORDS[language]
    for packet, steps in trace.journey.packets.items():
        if packet.part is Part.ARP:
            continue
        yield f"{words[packet.part]} {packet.name}"
        for step in steps:
            yield f"  {step.node}"
            for name, (old, new) in step.rewrites.items():
                if name in words:
                    yield f"    * {words[name]} {old} → {new}"
    finding = trace.finding
    sign = {Verdict.ANSWERED: "✔", Verdict.UNKNOWN: "?"}.get(finding.verdict, "✘")
    cause = f" ({finding.cause})" if finding.cause else ""
    yield f"{sign} {words[finding.verdict].format(at=finding.at)}{cause}"


def _microseconds(step: Step, trace: Trace) -> int:
    return (step.at - trace.sent_at) // 1000


def _pad(text: str, width: int) -> str:
    """Chinese characters take two columns."""
    return text + " " * max(1, width - cell_len(text))
