"""Machines that translate addresses (NAT): the ports they give, what they forward, and when they forget."""

from __future__ import annotations

from typing import Annotated

from netlab.scenario.model.marks import Valid, key, mapping
from netlab.scenario.model.values import NatPorts, PortForwards, Switched

Timeout = Annotated[int, Valid(ge=1, le=86400, strict=True)]
"""Seconds until a NAT forgets."""


@mapping
class Forwards:
    """Ports of a machine that lead to others behind it ([incomingtcp] and [incomingudp] of vmnetnat.conf)."""

    tcp: PortForwards = key(
        default={},
        description="Port: machine (or address) and port, like 8080: vm1:80. A range leads to as many"
        " ports, from the one named: 8000-8010: vm1:8000. With an address of its machine, it is reached"
        " there only: 127.0.0.1:2222: vm1:22.",
    )
    udp: PortForwards = key(default={}, description="As for TCP.")


@mapping
class NatBehaviour:
    """A NAT's way with the ports of those behind it, and how long it remembers."""

    ports: NatPorts = key(
        default=NatPorts.PRESERVED,
        description="The ports by which connections leave. preserved: their own, if nobody else has them;"
        " random: another one for each connection, so for each destination (a symmetric NAT).",
    )
    hairpin: Switched = key(
        default=True,
        description="Whether those behind it reach each other by its outer address and a forwarded port.",
    )
    tcp_timeout: Annotated[int, Valid(ge=1, le=432_000, strict=True)] | None = key(
        default=None,
        description="Seconds until an idle TCP connection is forgotten, and what belongs to it goes"
        " nowhere; default: the kernel's five days.",
    )


@mapping
class RouterNat(NatBehaviour):
    """The NAT of a home router."""

    udp_timeout: Timeout | None = key(
        default=None,
        description="Seconds until an idle UDP mapping ends; default: the kernel's, 30, and 120 where"
        " both sides have spoken.",
    )
    time_wait_timeout: Timeout | None = key(
        default=None,
        description="Seconds for which a TCP connection is remembered that both sides have ended;"
        " default: the kernel's 120.",
    )
