"""Conversations of foreign traffic, a line each: who, what, by which way, and what came back."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from netlab.diagnosis.journey import Step
from netlab.report.traffic.one_line import packet_text
from netlab.traffic.conversations import ORPHAN, UNREPORTED, Conversation, ConversationState

_SIGNS = {
    ConversationState.ANSWERED: "✔",
    ConversationState.REFUSED: "✘",
    ConversationState.SILENT: "✘",
}
_ONE_WAY = "–"
_NEEDS_NO_REPLY = {"udp", "error", "dhcp", "other"}
_BACKGROUND_NAMES = {"arp": "ARP", "ndp": "neighbour discovery", "dhcp": "DHCP", "other": "other"}


def line(conversation: Conversation, owners: Mapping[str, str]) -> str:
    """Return a conversation as a line for people. `owners`: address to node."""
    ends = f"{conversation.origin} → {target(conversation, owners)}"
    words = (
        f"{_clock(conversation.at)}  {_sign(conversation)} {ends}",
        _content(conversation),
        _path_text(conversation.there),
        ", ".join(_outcome(conversation)),
    )
    return "  ".join(words).rstrip()


def counts_line(counts: Mapping[str, int], at: int) -> str:
    """Return a line of what was only counted. `at`: nanoseconds since 1970."""
    kinds = [
        f"{counts[kind]} {name}" for kind, name in _BACKGROUND_NAMES.items() if counts.get(kind)
    ]
    parts = [f"{', '.join(kinds)} (--arp tells ARP, --all tells all)"] if kinds else []
    if count := counts.get(ORPHAN):
        parts.append(f"{count} of what had begun unseen")
    if count := counts.get(UNREPORTED):
        parts.append(f"{count} exchanges not told, which were too many at once")
    return f"{_clock(at)}  … {', '.join(parts)}"


def document(conversation: Conversation, owners: Mapping[str, str]) -> dict[str, Any]:
    """Return a conversation as data for programs. `owners`: address to node."""
    return {
        "at": conversation.at,
        "from": conversation.origin,
        "to": target(conversation, owners),
        "kind": conversation.kind,
        "what": _content(conversation),
        "result": conversation.result.value,
        "open": conversation.goes_on,
        "begun_before": conversation.midway,
        "microseconds": conversation.took / 1000,
        "packets": list(conversation.packets),
        "bytes": list(conversation.octets),
        "there": [_step(step) for step in conversation.there],
        "back": [_step(step) for step in conversation.back],
        "fields": conversation.fields,
        "reply": conversation.reply,
        "relayed": [document(relayed, owners) for relayed in conversation.relayed],
    }


def target(conversation: Conversation, owners: Mapping[str, str]) -> str:
    """Return the node that was meant, or its address if nobody has it."""
    if (
        conversation.result is ConversationState.ANSWERED
        and conversation.back
        and not conversation.back[0].came_in
    ):
        return conversation.back[0].node  # Not where its reply was first seen on the way.
    requested = conversation.fields.get("arp.target")
    address = (
        requested or conversation.fields.get("ip.dst") or conversation.fields.get("eth.dst", "?")
    )
    return owners.get(address, address)


def _step(step: Step) -> dict[str, Any]:
    return {"node": step.node, "rewrites": {name: list(two) for name, two in step.rewrites.items()}}


def _clock(at: int) -> str:
    seconds, nanoseconds = divmod(at, 1_000_000_000)
    return f"{time.strftime('%H:%M:%S', time.localtime(seconds))}.{nanoseconds // 100_000_000}"


def _sign(conversation: Conversation) -> str:
    if conversation.result is ConversationState.SILENT and conversation.kind in _NEEDS_NO_REPLY:
        return _ONE_WAY
    return _SIGNS[conversation.result]


def _content(conversation: Conversation) -> str:
    match conversation.kind:
        case "icmp":
            return conversation.kind
        case "arp" | "ndp":
            return f"{conversation.kind} {conversation.fields['arp.target']}"
        case "tcp" | "udp":
            return f"{conversation.kind} {conversation.fields[f'{conversation.kind}.dst']}"
        case "dhcp":
            return f"dhcp {conversation.fields.get('dhcp.type', '')}".rstrip()
        case "dns":
            return f"dns {conversation.fields['dns.name']}"
    return packet_text(conversation.fields)


def _path_text(steps: Sequence[Step]) -> str:
    """Join nodes: `*` marks one that has rewritten the packet, a comma where a switch has sent several."""
    text = ""
    for number, step in enumerate(steps):
        again = step.came_in and step.came_in.peer in (
            earlier.node for earlier in steps[: number - 1]
        )
        text += (", " if again else "·") if number else ""
        text += step.node + ("*" if step.rewrites else "")
    return text


def _outcome(conversation: Conversation) -> Iterator[str]:
    if conversation.kind == "dns" and conversation.reply and "dns.code" in conversation.reply:
        yield packet_text(conversation.reply).partition(": ")[2]
    if conversation.kind in ("arp", "ndp") and conversation.reply:
        yield f"is at {conversation.reply['arp.sender_mac']}"
    for relayed in conversation.relayed:
        yield from _relays(relayed)
    if conversation.result is ConversationState.SILENT and conversation.back:
        yield f"the reply was lost at {conversation.back[-1].node}"
    elif (
        conversation.result is ConversationState.SILENT and conversation.kind not in _NEEDS_NO_REPLY
    ):
        yield "no reply"
    elif conversation.result is ConversationState.REFUSED and conversation.reply:
        error = packet_text(conversation.reply) if "icmp.type" in conversation.reply else "refused"
        came_in = conversation.back[0].came_in
        yield f"{error} by {came_in.peer if came_in else conversation.back[0].node}"
    elif conversation.result is ConversationState.ANSWERED:
        forward, backward = (
            [step.node for step in way] for way in (conversation.there, conversation.back)
        )
        by = "" if forward == backward[::-1] else f" by {_path_text(conversation.back)}"
        yield f"and back{by} {conversation.took / 1e6:.2f} ms"
    if conversation.packets[0] + conversation.packets[1] > 2:
        sent, received = conversation.packets
        yield f"{sent} + {received} packets, {conversation.octets[0]} + {conversation.octets[1]} bytes"
    if conversation.midway:
        yield "begun before"
    if conversation.goes_on:
        yield "open"


def _relays(conversation: Conversation) -> Iterator[str]:
    """Yield the way of a DNS server's own question, and of those that it led to."""
    yield f"relayed by {_path_text(conversation.there)}"
    for relayed in conversation.relayed:
        yield from _relays(relayed)
