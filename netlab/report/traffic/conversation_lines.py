"""Exchanges of foreign traffic, a line each: who, what, by which way, and what came back."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from netlab.diagnosis.journey import Step
from netlab.report.traffic.one_line import what
from netlab.traffic.conversations import ORPHAN, UNREPORTED, Conversation, ConversationState

_SIGNS = {
    ConversationState.ANSWERED: "✔",
    ConversationState.REFUSED: "✘",
    ConversationState.SILENT: "✘",
}
_ONE_WAY = "–"
_NEEDS_NO_ANSWER = {"udp", "error", "dhcp", "other"}
_BACKGROUND_NAMES = {"arp": "ARP", "ndp": "neighbour discovery", "dhcp": "DHCP", "other": "other"}


def line(told: Conversation, owners: Mapping[str, str]) -> str:
    """For people. `owners`: address to node."""
    words = (
        f"{_clock(told.at)}  {_sign(told)} {told.origin} → {target(told, owners)}",
        _what(told),
        _way(told.there),
        ", ".join(_outcome(told)),
    )
    return "  ".join(words).rstrip()


def counts_line(counts: Mapping[str, int], at: int) -> str:
    """What was only counted. `at`: nanoseconds since 1970."""
    found = [
        f"{counts[kind]} {name}" for kind, name in _BACKGROUND_NAMES.items() if counts.get(kind)
    ]
    words = [f"{', '.join(found)} (--arp tells ARP, --all tells all)"] if found else []
    if many := counts.get(ORPHAN):
        words.append(f"{many} of what had begun unseen")
    if many := counts.get(UNREPORTED):
        words.append(f"{many} exchanges not told, which were too many at once")
    return f"{_clock(at)}  … {', '.join(words)}"


def document(told: Conversation, owners: Mapping[str, str]) -> dict[str, Any]:
    """For programs."""
    return {
        "at": told.at,
        "from": told.origin,
        "to": target(told, owners),
        "kind": told.kind,
        "what": _what(told),
        "result": told.result.value,
        "open": told.goes_on,
        "begun_before": told.midway,
        "microseconds": told.took / 1000,
        "packets": list(told.packets),
        "bytes": list(told.octets),
        "there": [_step(step) for step in told.there],
        "back": [_step(step) for step in told.back],
        "fields": told.fields,
        "reply": told.reply,
        "relayed": [document(one, owners) for one in told.relayed],
    }


def target(told: Conversation, owners: Mapping[str, str]) -> str:
    """The node that was meant, or its address if nobody has it."""
    if told.result is ConversationState.ANSWERED and told.back and not told.back[0].came_in:
        return told.back[0].node  # Not where its reply was first seen on the way.
    asked = told.fields.get("arp.target")
    address = asked or told.fields.get("ip.dst") or told.fields.get("eth.dst", "?")
    return owners.get(address, address)


def _step(step: Step) -> dict[str, Any]:
    return {"node": step.node, "rewrites": {name: list(two) for name, two in step.rewrites.items()}}


def _clock(at: int) -> str:
    seconds, rest = divmod(at, 1_000_000_000)
    return f"{time.strftime('%H:%M:%S', time.localtime(seconds))}.{rest // 100_000_000}"


def _sign(told: Conversation) -> str:
    if told.result is ConversationState.SILENT and told.kind in _NEEDS_NO_ANSWER:
        return _ONE_WAY
    return _SIGNS[told.result]


def _what(told: Conversation) -> str:
    match told.kind:
        case "icmp":
            return told.kind
        case "arp" | "ndp":
            return f"{told.kind} {told.fields['arp.target']}"
        case "tcp" | "udp":
            return f"{told.kind} {told.fields[f'{told.kind}.dst']}"
        case "dhcp":
            return f"dhcp {told.fields.get('dhcp.type', '')}".rstrip()
        case "dns":
            return f"dns {told.fields['dns.name']}"
    return what(told.fields)


def _way(steps: Sequence[Step]) -> str:
    """`*` marks a node that has rewritten the packet, a comma where a switch has sent it to several."""
    text = ""
    for number, step in enumerate(steps):
        again = step.came_in and step.came_in.peer in (one.node for one in steps[: number - 1])
        text += (", " if again else "·") if number else ""
        text += step.node + ("*" if step.rewrites else "")
    return text


def _outcome(told: Conversation) -> Iterator[str]:
    if told.kind == "dns" and told.reply and "dns.code" in told.reply:
        yield what(told.reply).partition(": ")[2]
    if told.kind in ("arp", "ndp") and told.reply:
        yield f"is at {told.reply['arp.sender_mac']}"
    for one in told.relayed:
        yield from _relays(one)
    if told.result is ConversationState.SILENT and told.back:
        yield f"the reply was lost at {told.back[-1].node}"
    elif told.result is ConversationState.SILENT and told.kind not in _NEEDS_NO_ANSWER:
        yield "no reply"
    elif told.result is ConversationState.REFUSED and told.reply:
        error = what(told.reply) if "icmp.type" in told.reply else "refused"
        came = told.back[0].came_in
        yield f"{error} by {came.peer if came else told.back[0].node}"
    elif told.result is ConversationState.ANSWERED:
        forward, backward = ([step.node for step in way] for way in (told.there, told.back))
        by = "" if forward == backward[::-1] else f" by {_way(told.back)}"
        yield f"and back{by} {told.took / 1e6:.2f} ms"
    if told.packets[0] + told.packets[1] > 2:
        there, back = told.packets
        yield f"{there} + {back} packets, {told.octets[0]} + {told.octets[1]} bytes"
    if told.midway:
        yield "begun before"
    if told.goes_on:
        yield "open"


def _relays(told: Conversation) -> Iterator[str]:
    """Which way a DNS server's own question has gone, and those that it led to."""
    yield f"relayed by {_way(told.there)}"
    for one in told.relayed:
        yield from _relays(one)
