"""Queueing disciplines of interfaces: tbf for a bandwidth, netem for a latency too.

Times are in nanoseconds, sizes in bytes (linux/pkt_sched.h); older fields are in ticks of the kernel's
packet scheduler. pyroute2's module of queues has thirty kinds, which take 20 ms to import: it is imported
where there are queues.
"""

from __future__ import annotations

import errno
from dataclasses import replace
from typing import Any

from pyroute2.netlink import NLM_F_CREATE, NLM_F_REPLACE
from pyroute2.netlink.rtnl import RTM_DELQDISC, RTM_GETQDISC, RTM_NEWQDISC, TC_H_ROOT

from netlab.errors import Missing
from netlab.kernel.netlink.channel import Netlink, Refused
from netlab.kernel.netlink.codec import Body, Reader, encode
from netlab.kernel.netlink.objects.links import forgiven_absence
from netlab.kernel.rows import Names
from netlab.plan.resources import Queue

KINDS = ("tbf", "netem")
"""Kinds that netlab uses."""
_ETHERNET = 1
"""TC_LINKLAYER_ETHERNET."""
_BURST_SECONDS, _BURST_BYTES = 0.004, 3200
"""Burst that may leave at once: two frames at least, or tbf could never send one."""
_BUFFER_SECONDS, _BUFFER_BYTES = 0.1, 32_000
"""Size of the queue: a tenth of a second's worth, as in a router's buffer, or 20 frames."""
_BUFFER_FRAMES = 1000
_TICK_SECONDS = 64e-9
"""A tick of the packet scheduler (PSCHED_SHIFT)."""

_NETEM_BY_HAND = "TCA_NETEM_CORR", "TCA_NETEM_REORDER", "TCA_NETEM_CORRUPT", "TCA_NETEM_LOSS"
"""Options of netem that no plan has."""


def put(netlink: Netlink, queue: Queue) -> None:
    """Give an interface this queue, or change the queue that it has.

    Raises Missing where the kernel lacks the queueing discipline, Refused.
    """
    kind, options = ("netem", _netem(queue)) if queue.latency else ("tbf", _tbf(queue))
    attributes = [("TCA_KIND", kind), ("TCA_OPTIONS", options)]
    message = _message(netlink, queue.interface, attributes)
    try:
        netlink.request(message, RTM_NEWQDISC, NLM_F_CREATE | NLM_F_REPLACE)
    except Refused as error:
        if error.errno != errno.ENOENT:
            raise
        module, setting = {
            "netem": ("CONFIG_NET_SCH_NETEM", "latency and jitter"),
            "tbf": ("CONFIG_NET_SCH_TBF", "a bandwidth"),
        }[kind]
        raise Missing(
            f"this kernel has no {kind}, which {setting} on {queue.interface} of {queue.namespace} need",
            f"use a kernel with {module}, or leave {setting} out",
        ) from error


def remove(netlink: Netlink, queue: Queue) -> None:
    """Remove an interface's queue: frames leave at once again. Forgives absence."""
    with forgiven_absence(errno.EINVAL):
        netlink.request(_message(netlink, queue.interface, []), RTM_DELQDISC)


def read(netlink: Netlink, namespace: str, names: Names) -> list[Queue]:
    """Read the queues of a namespace that are of netlab's kinds. Raises Refused."""
    from netlab.kernel.netlink.missing_queues import queue_msg

    reader = Reader(queue_msg, ("index", "parent"), ("TCA_KIND", "TCA_OPTIONS"))
    queues = []
    for message in netlink.dump(encode(queue_msg, {}), RTM_GETQDISC):
        index, parent = reader.fields(message)
        attributes = reader.attributes(message)
        if attributes["TCA_KIND"] in KINDS and parent == TC_H_ROOT:
            queue = Queue(namespace, names.get(index, "?"))
            queues.append(_decoded(queue, attributes["TCA_KIND"], attributes["TCA_OPTIONS"]))
    return queues


def is_planned(kind: str, options: bytes) -> bool:
    """Return whether a queueing discipline with these options is as `put` makes it for some queue."""
    if kind not in KINDS:
        return False
    return _is_planned_tbf(options) if kind == "tbf" else _is_planned_netem(options)


def _is_planned_tbf(options: bytes) -> bool:
    from netlab.kernel.netlink.missing_queues import tbf_options

    attributes = Reader(tbf_options, attributes=("TCA_TBF_PARMS",)).attributes(options)
    reader = Reader(tbf_options.tbf_parms, ("rate", "peak", "limit", "buffer"))
    rate, peak, limit, ticks = reader.fields(attributes["TCA_TBF_PARMS"])
    if not rate or peak:
        return False
    planned_limit, burst = _sizes(rate)
    planned_ticks = burst / rate / _TICK_SECONDS
    return bool(limit == planned_limit and abs(ticks - planned_ticks) <= planned_ticks / 100)


def _is_planned_netem(options: bytes) -> bool:
    from netlab.kernel.netlink.missing_queues import netem_options

    reader = Reader(netem_options, ("limit", "loss", "gap", "duplicate"), _NETEM_BY_HAND)
    limit, *faults = reader.fields(options)
    # The kernel shows correlations and the like as zeros where there are none.
    faults += [any(value) for value in reader.attributes(options).values()]
    return bool(limit == _BUFFER_FRAMES and not any(faults))


def _message(netlink: Netlink, interface: str, attributes: list[tuple[str, Any]]) -> bytes:
    from netlab.kernel.netlink.missing_queues import queue_msg

    body = {"index": netlink.index(interface), "parent": TC_H_ROOT, "attrs": attributes}
    return encode(queue_msg, body)


def _tbf(queue: Queue) -> Body:
    rate = (queue.rate or 0) // 8
    limit, burst = _sizes(rate)
    # The link layer of `struct tc_ratespec`, which pyroute2 calls reserved.
    parameters = {"rate___reserved": _ETHERNET, "rate": rate, "limit": limit}
    return {"attrs": [("TCA_TBF_PARMS", parameters), ("TCA_TBF_BURST", burst)]}


def _sizes(rate: int) -> tuple[int, int]:
    """Return the limit and the burst in bytes for a rate in bytes per second."""
    limit = max(int(rate * _BUFFER_SECONDS), _BUFFER_BYTES)
    return limit, max(int(rate * _BURST_SECONDS), _BURST_BYTES)


def _netem(queue: Queue) -> Body:
    attributes: list[tuple[str, Any]] = [
        ("TCA_NETEM_LATENCY64", queue.latency * 1000),
        ("TCA_NETEM_JITTER64", queue.jitter * 1000),
    ]
    if queue.rate:
        attributes.append(("TCA_NETEM_RATE", {"rate": queue.rate // 8}))
    return {"limit": _BUFFER_FRAMES, "attrs": attributes}


def _decoded(queue: Queue, kind: str, options: bytes) -> Queue:
    """Return the queue with the rate, latency and jitter of its options."""
    from netlab.kernel.netlink.missing_queues import netem_options, tbf_options

    if kind == "tbf":
        parameters = Reader(tbf_options, attributes=("TCA_TBF_PARMS",)).attributes(options)
        (rate,) = Reader(tbf_options.tbf_parms, ("rate",)).fields(parameters["TCA_TBF_PARMS"])
        return replace(queue, rate=rate * 8)
    names = ("TCA_NETEM_LATENCY64", "TCA_NETEM_JITTER64", "TCA_NETEM_RATE")
    reader = Reader(netem_options, ("loss", "gap", "duplicate"), names)
    if any(reader.fields(options)):
        return queue  # Made by hand.
    attributes = reader.attributes(options)
    rate = None
    if "TCA_NETEM_RATE" in attributes:
        (rate,) = Reader(netem_options.netem_rate, ("rate",)).fields(attributes["TCA_NETEM_RATE"])
        rate *= 8
    latency, jitter = attributes["TCA_NETEM_LATENCY64"], attributes["TCA_NETEM_JITTER64"]
    return replace(queue, rate=rate, latency=latency // 1000, jitter=jitter // 1000)
