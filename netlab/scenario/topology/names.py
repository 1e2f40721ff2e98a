"""Names of netlab's own networks and machines, and the order of names."""

from __future__ import annotations

import re

LAN = "lan"
HOTSPOT = "hotspot"
WAN = "wan"
HOST = "host"
ROUTER = "router"
INTERNET = "internet"
BRIDGE = "br0"
"""The bridge inside a VM that bridges its adapters."""


def natural(name: str) -> tuple[object, ...]:
    """Return a sorting key that puts vm2 before vm10."""
    parts = re.split(r"(\d+)", name)
    return tuple((int(part), "") if part.isdigit() else (-1, part) for part in parts)


def private_name(network: str, vm: str, index: int) -> str:
    """Return the name of the network that an adapter has for itself: `vboxnat-vm1`."""
    return f"{network}-{vm}" + f"-{index}" * bool(index)


def wan_of(lan: str) -> str:
    """Return the name of the network between a LAN's router and the Internet."""
    return WAN if lan == LAN else f"{lan}-{WAN}"


def router_of(lan: str) -> str:
    """Return the name of a LAN's router."""
    return ROUTER if lan == LAN else f"{lan}-{ROUTER}"
