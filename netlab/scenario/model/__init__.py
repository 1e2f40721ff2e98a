"""The shape of a scenario file: what may be written, with what default.

These models are also the source of `netlab schema`. They check one value at
a time; what concerns several values together is in `checks`.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from netlab.scenario.model.common import Model, Proxy
from netlab.scenario.model.expectations import Expectations, Rule, is_pattern
from netlab.scenario.model.values import (
    AUTOMATIC,
    Adapter,
    Answer,
    Family,
    LanName,
    Line,
    Listen,
    NodeName,
    Switching,
    VmnetName,
    VmnetService,
)
from netlab.scenario.model.vmnets import Dhcp, Forwards, HostAdapter, Nat, Segment, Vmnet
from netlab.scenario.model.vms import Nic, Transfer, Vm
from netlab.scenario.model.world import FurtherLan, Host, HostNic, Internet, Lan, LanDhcp, Peer

__all__ = [
    "AUTOMATIC",
    "Adapter",
    "Answer",
    "Dhcp",
    "Expectations",
    "Family",
    "Forwards",
    "FurtherLan",
    "Host",
    "HostAdapter",
    "HostNic",
    "Internet",
    "Lan",
    "LanDhcp",
    "Listen",
    "Nat",
    "Nic",
    "Peer",
    "Proxy",
    "Rule",
    "Scenario",
    "Segment",
    "Switching",
    "Transfer",
    "Vm",
    "Vmnet",
    "VmnetService",
    "is_pattern",
    "json_schema",
]


class Scenario(Model):
    """A network to build, and what must be true of it."""

    title: Annotated[Line, Field(max_length=100)] = Field(
        default="", description="One line for `netlab scenarios`."
    )
    internet: Internet = Internet()
    lan: Lan = Lan()
    lans: Annotated[dict[LanName, FurtherLan], Field(max_length=16)] = Field(
        default={}, description="More physical networks, each with its own router to the Internet."
    )
    host: Host = Host()
    vmnets: dict[VmnetName, Vmnet]
    segments: dict[VmnetName, Segment] = Field(
        default={}, description="LAN segments: name, and {} or the subnet of static addresses."
    )
    vms: dict[NodeName, Vm]
    expect: Expectations

    @property
    def cards(self) -> list[str]:
        """The host's cards, wired ones first; the ends of VPNs are none."""
        return sorted(name for name in self.host.nics if not name.startswith("vpn"))

    @property
    def all_lans(self) -> dict[str, FurtherLan]:
        """Every physical network by name, `lan` first."""
        return {"lan": self.lan, **self.lans}


def json_schema() -> dict[str, Any]:
    """The JSON Schema of a scenario file, for editors."""
    schema = Scenario.model_json_schema(by_alias=True, mode="validation")
    _close_maps(schema)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def _close_maps(schema: Any) -> None:
    """Let editors mark a wrong name: a map's keys must match its pattern, as the models demand."""
    match schema:
        case dict():
            if "patternProperties" in schema:
                schema["additionalProperties"] = False
            for value in schema.values():
                _close_maps(value)
        case list():
            for value in schema:
                _close_maps(value)
