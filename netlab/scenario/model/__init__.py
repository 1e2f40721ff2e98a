"""The shape of a scenario file: the keys, their values and defaults.

By these models pydantic reads a text, one value at a time (what concerns several values together
is in `checks`), and writes `netlab schema`. A checked scenario is data like any other.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Annotated, Any

from netlab.scenario.model.common import Proxy
from netlab.scenario.model.dhcp import Dhcp
from netlab.scenario.model.expectations import (
    ANY,
    ICMP,
    IPERF3,
    BandwidthExpected,
    DhcpExpected,
    DnsExpected,
    Expectations,
    Expected,
    HttpExpected,
    LossExpected,
    Rule,
    is_pattern,
)
from netlab.scenario.model.facts import Fact, LeaseFact, NeighbourFact, RouteFact
from netlab.scenario.model.marks import Valid, key, mapping
from netlab.scenario.model.nat import Forwards, NatBehaviour, RouterNat
from netlab.scenario.model.values import (
    AUTOMATIC,
    MACHINE_ID,
    ChainPolicy,
    Family,
    HostAdapterState,
    LanName,
    Listen,
    MovedOrCopied,
    NatPorts,
    NodeName,
    OneLine,
    RuleSet,
    Switching,
    VmnetName,
    VmnetService,
)
from netlab.scenario.model.vmnets import HostAdapter, Nat, Segment, Vmnet
from netlab.scenario.model.vms import Nic, Transfer, Vm, VmNat
from netlab.scenario.model.world import FurtherLan, Host, HostNic, Internet, Lan, Peer, Server

if TYPE_CHECKING:
    from pydantic import TypeAdapter

__all__ = [
    "ANY",
    "AUTOMATIC",
    "ICMP",
    "IPERF3",
    "MACHINE_ID",
    "MAPPINGS",
    "BandwidthExpected",
    "ChainPolicy",
    "Dhcp",
    "DhcpExpected",
    "DnsExpected",
    "Expectations",
    "Fact",
    "Family",
    "Forwards",
    "FurtherLan",
    "Host",
    "HostAdapter",
    "HostAdapterState",
    "HostNic",
    "HttpExpected",
    "Internet",
    "Lan",
    "LeaseFact",
    "Listen",
    "LossExpected",
    "MovedOrCopied",
    "Nat",
    "NatBehaviour",
    "NatPorts",
    "NeighbourFact",
    "Nic",
    "Peer",
    "Proxy",
    "RouteFact",
    "RouterNat",
    "Rule",
    "RuleSet",
    "Scenario",
    "Segment",
    "Server",
    "Switching",
    "Transfer",
    "Vm",
    "VmNat",
    "Vmnet",
    "VmnetService",
    "is_pattern",
    "json_schema",
    "read",
]


@mapping
class Scenario:
    """A network to build, and what must be true of it."""

    title: Annotated[OneLine, Valid(max_length=100)] = key(
        default="", description="One line for `netlab scenarios`."
    )
    internet: Internet = Internet()
    lan: Lan = Lan()
    lans: Annotated[dict[LanName, FurtherLan], Valid(max_length=16)] = key(
        default={}, description="More physical networks, each with its own router to the Internet."
    )
    host: Host = Host()
    vmnets: dict[VmnetName, Vmnet]
    segments: dict[VmnetName, Segment] = key(
        default={}, description="LAN segments: name, and {} or the subnet of static addresses."
    )
    vms: dict[NodeName, Vm]
    expect: Expected = key(
        default=Expectations(),
        description="What must be true of it: who reaches whom, and facts. Left out: `verify` shows what is.",
    )

    @property
    def cards(self) -> list[str]:
        """The names of the host's cards, wired ones first; the ends of VPNs are none."""
        return sorted(name for name in self.host.nics if not name.startswith("vpn"))

    @property
    def all_lans(self) -> dict[str, FurtherLan]:
        """Every physical network by name, `lan` first."""
        return {"lan": self.lan, **self.lans}


MAPPINGS = (
    *(Scenario, Internet, Server, Lan, FurtherLan, Peer, Host, HostNic, Proxy),
    *(Vmnet, HostAdapter, Dhcp, Nat, RouterNat, Forwards, Segment, Vm, VmNat, Nic, Transfer),
    *(Expectations, Rule, Fact, LeaseFact, RouteFact, NeighbourFact),
    *(DnsExpected, HttpExpected, DhcpExpected, BandwidthExpected, LossExpected),
)
"""All kinds of mappings that a file has."""


@cache
def _reader() -> TypeAdapter[Scenario]:
    from pydantic import TypeAdapter

    return TypeAdapter(Scenario)


def read(data: Any) -> Scenario:
    """Return the scenario that data are. Raises pydantic's ValidationError."""
    return _reader().validate_python(data)


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of a scenario file, for editors."""
    schema = _reader().json_schema()
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
