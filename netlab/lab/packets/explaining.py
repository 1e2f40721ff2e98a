"""The way of a packet in a running lab, worked out from tables and rules."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from ipaddress import ip_address
from typing import TYPE_CHECKING

from netlab.explain import read
from netlab.explain.explain import explain as explain_packet
from netlab.explain.explain import not_worked_out
from netlab.explain.model import probe
from netlab.kernel.host.doctor import require_root
from netlab.lab.packets import targets
from netlab.lab.packets.network_map import steady
from netlab.node_interface import NodeInterface

if TYPE_CHECKING:
    from netlab.explain.model import Explanation
    from netlab.lab.labs import Lab


def explain(lab: Lab, source: str, target: str, by: str = "icmp") -> Explanation:
    """Say where a packet would go, and what would become of it; nothing is sent.

    `by` is `icmp`, `tcp:PORT` or `udp:PORT`. Raises UsageError for what is none, NeedsRoot, KernelError.
    """
    with explainer(lab) as answer:
        return answer(source, target, by)


@contextmanager
def explainer(lab: Lab) -> Iterator[Callable[[str, str, str], Explanation]]:
    """Yield `explain` for many questions, from one look at the lab: a function of source, target, `by`."""
    require_root()
    with steady(lab) as network_map:
        nodes = network_map.nodes
        cables = {
            NodeInterface(nodes[end.namespace], end.interface): NodeInterface(
                nodes[peer.namespace], peer.interface
            )
            for end, peer in lab.plan.peers.items()
            if {end.namespace, peer.namespace} <= nodes.keys()
        }
        with read.lab_model(network_map, cables) as model:

            def answer(source: str, target: str, by: str) -> Explanation:
                packet = probe(by)
                start = targets.node(lab, source)
                if targets.is_everybodys(target, model.owners):
                    return not_worked_out(start.name, target, packet)
                end, address = targets.destination(lab, start, target, model.owners)
                named = not targets.is_address(target)
                return explain_packet(model, start.name, end, ip_address(address), packet, named)

            yield answer
