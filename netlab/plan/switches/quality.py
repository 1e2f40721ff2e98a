"""The quality of an adapter's link: bandwidth, latency and loss, each way for itself.

A queue works on what leaves an interface: outgoing on the VM's, incoming on the
switch's port. Loss is a rule of the switch, which every kernel has; and the VM's
own senders are not told of it, as they would be of a rule of their own.
"""

from __future__ import annotations

from collections.abc import Iterator

from netlab.plan.names import namespace, port
from netlab.plan.resources import Queue, Resource, Ruleset
from netlab.scenario.model import Transfer
from netlab.scenario.topology import Adapter

LOSS = "loss-"
"""Prefix of the names of tables by which frames get lost."""


def quality(lab: str, adapter: Adapter) -> Iterator[Resource]:
    """Queues and rules for the cable of an adapter to its network's switch, where it is not perfect."""
    switch, plug = namespace(lab, adapter.network.switch), port(adapter.node, adapter.interface)
    for owner, interface, transfer in (
        (namespace(lab, adapter.node), adapter.interface, adapter.outgoing),
        (switch, plug, adapter.incoming),
    ):
        if transfer.bandwidth or transfer.latency:
            latency, jitter = round(transfer.latency * 1000), round(transfer.jitter * 1000)
            yield Queue(owner, interface, transfer.bandwidth, latency, jitter)
    if adapter.outgoing.loss or adapter.incoming.loss:
        yield Ruleset(switch, _loss(plug, adapter.outgoing, adapter.incoming))


def _loss(plug: str, outgoing: Transfer, incoming: Transfer) -> str:
    chains = _chain("prerouting", f'iifname "{plug}"', outgoing)
    chains += _chain("postrouting", f'oifname "{plug}"', incoming)
    return f"table bridge {LOSS}{plug} {{\n{chains}}}\n"


def _chain(hook: str, match: str, transfer: Transfer) -> str:
    if not transfer.loss:
        return ""
    lost = round(transfer.loss * 1000)
    probability = f" numgen random mod 100000 < {lost}" if lost < 100_000 else ""
    return f"""\
	chain {hook} {{
		type filter hook {hook} priority filter; policy accept;
		{match}{probability} drop comment "loss of {transfer.loss:g} %"
	}}
"""
