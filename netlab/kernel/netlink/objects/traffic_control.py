"""Queueing disciplines and filters of any kind, as far as they can drop packets (tc(8))."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from socket import ntohs
from typing import Any

from pyroute2.netlink.rtnl import RTM_GETQDISC, RTM_GETTFILTER, TC_H_ROOT

from netlab.frozen import frozen
from netlab.kernel.netlink.channel import Netlink
from netlab.kernel.netlink.codec import Reader, Template, contents, encode, text_of
from netlab.kernel.netlink.missing import (
    FILTER_ACTIONS,
    TC_ACTIONS,
    TC_H_MIN_EGRESS,
    TC_H_MIN_INGRESS,
    TCA_ACT_PARMS,
    TCA_BPF_FLAG_ACT_DIRECT,
    TCA_BPF_FLAGS,
    TCA_BPF_NAME,
    TCA_GACT_PROB,
    TCA_U32_DIVISOR,
    action_nla,
    any_nla,
    traffic_msg,
)

_MESSAGE = Reader(
    traffic_msg,
    ("index", "handle", "parent", "info"),
    [name for _, name, _ in traffic_msg.nla_map],
)
_STATS = Reader(traffic_msg.stats2, attributes=("TCA_STATS_BASIC", "TCA_STATS_QUEUE"))
_PACKETS = Reader(traffic_msg.stats2.basic, ("packets",))
_DROPS = Reader(traffic_msg.stats2.queue, ("drops",))
_OPTIONS = Reader(any_nla, attributes=None)
_ACTION = Reader(action_nla, attributes=[name for _, name, _ in action_nla.nla_map])
_PARAMETERS = Reader(action_nla.parameters, ("action",))
_EVERY_QUEUE = Template(traffic_msg, {})
_MAJOR = 0xFFFF0000
"""The bits of a number that are those of the queueing discipline itself (TC_H_MAJ_MASK)."""
_HARMLESS = ("continue", "pass", "reclassify", "pipe")
_WITH_VERDICT = ("gact", "mirred")
"""Actions that do no more to the packet itself than their verdict says."""


@frozen
class QueueState:
    """A queueing discipline."""

    index: int
    """The number of its interface."""
    kind: str
    handle: int
    """Zero for one that the kernel chose by itself."""
    parent: int
    options: bytes
    drops: int

    @property
    def holds_filters_only(self) -> bool:
        """True if no packet waits in it."""
        return self.kind in ("clsact", "ingress")

    @property
    def filter_parents(self) -> Mapping[str, int]:
        """The numbers that its filters are attached to, by the hooks where they see packets."""
        if not self.holds_filters_only:
            return {"egress": self.handle}
        parents = {"ingress": self.handle & _MAJOR | TC_H_MIN_INGRESS}
        if self.kind == "clsact":
            parents["egress"] = self.handle & _MAJOR | TC_H_MIN_EGRESS
        return parents

    def __str__(self) -> str:
        """Format it as `tc qdisc` does."""
        text = f"qdisc {self.kind} {self.handle >> 16:x}:"
        if self.holds_filters_only:
            return text
        is_root = self.parent == TC_H_ROOT
        return f"{text} {'root' if is_root else f'parent {_class(self.parent)}'}"


@frozen
class Filter:
    """A filter of a queueing discipline."""

    kind: str
    protocol: int
    """An EtherType; ETH_P_ALL for every frame."""
    preference: int
    program: str
    """A BPF program's name and mode; empty for filters of another kind."""
    can_drop: bool
    actions: tuple[str, ...]
    """In the words of tc-actions(8): `gact drop`, `mirred stolen`, `police`."""
    packets: int | None
    """Packets that its action met; None if it has none."""


def _class(number: int) -> str:
    return f"{number >> 16:x}:{number & ~_MAJOR:x}"


def read_queues(netlink: Netlink) -> list[QueueState]:
    """Read every queueing discipline of the namespace. Raises Refused."""
    return [_queue(message) for message in netlink.dump(_EVERY_QUEUE.fill(), RTM_GETQDISC)]


def _queue(message: bytes) -> QueueState:
    index, handle, parent, _ = _MESSAGE.fields(message)
    queue = _MESSAGE.attributes(message)
    stats = _STATS.attributes(queue.get("TCA_STATS2", b""))
    drops = _DROPS.fields(stats["TCA_STATS_QUEUE"])[0] if "TCA_STATS_QUEUE" in stats else 0
    return QueueState(
        index, queue["TCA_KIND"], handle, parent, queue.get("TCA_OPTIONS", b""), drops
    )


def read_filters(netlink: Netlink, index: int, parent: int) -> list[Filter]:
    """Read the filters of an interface's queueing discipline. Raises Refused."""
    request = encode(traffic_msg, {"index": index, "parent": parent})
    messages = netlink.dump(request, RTM_GETTFILTER)
    return [entry for message in messages for entry in _filters(message)]


def _filters(message: bytes) -> Iterator[Filter]:
    """Yield the filter of a message; kinds have messages about their tables and preferences, too."""
    _, handle, _, info = _MESSAGE.fields(message)
    attributes = _MESSAGE.attributes(message)
    kind = attributes["TCA_KIND"]
    options = _OPTIONS.attributes(attributes.get("TCA_OPTIONS", b""))
    if not handle or (kind == "u32" and str(TCA_U32_DIVISOR) in options):
        return
    numbers = map(str, FILTER_ACTIONS.get(kind, ()))
    act, police = next(numbers, ""), next(numbers, "")
    actions = [_ACTION.attributes(action) for action in contents(options.get(act, b""))]
    drops = [_can_drop(action) for action in actions]
    yield Filter(
        kind,
        ntohs(info & 0xFFFF),
        info >> 16,
        _program(options) if kind == "bpf" else "",
        any(drops) or police in options or kind not in FILTER_ACTIONS or _is_direct(options, kind),
        (*map(_words, actions), *(["police"] if police in options else [])),
        _packets(actions[0]) if actions else None,
    )


def _is_direct(options: Mapping[str, Any], kind: str = "bpf") -> bool:
    """Return whether a BPF program decides about the packet, not only about its class."""
    flags = int.from_bytes(options.get(str(TCA_BPF_FLAGS), b""), sys.byteorder)
    return kind == "bpf" and bool(flags & TCA_BPF_FLAG_ACT_DIRECT)


def _program(options: Mapping[str, Any]) -> str:
    name = text_of(options.get(str(TCA_BPF_NAME), b""))
    return f"{name} {'direct-action' if _is_direct(options) else ''}".strip()


def _verdict(action: dict[str, Any]) -> str:
    """Return what becomes of the packet behind an action, as far as its kind is known."""
    options = _OPTIONS.attributes(action.get("TCA_ACT_OPTIONS", b""))
    if action["TCA_ACT_KIND"] not in _WITH_VERDICT or str(TCA_ACT_PARMS) not in options:
        return ""
    (number,) = _PARAMETERS.fields(options[str(TCA_ACT_PARMS)])
    word = TC_ACTIONS.get(number, str(number))
    is_random = action["TCA_ACT_KIND"] == "gact" and str(TCA_GACT_PROB) in options
    return f"random {word}" if is_random else word


def _can_drop(action: dict[str, Any]) -> bool:
    return _verdict(action) not in _HARMLESS


def _words(action: dict[str, Any]) -> str:
    return f"{action['TCA_ACT_KIND']} {_verdict(action)}".rstrip()


def _packets(action: dict[str, Any]) -> int | None:
    stats = _STATS.attributes(action.get("TCA_ACT_STATS", b""))
    return _PACKETS.fields(stats["TCA_STATS_BASIC"])[0] if "TCA_STATS_BASIC" in stats else None
