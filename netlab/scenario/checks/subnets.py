"""Subnets that overlap."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Network
from itertools import combinations

from netlab.scenario.addresses import pools
from netlab.scenario.checks.lookup import lan_path
from netlab.scenario.model import Scenario
from netlab.scenario.text.paths import DataPath, PathProblem
from netlab.scenario.topology import HOTSPOT, LAN, Topology


def overlaps(topology: Topology) -> Iterator[PathProblem]:
    """Yield subnets that overlap, and servers inside of one."""
    scenario = topology.scenario
    ranges: list[tuple[DataPath, str, IPv4Network]] = [
        ((), "the lab's Internet", scenario.lan.internet),
    ]
    if scenario.lans:
        ranges.append(((), "the lab's Internet", pools.PROVIDERS))
    without_path = len(ranges)
    for name, lan in scenario.all_lans.items():
        owner = "the LAN" if name == LAN else f"the LAN {name}"
        ranges.append(((*lan_path(name), "subnet"), owner, lan.subnet))
    for name, vmnet in scenario.vmnets.items():
        if subnet := vmnet.own_subnet:
            ranges.append((("vmnets", name, "subnet"), name, subnet))
    for name, segment in scenario.segments.items():
        if segment.subnet:
            ranges.append((("segments", name, "subnet"), name, segment.subnet))
    if scenario.host.hotspot is not None and not scenario.host.shares:
        ranges.append((("host", HOTSPOT), "the host's hot spot", pools.SHARED))
    tunnelled = {(*lan_path(lan), "subnet") for lan in _behind_vpns(scenario)}
    segments: dict[object, str] = {
        name: network.joined for name, network in topology.networks.items() if network.joined
    }
    for (first_path, first, first_subnet), (path, second, subnet) in combinations(ranges, 2):
        bridged = first_path and segments.get(path[-2]) == segments.get(first_path[-2], "")
        if bridged or not first_subnet.overlaps(subnet):
            continue
        message = f"{second}'s {subnet} overlaps with {first}'s {first_subnet}"
        of_lan = first_path[-1:] == ("subnet",) and first_path[0] != "vmnets"
        # Nothing keeps a LAN from using a vmnet's addresses.
        if of_lan and path[0] == "vmnets":
            if first_path not in tunnelled:
                yield PathProblem(
                    path,
                    f"{message}: machines of the one take those of the other for neighbours, and do not"
                    " reach them",
                    "choose another subnet, unless that is what you want to see",
                    is_warning=True,
                )
        else:
            yield PathProblem(path, message, "choose another subnet for one of them")
    for server, address in scenario.internet.servers.items():
        for _, owner, subnet in ranges[without_path:]:
            if address in subnet:
                yield PathProblem(
                    ("internet", "servers", server),
                    f"{address} is inside {owner}'s {subnet}",
                    "give the server a public address",
                )


def _behind_vpns(scenario: Scenario) -> set[str]:
    """Return the LANs that the host reaches by VPNs only."""
    nics = scenario.host.nics
    near = {LAN, *(nics[card].lan for card in scenario.cards)}
    return {card.lan for card in nics.values()} - near
