"""Interfaces that end packets by themselves: with an XDP program, or without ARP."""

from __future__ import annotations

from collections.abc import Iterator

from netlab.kernel.obstacles.obstacle import Obstacle, ObstacleKind
from netlab.kernel.obstacles.site import Site


def xdp(site: Site) -> Iterator[Obstacle]:
    """Yield the programs that see an interface's frames before everything else."""
    for link in site.links:
        if link.xdp:
            program = "" if link.xdp_program is None else f" id {link.xdp_program}"
            text = f"{link.name}: prog/{link.xdp}{program}"
            yield Obstacle(ObstacleKind.XDP, text, link.name, "ingress")


def arp_off(site: Site) -> Iterator[Obstacle]:
    """Yield the interfaces that neither ask nor answer ARP, nor neighbour discovery."""
    for link in site.links:
        if link.arp_off:
            yield Obstacle(ObstacleKind.ARP_OFF, f"{link.name}: arp off", link.name)
