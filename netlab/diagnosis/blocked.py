"""Settings of a switch's ports that keep a frame from its receiver. Pure."""

from __future__ import annotations

from netlab.diagnosis.journey import Step
from netlab.diagnosis.second_look import SecondLook
from netlab.kernel.obstacles import Obstacle, ObstacleKind
from netlab.messages import Message
from netlab.node_interface import NodeInterface
from netlab.packets.frame import is_group

_EVERYBODY = "ff:ff:ff:ff:ff:ff"


def blocked(step: Step, address: str, look: SecondLook) -> str:
    """Return in words the settings of a switch because of which a frame did not leave it by the port behind
    which the owner of an address is; empty if it did, or if there are no such settings."""
    node, inlet = step.node, step.inlet or ""
    leading = look.leading.get((node, address), frozenset()) - {inlet}
    if leading & {outlet.interface for outlet in step.went_out}:
        return ""
    for port in (inlet, *sorted(leading)):
        if NodeInterface(node, port) in look.unbridged:
            return Message("{interface} is a port of no switch", interface=port)
    receiver = step.after.get("eth.dst", "")
    settings = {
        obstacle.text
        for obstacle in look.obstacles.get(node, ())
        if obstacle.kind is ObstacleKind.BRIDGE_PORT
        if _blocks(obstacle, inlet, leading, receiver)
    }
    return ", ".join(sorted(settings))


def _blocks(obstacle: Obstacle, inlet: str, leading: frozenset[str], receiver: str) -> bool:
    """Return whether a switch's setting stops a frame that came in at a port and should leave by another."""
    match obstacle.text.partition(" ")[0]:
        case "bridge":
            return True
        case "state":
            return obstacle.interface in leading | {inlet}
        case "locked":
            return obstacle.interface == inlet
        case "bcast_flood":
            return obstacle.interface in leading and receiver == _EVERYBODY
        case "mcast_flood":
            is_multicast = is_group(receiver) and receiver != _EVERYBODY
            return obstacle.interface in leading and is_multicast
        case "flood":
            return obstacle.interface in leading and not is_group(receiver)
        case _:
            return False
