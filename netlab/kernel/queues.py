"""Queueing disciplines of interfaces: tbf for a bandwidth, netem for a latency too.

The options are packed here (linux/pkt_sched.h): nanoseconds and bytes, where
pyroute2 has the older fields in ticks of the kernel's packet scheduler.
"""

from __future__ import annotations

import errno
import struct
from typing import Any

from pyroute2.netlink import nlmsg
from pyroute2.netlink.rtnl import RTM_DELQDISC, RTM_GETQDISC, RTM_NEWQDISC, TC_H_ROOT

from netlab.errors import Missing
from netlab.kernel.netlink import Netlink, Refused, attributes
from netlab.plan.nouns import Queue

_CREATE_OR_REPLACE = 0x500
_ETHERNET = 1
_TBF_PARMS, _TBF_BURST = 1, 6
_NETEM_RATE, _NETEM_LATENCY, _NETEM_JITTER = 6, 10, 11
_BURST_SECONDS, _BURST_BYTES = 0.004, 3200
"""What may go at once: two frames at least, or tbf could never send one."""
_ROOM_SECONDS, _ROOM_BYTES = 0.1, 32_000
"""How much waits: a tenth of a second's worth, as a router's buffer, or 20 frames."""
_ROOM_FRAMES = 1000
_ABSENT = (errno.ENOENT, errno.EINVAL, errno.ENODEV)


class _Message(nlmsg):  # type: ignore[misc]
    """struct tcmsg, with its options as bytes."""

    prefix = "TCA_"
    fields = (
        ("family", "B"),
        ("pad1", "B"),
        ("pad2", "H"),
        ("index", "i"),
        ("handle", "I"),
        ("parent", "I"),
        ("info", "I"),
    )
    nla_map = (("TCA_UNSPEC", "none"), ("TCA_KIND", "asciiz"), ("TCA_OPTIONS", "cdata"))


def put(netlink: Netlink, queue: Queue) -> None:
    """Give an interface this queue, or change the one that it has.

    Raises Missing where a latency needs netem and the kernel has none.
    """
    kind, options = ("netem", _netem(queue)) if queue.latency else ("tbf", _tbf(queue))
    message = _message(netlink, queue.interface)
    message["attrs"] = [("TCA_KIND", kind), ("TCA_OPTIONS", options)]
    try:
        netlink.request(message, RTM_NEWQDISC, _CREATE_OR_REPLACE)
    except Refused as error:
        if error.errno != errno.ENOENT:
            raise
        module, wanted = {
            "netem": ("CONFIG_NET_SCH_NETEM", "latency and jitter"),
            "tbf": ("CONFIG_NET_SCH_TBF", "a bandwidth"),
        }[kind]
        raise Missing(
            f"this kernel has no {kind}, which {wanted} on {queue.interface} of {queue.namespace} need",
            f"use a kernel with {module}, or leave {wanted} out",
        ) from error


def remove(netlink: Netlink, queue: Queue) -> None:
    """Let frames leave at once again. Forgives absence."""
    try:
        netlink.request(_message(netlink, queue.interface), RTM_DELQDISC)
    except Refused as error:
        if error.errno not in _ABSENT:
            raise


def read(netlink: Netlink, namespace: str, names: dict[int, str]) -> list[Queue]:
    """The queues of a namespace that are of netlab's kinds."""
    found = []
    for message in netlink.dump(_Message(), RTM_GETQDISC):
        kind, options = message.get_attr("TCA_KIND"), message.get_attr("TCA_OPTIONS")
        if kind in ("tbf", "netem") and message["parent"] == TC_H_ROOT:
            interface = names.get(message["index"], "?")
            found.append(_decoded(Queue(namespace, interface), kind, bytes(options)))
    return found


def _message(netlink: Netlink, interface: str) -> Any:
    message = _Message()
    message["index"], message["parent"] = netlink.index(interface), TC_H_ROOT
    return message


def _tbf(queue: Queue) -> bytes:
    rate = (queue.rate or 0) // 8
    room = max(int(rate * _ROOM_SECONDS), _ROOM_BYTES)
    speed = struct.pack("BBHhHI", 0, _ETHERNET, 0, 0, 0, rate)
    parameters = speed + bytes(len(speed)) + struct.pack("III", room, 0, 0)
    burst = struct.pack("I", max(int(rate * _BURST_SECONDS), _BURST_BYTES))
    return _attribute(_TBF_PARMS, parameters) + _attribute(_TBF_BURST, burst)


def _netem(queue: Queue) -> bytes:
    options = struct.pack("6I", 0, _ROOM_FRAMES, 0, 0, 0, 0)
    options += _attribute(_NETEM_LATENCY, struct.pack("q", queue.latency * 1000))
    options += _attribute(_NETEM_JITTER, struct.pack("q", queue.jitter * 1000))
    if queue.rate:
        options += _attribute(_NETEM_RATE, struct.pack("IiIi", queue.rate // 8, 0, 0, 0))
    return options


def _decoded(queue: Queue, kind: str, options: bytes) -> Queue:
    place = (queue.namespace, queue.interface)
    if kind == "tbf":
        (rate,) = struct.unpack_from("I", dict(attributes(options))[_TBF_PARMS], 8)
        return Queue(*place, rate * 8)
    found = dict(attributes(options[24:]))
    (latency,) = struct.unpack("q", found[_NETEM_LATENCY])
    (jitter,) = struct.unpack("q", found[_NETEM_JITTER])
    rate = struct.unpack_from("I", found[_NETEM_RATE])[0] * 8 if _NETEM_RATE in found else None
    return Queue(*place, rate, latency // 1000, jitter // 1000)


def _attribute(kind: int, content: bytes) -> bytes:
    return struct.pack("HH", len(content) + 4, kind) + content + bytes(-len(content) % 4)
