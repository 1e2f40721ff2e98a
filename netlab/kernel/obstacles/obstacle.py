"""Obstacles: state of a node that can end packets, besides nftables' rules, routes and neighbours."""

from __future__ import annotations

from enum import StrEnum

from netlab.frozen import frozen


class ObstacleKind(StrEnum):
    """The part of the kernel that an obstacle belongs to, by the field's words."""

    IPTABLES = "iptables"
    """A rule or policy of a legacy table (of iptables, ip6tables, arptables, ebtables) but plain ACCEPT."""
    TC = "tc"
    """A filter of traffic control, or a queueing discipline that can drop."""
    XDP = "xdp"
    """A program that sees an interface's frames first."""
    XFRM = "xfrm"
    """An IPsec policy."""
    BRIDGE_PORT = "bridge-port"
    """A setting of a switch's port, or a switch that is down."""
    BRIDGE_NETFILTER = "bridge-nf-call"
    """Rules of IP or ARP that a switch applies to the frames that it forwards."""
    NETDEV_RULES = "netdev"
    """An nftables chain of family netdev or arp, or at an inet table's ingress or egress."""
    SYSCTL = "sysctl"
    """A setting of the kernel that makes a machine silent or deaf."""
    ARP_OFF = "arp-off"
    """An interface that neither asks nor answers ARP."""
    CONNTRACK_FULL = "conntrack-full"
    """A full table of connections: new ones are dropped."""


@frozen
class Obstacle:
    """Something on a node, besides nftables' rules, routes and neighbours, that can end packets."""

    kind: ObstacleKind
    text: str
    """As the kind's own tool shows it: `iptables-legacy filter FORWARD: -s 10.0.0.0/24 -j DROP`."""
    interface: str = ""
    """Empty: of every interface."""
    hook: str = ""
    """ingress, egress, prerouting, input, forward, output, postrouting; empty: anywhere."""
    version: int | None = None
    """4 or 6; None: packets of both, or not only of IP."""
    count: int | None = None
    """Packets that met it until now, by the kernel's own counter; None: it has none."""
    rejects: bool = False
    """It answers with an error."""
