"""Mappings that hosts and VMs share."""

from __future__ import annotations

from typing import Annotated

from netlab.scenario.model.marks import Valid, key, mapping
from netlab.scenario.model.values import Exceptions, FirewallWords, Listen, ListenPlace, Port


def _proxy(value: object) -> object:
    return {"port": value} if isinstance(value, int) and not isinstance(value, bool) else value


FIREWALL: FirewallWords = key(
    default=[],
    description="What is kept out, unless it asked for it: icmp (ping), tcp, udp, tcp:22, all;"
    " on and off are all and nothing.",
)
ALLOWS: Exceptions = key(
    default=[],
    description="What its firewall lets in all the same: icmp, tcp, udp, tcp:80. A port that"
    " `firewall` names stays shut.",
)
LISTENS: list[ListenPlace] = key(
    default=[],
    description="Ports that are served: tcp:80 by a small web server, udp:5000 by one that sends"
    " back what it gets. tcp:127.0.0.1:80 or tcp:loopback:80 at that address only, udp:eth1:5000 by that"
    " adapter only.",
)


@mapping
class Proxy:
    """An HTTP proxy."""

    port: Annotated[Port, Valid(strict=True)] = key(description="TCP port.")
    listen: Listen = key(
        default=Listen.ALL, description="loopback: only programs of its own machine reach it."
    )


OptionalProxy = Annotated[Proxy | None, Valid(before=_proxy, written=Port | Proxy | None)]
