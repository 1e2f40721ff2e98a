"""Topology in, plan out. One line per network mode; each mode is a file of its own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from netlab.plan import bridged, custom, dhcp, hostonly, nat
from netlab.plan.guest import guest
from netlab.plan.host import host
from netlab.plan.machine import machine, plug
from netlab.plan.nouns import Noun, Ruleset
from netlab.plan.plan import Plan
from netlab.plan.quality import quality
from netlab.plan.world import world
from netlab.scenario.model import Mode
from netlab.scenario.topology import Leg, Network, Node, Role, Topology


def build(lab: str, topology: Topology) -> Plan:
    """Everything that must exist for `topology` to run under the name `lab`."""
    return Plan.of(lab, _with_rules_together(_nouns(lab, topology)))


def _with_rules_together(nouns: Iterable[Noun]) -> Iterator[Noun]:
    """A namespace has one ruleset; several come together, as they are."""
    texts: dict[str, str] = {}
    for noun in nouns:
        if isinstance(noun, Ruleset):
            texts[noun.namespace] = texts.get(noun.namespace, "") + noun.text
        else:
            yield noun
    yield from (Ruleset(place, text) for place, text in texts.items())


def _nouns(lab: str, topology: Topology) -> Iterator[Noun]:
    yield from world(lab, topology)
    yield from host(lab, topology)
    for vmnet in topology.vmnets:
        yield from _network(lab, topology, vmnet)
    for node in topology.endpoints:
        if node.role is Role.VM:
            yield from machine(lab, node, hungry=_hungry(topology, node))
            yield from guest(lab, topology, node)
            for leg in node.legs:
                yield plug(lab, leg, leg.network)
                yield from quality(lab, leg)


def _hungry(topology: Topology, node: Node) -> list[Leg]:
    """A VM's adapters for which VMware's DHCP server has no address left."""
    asking = [leg for leg in node.legs if leg.address is None and leg.network.dhcp]
    return [leg for leg in asking if dhcp.address_of(topology, leg) is None]


def _network(lab: str, topology: Topology, vmnet: Network) -> Iterator[Noun]:
    match vmnet.mode:
        case Mode.BRIDGED:
            return bridged.network(lab, topology, vmnet)
        case Mode.NAT:
            return nat.network(lab, topology, vmnet)
        case Mode.HOSTONLY:
            return hostonly.network(lab, topology, vmnet)
        case Mode.CUSTOM | Mode.SEGMENT:
            return custom.network(lab, topology, vmnet)
    raise AssertionError(vmnet)
