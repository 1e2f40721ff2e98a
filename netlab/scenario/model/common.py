"""What all models have, and what is said of the host as of VMs."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from netlab.scenario.model.values import Listen, Port


class Model(BaseModel):
    """Every part of a scenario: immutable, unknown keys refused, no silent conversions."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def _proxy(value: object) -> object:
    return {"port": value} if isinstance(value, int) and not isinstance(value, bool) else value


class Proxy(Model):
    """An HTTP proxy."""

    port: Annotated[Port, Field(strict=True)] = Field(description="TCP port.")
    listen: Listen = Field(
        default=Listen.ALL, description="loopback: only programs of its own machine reach it."
    )


OptionalProxy = Annotated[
    Proxy | None, BeforeValidator(_proxy, json_schema_input_type=Port | Proxy | None)
]
