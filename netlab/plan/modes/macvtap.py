"""macvtap: libvirt's `<interface type='direct'>`, VMs that share a card of the host's.

In the mode `bridge`, VMs on one card hear each other (libvirt, docs/formatdomain.rst, "Direct attachment to
physical interface"). What the host sends goes out by the card to the wire, and what VMs send too; the card
takes up neither again: a VM and its host do not hear each other (libvirt wiki, "Guest can reach outside
network, but can't reach host (macvtap)"). In the lab, a switch stands for the card, and rules of it keep
the two apart.
"""

from __future__ import annotations

from collections.abc import Iterator

from netlab.plan.modes import bridged
from netlab.plan.modes.libvirt import LIBVIRT
from netlab.plan.names import namespace, port
from netlab.plan.resources import Resource, Ruleset
from netlab.scenario.mode import Mode
from netlab.scenario.topology import HOST, Network, Topology

APART = "macvtap"
"""The table of the switch that keeps the host and its VMs apart."""

MACVTAP = Mode(
    "macvtap",
    "macvtap",
    LIBVIRT,
    "bridged to the LAN by the host's {nic}",
    on_lan=True,
)


def network(lab: str, topology: Topology, vmnet: Network) -> Iterator[Resource]:
    """A switch as a bridged network has, which keeps the host's card apart from VMs."""
    yield from bridged.network(lab, topology, vmnet)
    if vmnet.nic:
        yield Ruleset(namespace(lab, vmnet.name), _rules(port(HOST, vmnet.nic)))


def _rules(card: str) -> str:
    comment = 'comment "a host and its VMs do not hear each other over macvtap"'
    return f"""\
table bridge {APART} {{
	chain forward {{
		type filter hook forward priority filter; policy accept;
		iifname "{card}" oifname != "{bridged.UPLINK}" drop {comment}
		oifname "{card}" iifname != "{bridged.UPLINK}" drop {comment}
	}}
}}
"""
