"""Mappings that hosts and VMs share."""

from __future__ import annotations

from typing import Annotated

from netlab.scenario.model.marks import Valid, key, mapping
from netlab.scenario.model.values import Listen, Port


def _proxy(value: object) -> object:
    return {"port": value} if isinstance(value, int) and not isinstance(value, bool) else value


@mapping
class Proxy:
    """An HTTP proxy."""

    port: Annotated[Port, Valid(strict=True)] = key(description="TCP port.")
    listen: Listen = key(
        default=Listen.ALL, description="loopback: only programs of its own machine reach it."
    )


OptionalProxy = Annotated[Proxy | None, Valid(before=_proxy, written=Port | Proxy | None)]
