"""Rules that have ended packets, and what that proves of a probe: hits in, drops out. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from ipaddress import ip_address

from netlab.diagnosis.cause import Cause
from netlab.diagnosis.tables import LabTables
from netlab.frozen import frozen
from netlab.kernel.nftables.nftrace import Hit
from netlab.messages import said
from netlab.packets import protocols
from netlab.packets.frame import Fields, decode, is_group

_NEIGHBOUR_DISCOVERY = {
    str(protocols.ND_NEIGHBOR_SOLICIT): "request",
    str(protocols.ND_NEIGHBOR_ADVERT): "reply",
}
"""Types of ICMPv6, in the words of ARP."""
_LONGEST = 1 << 16
"""Bytes of a frame."""


@frozen
class RuleDrop:
    """A rule that ended a packet on a node."""

    rule: str
    cause: Cause = Cause.FIREWALL
    """What it is that such a rule drops a packet."""
    copy: bool = False
    """It ended a switch's copy for the port behind which the packet's receiver is: others may have
    gone out."""
    policy: bool = False
    """It is a chain's policy."""


@frozen
class Silence:
    """A rule that ended a question for a MAC address, or the reply to it."""

    at: str
    """Node."""
    cause: Cause
    text: str


def fields_of(hit: Hit) -> Fields:
    """The header fields of the packet; of what is behind its headers, only the first bytes are known."""
    return decode(hit.frame, _LONGEST)


def drop(hit: Hit, known: LabTables) -> RuleDrop | None:
    """What a hit that drops a packet proves; None: only a copy for somebody else was dropped."""
    fields, node = fields_of(hit), known.netmap.nodes[hit.namespace]
    receiver = fields.get("eth.dst", "")
    port = known.interface(node, hit.out)
    is_copy = bool(port) and node in known.netmap.switches and not is_group(receiver)
    if is_copy and not known.leads(node, port, receiver):
        return None
    return RuleDrop(hit.text, known.netmap.drop_cause(hit.table), is_copy, hit.policy)


def is_about_neighbours(fields: Fields) -> bool:
    """Whether a packet is a question for a MAC address, or the reply to one."""
    return bool(_operation(fields))


Unheard = Mapping[int, Sequence[tuple[Hit, Fields]]]
"""Drops that are about neighbours, by the last bits of the address that is asked for."""


def unheard(hits: Iterable[Hit]) -> Unheard:
    """Those that are about neighbours; for `silenced`, which is asked once for each probe."""
    found: dict[int, list[tuple[Hit, Fields]]] = {}
    for hit in hits:
        fields = fields_of(hit)
        if hit.drops and is_about_neighbours(fields):
            found.setdefault(_last_bits(_asked_for(fields)), []).append((hit, fields))
    return found


def silenced(
    told: Unheard, hops: Collection[tuple[str, str]], known: LabTables
) -> dict[str, Silence]:
    """Node to the rule that ended its question for a MAC address, or the reply.

    `hops` are the nodes that had to ask, and the addresses for which. Only what the asker, the
    machine that was asked, and the switches drop counts: others are not meant to answer.
    """
    found: dict[str, Silence] = {}
    for node, address in hops:
        for hit, fields in told.get(_last_bits(address), ()):
            at = known.netmap.nodes[hit.namespace]
            owners = known.owners.nodes.get(address, frozenset())
            concerned = at in owners | {node} | known.netmap.switches
            if concerned and _is_exchange(fields, node, address, known):
                port = known.interface(at, hit.out)
                receiver = address if _operation(fields) == "request" else fields["eth.dst"]
                if at not in known.netmap.switches or not port or known.leads(at, port, receiver):
                    cause = known.netmap.drop_cause(hit.table)
                    found[node] = Silence(at, cause, _text(hit, fields, cause))
    return found


def _operation(fields: Fields) -> str:
    """`request` or `answer`; empty for other packets. Of an ICMPv6 message, the kernel's trace shows less
    than the address that it is about."""
    is_icmpv6 = fields.get("ip.protocol") == str(protocols.ICMPV6)
    default = _NEIGHBOUR_DISCOVERY.get(fields.get("icmp.type", ""), "") if is_icmpv6 else ""
    return fields.get("arp.op", default)


def _is_exchange(fields: Fields, node: str, address: str, known: LabTables) -> bool:
    """Whether it is the question of a node for an address, or the reply."""
    asks = _operation(fields) == "request"
    if "arp.op" in fields:
        asker = fields["arp.sender" if asks else "arp.target"]
    else:
        asker = fields["ip.src" if asks else "ip.dst"]
    asked_for = _asked_for(fields)
    # A question goes to a group that is known by the last 24 bits (RFC 4291, 2.7.1).
    to_a_group = asks and "arp.op" not in fields
    about = asked_for == address or (to_a_group and _last_bits(asked_for) == _last_bits(address))
    return about and node in known.owners.nodes.get(asker, ())


def _asked_for(fields: Fields) -> str:
    """The address that a question or a reply is about; of a question of IPv6, the group that it goes to."""
    asks = _operation(fields) == "request"
    if "arp.op" in fields:
        return fields["arp.target" if asks else "arp.sender"]
    return fields["ip.dst" if asks else "ip.src"]


def _last_bits(address: str) -> int:
    return int(ip_address(address)) & 0xFFFFFF


def _text(hit: Hit, fields: Fields, cause: Cause) -> str:
    if cause is Cause.MAC_NOT_ALLOWED:
        return said("of mac", mac=fields["eth.src"], rule=hit.text)
    return said("of ARP" if "arp.op" in fields else "of neighbours", rule=hit.text)
