"""Queueing disciplines of interfaces: tbf for a bandwidth, netem for a latency too.

In nanoseconds and bytes (linux/pkt_sched.h); older fields are in ticks of the kernel's packet
scheduler.
"""

from __future__ import annotations

import errno
import struct

from netlab.errors import Missing
from netlab.kernel.links import forgiven_absence
from netlab.kernel.netlink import HEADER_BYTES, Netlink, Refused, attribute, attributes
from netlab.plan.nouns import Queue

_RTM_NEWQDISC, _RTM_DELQDISC, _RTM_GETQDISC = 36, 37, 38
_TCA_KIND, _TCA_OPTIONS = 1, 2
_TC_H_ROOT = 0xFFFFFFFF
_CREATE_OR_REPLACE = 0x500
_QUEUE = struct.Struct("BxxxiIII")
"""tcmsg: family, index, handle, parent, info."""
KINDS = ("tbf", "netem")
"""Netlab's."""
_ETHERNET = 1
_TBF_PARMS, _TBF_BURST = 1, 6
_NETEM_RATE, _NETEM_LATENCY, _NETEM_JITTER = 6, 10, 11
_BURST_SECONDS, _BURST_BYTES = 0.004, 3200
"""What may go at once: two frames at least, or tbf could never send one."""
_ROOM_SECONDS, _ROOM_BYTES = 0.1, 32_000
"""How much waits: a tenth of a second's worth, as a router's buffer, or 20 frames."""
_ROOM_FRAMES = 1000


def put(netlink: Netlink, queue: Queue) -> None:
    """Give an interface this queue, or change the one that it has.

    Raises Missing where a latency needs netem and the kernel has none.
    """
    kind, options = ("netem", _netem(queue)) if queue.latency else ("tbf", _tbf(queue))
    message = _message(netlink, queue.interface)
    message += attribute(_TCA_KIND, kind.encode(), b"\0") + attribute(_TCA_OPTIONS, options)
    try:
        netlink.request(message, _RTM_NEWQDISC, _CREATE_OR_REPLACE)
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
    with forgiven_absence(errno.EINVAL):
        netlink.request(_message(netlink, queue.interface), _RTM_DELQDISC)


def read(netlink: Netlink, namespace: str, names: dict[int, str]) -> list[Queue]:
    """The queues of a namespace that are of netlab's kinds."""
    found = []
    for message in netlink.dump(_QUEUE.pack(0, 0, 0, 0, 0), _RTM_GETQDISC):
        _, index, _, parent, _ = _QUEUE.unpack_from(message, HEADER_BYTES)
        told = attributes(message, HEADER_BYTES + _QUEUE.size)
        kind = told[_TCA_KIND].rstrip(b"\0").decode()
        if kind in KINDS and parent == _TC_H_ROOT:
            queue = Queue(namespace, names.get(index, "?"))
            found.append(_decoded(queue, kind, told[_TCA_OPTIONS]))
    return found


def _message(netlink: Netlink, interface: str) -> bytes:
    return _QUEUE.pack(0, netlink.index(interface), 0, _TC_H_ROOT, 0)


def _tbf(queue: Queue) -> bytes:
    rate = (queue.rate or 0) // 8
    room = max(int(rate * _ROOM_SECONDS), _ROOM_BYTES)
    speed = struct.pack("BBHhHI", 0, _ETHERNET, 0, 0, 0, rate)
    parameters = speed + bytes(len(speed)) + struct.pack("III", room, 0, 0)
    burst = struct.pack("I", max(int(rate * _BURST_SECONDS), _BURST_BYTES))
    return attribute(_TBF_PARMS, parameters) + attribute(_TBF_BURST, burst)


def _netem(queue: Queue) -> bytes:
    options = struct.pack("6I", 0, _ROOM_FRAMES, 0, 0, 0, 0)
    options += attribute(_NETEM_LATENCY, struct.pack("q", queue.latency * 1000))
    options += attribute(_NETEM_JITTER, struct.pack("q", queue.jitter * 1000))
    if queue.rate:
        options += attribute(_NETEM_RATE, struct.pack("IiIi", queue.rate // 8, 0, 0, 0))
    return options


def _decoded(queue: Queue, kind: str, options: bytes) -> Queue:
    place = (queue.namespace, queue.interface)
    if kind == "tbf":
        (rate,) = struct.unpack_from("I", attributes(options)[_TBF_PARMS], 8)
        return Queue(*place, rate * 8)
    _, _, loss, gap, duplicates, _ = struct.unpack_from("6I", options)
    if loss or gap or duplicates:
        return Queue(*place)  # Somebody's.
    found = attributes(options, 24)
    (latency,) = struct.unpack("q", found[_NETEM_LATENCY])
    (jitter,) = struct.unpack("q", found[_NETEM_JITTER])
    rate = struct.unpack_from("I", found[_NETEM_RATE])[0] * 8 if _NETEM_RATE in found else None
    return Queue(*place, rate, latency // 1000, jitter // 1000)
