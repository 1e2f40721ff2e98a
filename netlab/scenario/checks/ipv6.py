"""IPv6 prefixes that nobody would advertise or route, or that are taken."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv6Network

from netlab.scenario.addresses import ipv6
from netlab.scenario.checks.host import MAX_LANS
from netlab.scenario.checks.lookup import lan_path
from netlab.scenario.mode import VMWARE
from netlab.scenario.model import Scenario, Vmnet
from netlab.scenario.text.paths import DataPath, PathProblem
from netlab.scenario.topology import WIFI, Network, Topology


def prefixes(topology: Topology) -> Iterator[PathProblem]:
    """Prefixes that nobody would advertise or route, or that are taken."""
    scenario, networks = topology.scenario, topology.networks
    for name, lan in scenario.all_lans.items():
        path: DataPath = (*lan_path(name), "ipv6")
        if lan.ipv6 and lan.ipv6.subnet_of(ipv6.PRIVATE):
            fix = "use a public one, for example 2001:db8:1::/64"
            yield PathProblem(path, f"no provider leads to the private prefix {lan.ipv6}", fix)
        for network in networks.values():
            wireless = network.mode and network.nic and network.nic.startswith(WIFI)
            if lan.ipv6 and wireless and network.lan == name:
                where = f"{network.name} is bridged to {network.nic}"
                what = f"{where}: IPv6 over a Wi-Fi bridge is not emulated"
                yield PathProblem(path, what, "remove it, or bridge to a wired card")
    for name, vmnet in scenario.vmnets.items():
        own = networks.get(name)
        if vmnet.ipv6:
            yield from _prefix_of(name, vmnet, own)
        if own and own.prefix and vmnet.mtu < ipv6.LEAST_MTU:
            whose = f"{own.lan} has" if own.lan else "it has"
            what = (
                f"{name}'s MTU is {vmnet.mtu} bytes, and {whose} IPv6, which needs {ipv6.LEAST_MTU}"
            )
            yield PathProblem(("vmnets", name, "mtu"), what, "make it larger, or remove `ipv6`")
    yield from _prefix_overlaps(scenario, networks)


def _prefix_of(name: str, vmnet: Vmnet, network: Network | None) -> Iterator[PathProblem]:
    path: DataPath = ("vmnets", name, "ipv6")
    if vmnet.mode.on_lan:
        what = f"{name} is bridged: it has the LAN's prefix"
        yield PathProblem(path, what, "remove `ipv6`, or give one to the LAN", True)
    elif vmnet.mode.product is not VMWARE:
        yield PathProblem(
            path, f"{vmnet.mode.value} has IPv4 only in netlab", "remove `ipv6`", True
        )
    elif vmnet.ipv6 is True and not vmnet.mode.nat_device:
        what = f"VMware has a prefix of its own for NAT only, and {name} is {vmnet.mode.value}"
        yield PathProblem(path, what, "write one, for example fd00:1::/64")
    elif network and not vmnet.mode.nat_device and not network.has_dhcp_server:
        what = f"nobody advertises a prefix on {name}: it has no DHCP server"
        yield PathProblem(path, what, "add `dhcp: true`, or remove `ipv6`", True)


def _prefix_overlaps(scenario: Scenario, networks: dict[str, Network]) -> Iterator[PathProblem]:
    owners: dict[IPv6Network, str] = {ipv6.INTERNET: "the lab's Internet"}
    owners |= {ipv6.provider(number): "the lab's Internet" for number in range(MAX_LANS)}
    wanted = [
        ((*lan_path(name), "ipv6"), name, lan.ipv6) for name, lan in scenario.all_lans.items()
    ]
    for name in scenario.vmnets:
        network = networks.get(name)
        if network and not (network.mode and network.mode.on_lan):
            wanted.append((("vmnets", name, "ipv6"), name, network.prefix))
    for path, name, prefix in wanted:
        if prefix is None:
            continue
        if prefix.subnet_of(ipv6.UPLINKS):
            owners[prefix] = "the cables of NAT devices"
        if prefix in owners:
            what = f"{prefix} is taken twice: by {owners[prefix]} and by {name}"
            yield PathProblem(path, what, "choose another prefix for one of them")
        owners.setdefault(prefix, name)
