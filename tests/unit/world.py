"""A lab without a kernel: its map from cables as text, frames at points of it, evidence of a probe."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields
from typing import Any

from netlab.diagnosis.evidence import LabEvidence, ProbeEvidence
from netlab.diagnosis.journey import NetworkMap, follow
from netlab.node_interface import NodeInterface
from netlab.packets.packet import Frame, Packet, Part
from netlab.packets.tap import Sighting


def opposites(cables: Iterable[str]) -> dict[NodeInterface, NodeInterface]:
    """Return the ends of cables such as `vm1.eth0 sw.p1`, each with the one that is opposite."""
    pairs = (tuple(NodeInterface(*end.split(".")) for end in cable.split()) for cable in cables)
    return {end: far for left, right in pairs for end, far in ((left, right), (right, left))}


def network(
    *cables: str, switches: str = "sw", nat_cables: Iterable[str] = (), **others: Any
) -> NetworkMap:
    """Return the map of a lab of these cables; the namespaces of its nodes are called `lab.NODE`.

    nat_cables: those from a NAT device to its host.
    """
    ends = opposites(cables)
    return NetworkMap(
        nodes={f"lab.{end.node}": end.node for end in ends},
        switches=frozenset(switches.split()),
        peers={end: far.node for end, far in ends.items()},
        nat_uplinks={
            end: cable.partition(".")[0] for cable in nat_cables for end in opposites([cable])
        },
        **others,
    )


NAT_CABLE = "nat.up host.down"
CABLES = ("vm1.eth0 sw.p1", "nat.eth0 sw.p2", NAT_CABLE, "host.lan pc.eth0")
"""A VM and a NAT device on the switch, and a PC on the LAN of their host."""
MAP = network(*CABLES, "pc.eth1 sw.p3", nat_cables=[NAT_CABLE])
THERE = "vm1.eth0> sw.p1< sw.p2> nat.eth0< nat.up> host.down< host.lan> pc.eth0<"
BACK = "pc.eth0> host.lan< host.down> nat.up< nat.eth0> sw.p2< sw.p1> vm1.eth0<"


def sighting(point: str, at: int, data: bytes = b"", length: int = 0) -> Sighting:
    """Return what a tap sees at `vm1.eth0>`: `>` leaves, `<` comes in, `x` comes in for another MAC."""
    end, sign = NodeInterface(*point[:-1].split(".")), point[-1]
    return Sighting(at, f"lab.{end.node}", end.interface, sign == ">", sign == "x", data, length)


FIELDS = {
    "eth.src": "a",
    "eth.dst": "b",
    "ip.src": "10.0.0.1",
    "ip.dst": "10.0.0.2",
    "ip.ttl": "64",
}


def frames(points: str, part: Part = Part.REQUEST, start: int = 0) -> list[Frame]:
    """Return a packet as it is seen at `vm1.eth0> sw.p1< …`, in this order."""
    return [
        Frame(sighting(point, at * 1000), Packet(part, f"{part} packet"), {**FIELDS})
        for at, point in enumerate(points.split(), start)
    ]


def evidence(frames: list[Frame], **given: Any) -> ProbeEvidence:
    """Return evidence of a probe from vm1 to pc; `given` are fields of it, or of its lab."""
    of_lab = {field.name for field in fields(LabEvidence)} & given.keys()
    lab = LabEvidence(**{name: given.pop(name) for name in of_lab})
    of_probe = {"target": "pc", "carriers": frozenset({"eth0"}), **given}
    return ProbeEvidence("vm1", journey=follow(frames, MAP), lab=lab, **of_probe)
