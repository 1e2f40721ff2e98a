"""Subnets that the lab's Internet has, too."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Network

from netlab.scenario.addresses import pools
from netlab.scenario.checks.lookup import called, lan_path
from netlab.scenario.model import Scenario
from netlab.scenario.text.paths import DataPath, PathProblem
from netlab.scenario.topology import HOTSPOT

_INTERNET = "the lab's Internet"


def subnets(scenario: Scenario) -> Iterator[PathProblem]:
    """Yield subnets that overlap with the lab's Internet, and servers inside of a subnet."""
    public = [scenario.lan.internet, *([pools.PROVIDERS] if scenario.lans else [])]
    owned = list(_owned(scenario))
    for path, owner, subnet in owned:
        for overlapping in (piece for piece in public if piece.overlaps(subnet)):
            message = f"{owner}'s {subnet} overlaps with {_INTERNET}'s {overlapping}"
            yield PathProblem(path, message, "choose another subnet for one of them")
    for server, address in scenario.internet.addresses.items():
        for _, owner, subnet in owned:
            if address in subnet:
                yield PathProblem(
                    ("internet", "servers", server),
                    f"{address} is inside {owner}'s {subnet}",
                    "give the server a public address",
                )


def _owned(scenario: Scenario) -> Iterator[tuple[DataPath, str, IPv4Network]]:
    """Yield the subnets of a file: path, owner, subnet."""
    for name, lan in scenario.all_lans.items():
        yield (*lan_path(name), "subnet"), called(scenario, name), lan.subnet
    for name, vmnet in scenario.vmnets.items():
        if subnet := vmnet.own_subnet:
            yield ("vmnets", name, "subnet"), name, subnet
    for name, segment in scenario.segments.items():
        if segment.subnet:
            yield ("segments", name, "subnet"), name, segment.subnet
    if scenario.host.hotspot is not None:
        yield ("host", HOTSPOT), called(scenario, HOTSPOT), pools.SHARED
