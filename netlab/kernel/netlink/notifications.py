"""Notifications, which the kernel sends unasked: something of a namespace is new, different or gone."""

from __future__ import annotations

from pyroute2.netlink import NETLINK_NETFILTER, NETLINK_ROUTE
from pyroute2.netlink.nfnetlink import (
    NFNLGRP_CONNTRACK_DESTROY,
    NFNLGRP_CONNTRACK_NEW,
    NFNLGRP_CONNTRACK_UPDATE,
)
from pyroute2.netlink.rtnl import (
    RTM_DELADDR,
    RTM_DELLINK,
    RTM_DELNEIGH,
    RTM_DELROUTE,
    RTM_NEWADDR,
    RTM_NEWLINK,
    RTM_NEWNEIGH,
    RTM_NEWROUTE,
    RTNLGRP_IPV4_IFADDR,
    RTNLGRP_IPV4_ROUTE,
    RTNLGRP_IPV6_IFADDR,
    RTNLGRP_IPV6_ROUTE,
    RTNLGRP_LINK,
    RTNLGRP_NEIGH,
)

from netlab.kernel.netlink.channel import Subscription
from netlab.kernel.netlink.objects import addresses, connections, links, neighbours, routes
from netlab.kernel.netlink.objects.addresses import InterfaceAddress
from netlab.kernel.netlink.objects.links import Interface
from netlab.kernel.netlink.objects.neighbours import ForwardingEntry, KernelNeighbour
from netlab.kernel.netlink.objects.routes import KernelRoute
from netlab.kernel.rows import Connection

GONE = {RTM_DELLINK, RTM_DELADDR, RTM_DELNEIGH, RTM_DELROUTE, connections.GONE}
"""Types of messages about objects that have been removed."""
_NETWORK_GROUPS = (
    *(RTNLGRP_LINK, RTNLGRP_NEIGH, RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR),
    *(RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV6_ROUTE),
)
_CONNECTION_GROUPS = (NFNLGRP_CONNTRACK_NEW, NFNLGRP_CONNTRACK_UPDATE, NFNLGRP_CONNTRACK_DESTROY)

Notification = (
    Interface | InterfaceAddress | KernelNeighbour | ForwardingEntry | KernelRoute | Connection
)


def subscribe() -> tuple[Subscription, Subscription]:
    """Subscribe to every change in the present namespace: of its network, of its connections."""
    return (
        Subscription(NETLINK_ROUTE, _NETWORK_GROUPS),
        Subscription(NETLINK_NETFILTER, _CONNECTION_GROUPS),
    )


def decoded(kind: int, message: bytes) -> Notification | None:
    """Decode a message with its header; None for a switch port's settings, and for kinds nobody reads."""
    if kind in (RTM_NEWLINK, RTM_DELLINK):
        # There is another message for a port's interface, about its settings in the switch.
        return None if neighbours.of_switch(message) else links.decode(message)
    if kind in (RTM_NEWADDR, RTM_DELADDR):
        return addresses.decode(message)
    if kind in (RTM_NEWNEIGH, RTM_DELNEIGH):
        of_switch = neighbours.of_switch(message)
        return (neighbours.decode_entry if of_switch else neighbours.decode)(message)
    if kind in (RTM_NEWROUTE, RTM_DELROUTE):
        return routes.decode(message)
    if kind in (connections.NEW, connections.GONE):
        return connections.decode(message)
    return None
