"""How good an adapter's link is: bandwidth, latency and loss, each way for itself.

A queue works on what leaves an interface: outgoing on the VM's, incoming on the
switch's port. Loss is a rule of the switch, which every kernel has; and the VM's
own senders are not told of it, as they would be of a rule of their own.
"""

from __future__ import annotations

from collections.abc import Iterator

from netlab.plan.names import namespace, port
from netlab.plan.resources import Noun, Queue, Ruleset
from netlab.scenario.model import Transfer
from netlab.scenario.topology import Leg

LOSS = "loss-"
"""How the names of tables begin by which frames get lost."""


def quality(lab: str, leg: Leg) -> Iterator[Noun]:
    """What is not perfect about the cable of an adapter to its network's switch."""
    switch, plug = namespace(lab, leg.network.name), port(leg.node, leg.interface)
    for where, interface, way in (
        (namespace(lab, leg.node), leg.interface, leg.outgoing),
        (switch, plug, leg.incoming),
    ):
        if way.bandwidth or way.latency:
            latency, jitter = round(way.latency * 1000), round(way.jitter * 1000)
            yield Queue(where, interface, way.bandwidth, latency, jitter)
    if leg.outgoing.loss or leg.incoming.loss:
        yield Ruleset(switch, _loss(plug, leg.outgoing, leg.incoming))


def _loss(plug: str, outgoing: Transfer, incoming: Transfer) -> str:
    chains = _chain("prerouting", f'iifname "{plug}"', outgoing)
    chains += _chain("postrouting", f'oifname "{plug}"', incoming)
    return f"table bridge {LOSS}{plug} {{\n{chains}}}\n"


def _chain(hook: str, match: str, way: Transfer) -> str:
    if not way.loss:
        return ""
    lost = round(way.loss * 1000)
    some = f" numgen random mod 100000 < {lost}" if lost < 100_000 else ""
    return f"""\
	chain {hook} {{
		type filter hook {hook} priority filter; policy accept;
		{match}{some} drop comment "loss of {way.loss:g} %"
	}}
"""
