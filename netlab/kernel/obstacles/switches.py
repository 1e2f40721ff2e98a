"""Switches: ports' settings, a switch that is down, frames that are handed to the rules of IP and ARP."""

from __future__ import annotations

from collections.abc import Iterator

from netlab.kernel.netlink.objects.link_details import LinkDetails
from netlab.kernel.obstacles.obstacle import Obstacle, ObstacleKind
from netlab.kernel.obstacles.site import Site

_CALLS = {
    "net.bridge.bridge-nf-call-iptables": (("inet", "ip"), "iptables-legacy", 4),
    "net.bridge.bridge-nf-call-ip6tables": (("inet", "ip6"), "ip6tables-legacy", 6),
    "net.bridge.bridge-nf-call-arptables": (("arp",), "arptables-legacy", None),
}
"""Settings of br_netfilter: the families of nftables, the legacy tables and the version of each."""


def ports(site: Site) -> Iterator[Obstacle]:
    """Yield the settings of ports that a new port does not have, and the switches that are down."""
    down = {link.index: link.name for link in site.links if link.kind == "bridge" and not link.up}
    for name in down.values():
        yield Obstacle(ObstacleKind.BRIDGE_PORT, f"bridge {name} is down", name)
    for link in site.links:
        for text in _port(link, link.master not in down):
            yield Obstacle(ObstacleKind.BRIDGE_PORT, f"{text} of port {link.name}", link.name)


def _port(link: LinkDetails, is_of_a_running_switch: bool) -> Iterator[str]:
    if link.state and is_of_a_running_switch:
        yield f"state {link.state}"
    for word, is_on in link.flags.items():
        yield f"{word} {'on' if is_on else 'off'}"


def bridge_netfilter(site: Site) -> Iterator[Obstacle]:
    """Yield the settings that hand a switch's frames to rules, where there are such rules."""
    if not site.has_switch:
        return
    for key, value in site.values(*_CALLS).items():
        families, tool, version = _CALLS[key]
        if value == "0":
            continue
        rules = [
            f"nft {chain}"
            for chain in site.chains
            if chain.family in families and not chain.devices
        ]
        rules += [
            f"{tool} {', '.join(tables.names)}"
            for tables in site.legacy
            if tables.tool == tool and tables.decide
        ]
        if rules:
            text = f"{key} = {value}: {', '.join(rules)}"
            yield Obstacle(ObstacleKind.BRIDGE_NETFILTER, text, version=version)
