"""Rules that have ended packets, and the proof that their hits give of a probe's end. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from ipaddress import ip_address

from netlab.diagnosis.cause import Cause
from netlab.diagnosis.tables import LabTables
from netlab.frozen import frozen
from netlab.kernel.nftables.nftrace import Hit
from netlab.messages import N_, Message
from netlab.node_interface import NodeInterface
from netlab.packets import protocols
from netlab.packets.frame import Fields, decode, is_group

_NEIGHBOUR_DISCOVERY = {
    str(protocols.ND_NEIGHBOR_SOLICIT): "request",
    str(protocols.ND_NEIGHBOR_ADVERT): "reply",
}
"""Types of ICMPv6, in the words of ARP."""
_LONGEST = 1 << 16
"""Bytes of a frame."""
_NO_MAC = "00:00:00:00:00:00"
"""The address in a frame that `Hit` has made up."""


@frozen
class RuleDrop:
    """A rule that ended a packet on a node."""

    rule: str
    cause: Cause = Cause.FIREWALL
    """The cause that an end by such a rule is."""
    copy: bool = False
    """It ended a switch's copy for the port behind which the packet's receiver is: others may have
    gone out."""
    policy: bool = False
    """It is a chain's policy."""
    onward: bool = False
    """It ended what was on its way through a machine that bridges; what came to the machine itself is
    another copy."""


@frozen
class Silence:
    """A rule that ended a question for a MAC address, or the reply to it."""

    at: str
    """Node."""
    cause: Cause
    text: str


def fields_of(hit: Hit) -> Fields:
    """Return the header fields of the packet; of its payload, only the first bytes are known."""
    return decode(hit.frame, _LONGEST)


def drop(hit: Hit, tables: LabTables) -> RuleDrop | None:
    """Return the drop that a hit proves; None: only a copy for somebody else was dropped."""
    netmap = tables.netmap
    fields, node = fields_of(hit), netmap.nodes[hit.namespace]
    receiver = _receiver(fields)
    port = _port(hit, tables)
    is_copy = bool(port) and not is_group(receiver)
    if is_copy and not tables.leads(node, port, receiver):
        return None
    onward = node in netmap.bridges and bool(tables.interface(node, hit.out))
    return RuleDrop(hit.text, netmap.drop_cause(hit.rule), is_copy, hit.policy, onward)


def _port(hit: Hit, tables: LabTables) -> str:
    """Return the port of a switch by which a dropped copy was to leave; empty on other nodes, and where a
    rule of IP dropped it: br_netfilter names the bridge there, and there is one packet for all ports."""
    node = tables.netmap.nodes[hit.namespace]
    port = tables.interface(node, hit.out)
    netmap, end = tables.netmap, NodeInterface(node, port)
    of_switch = node in netmap.switches and end in netmap.peers
    return port if of_switch or netmap.is_port_inside(end) else ""


def _receiver(fields: Fields) -> str:
    """Return the MAC address that a frame is for; the IP address where the kernel's trace had no frame."""
    mac = fields.get("eth.dst", "")
    return fields.get("ip.dst", mac) if mac == _NO_MAC else mac


def is_about_neighbours(fields: Fields) -> bool:
    """Return whether a packet is a question for a MAC address, or the reply to one."""
    return bool(_operation(fields))


Unheard = Mapping[int, Sequence[tuple[Hit, Fields]]]
"""Drops that are about neighbours, by the last bits of the address that is asked for."""


def unheard(hits: Iterable[Hit]) -> Unheard:
    """Return the drops that are about neighbours; for `silenced`, which is called once for each probe."""
    by_bits: dict[int, list[tuple[Hit, Fields]]] = {}
    for hit in hits:
        fields = fields_of(hit)
        if hit.drops and is_about_neighbours(fields):
            by_bits.setdefault(_last_bits(_asked_for(fields)), []).append((hit, fields))
    return by_bits


def silenced(
    drops: Unheard, hops: Collection[tuple[str, str]], tables: LabTables
) -> dict[str, Silence]:
    """Return nodes with the rule that ended their question for a MAC address, or the reply.

    `hops` are (node, address) of the questions that had to be asked. Only drops by the asker, the
    machine that was asked, and the switches count: others are not meant to answer.
    """
    netmap = tables.netmap
    by_asker: dict[str, Silence] = {}
    for asker, address in hops:
        for hit, fields in drops.get(_last_bits(address), ()):
            node = netmap.nodes[hit.namespace]
            owners = tables.owners.nodes.get(address, frozenset())
            of_bridge = node in netmap.bridges and hit.rule.startswith("bridge ")
            concerned = of_bridge or node in owners | {asker} | netmap.switches
            if concerned and _is_exchange(fields, asker, address, tables):
                port = _port(hit, tables)
                receiver = address if _operation(fields) == "request" else fields["eth.dst"]
                if not port or tables.leads(node, port, receiver):
                    cause = netmap.drop_cause(hit.rule)
                    by_asker[asker] = Silence(node, cause, _text(hit, fields, cause))
    return by_asker


def _operation(fields: Fields) -> str:
    """Return `request` or `reply`, empty for other packets.

    Of an ICMPv6 message, the kernel's trace shows less than the address that it is about.
    """
    is_icmpv6 = fields.get("ip.protocol") == str(protocols.ICMPV6)
    default = _NEIGHBOUR_DISCOVERY.get(fields.get("icmp.type", ""), "") if is_icmpv6 else ""
    return fields.get("arp.op", default)


def _is_exchange(fields: Fields, node: str, address: str, tables: LabTables) -> bool:
    """Return whether a packet is the question of a node for an address, or the reply."""
    asks = _operation(fields) == "request"
    if "arp.op" in fields:
        asker = fields["arp.sender" if asks else "arp.target"]
    else:
        asker = fields["ip.src" if asks else "ip.dst"]
    asked_for = _asked_for(fields)
    # A question goes to a group that is known by the last 24 bits (RFC 4291, 2.7.1).
    to_a_group = asks and "arp.op" not in fields
    about = asked_for == address or (to_a_group and _last_bits(asked_for) == _last_bits(address))
    return about and node in tables.owners.nodes.get(asker, ())


def _asked_for(fields: Fields) -> str:
    """Return the address that a question or a reply is about; of a question of IPv6, the group that it
    goes to."""
    asks = _operation(fields) == "request"
    if "arp.op" in fields:
        return fields["arp.target" if asks else "arp.sender"]
    return fields["ip.dst" if asks else "ip.src"]


def _last_bits(address: str) -> int:
    return int(ip_address(address)) & 0xFFFFFF


def _text(hit: Hit, fields: Fields, cause: Cause) -> str:
    if cause is Cause.MAC_NOT_ALLOWED:
        return Message("{mac}: {rule}", mac=fields["eth.src"], rule=hit.text)
    return Message(
        N_("ARP: {rule}") if "arp.op" in fields else N_("neighbour discovery: {rule}"),
        rule=hit.text,
    )
