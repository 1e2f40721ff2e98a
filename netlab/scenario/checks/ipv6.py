"""IPv6 prefixes that nobody would advertise or route, or that are taken."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv6Network

from netlab.scenario.addresses import ipv6
from netlab.scenario.checks.host import MAX_LANS
from netlab.scenario.checks.lookup import lan_path
from netlab.scenario.mode import VMWARE
from netlab.scenario.model import Scenario, Vmnet
from netlab.scenario.names import WIFI, card_kind
from netlab.scenario.text.paths import DataPath, PathProblem
from netlab.scenario.topology import Network, Topology


def prefixes(topology: Topology) -> Iterator[PathProblem]:
    """Yield prefixes that nobody would advertise or route, or that are taken."""
    scenario, networks = topology.scenario, topology.networks
    for name, lan in scenario.all_lans.items():
        path: DataPath = (*lan_path(name), "ipv6")
        if lan.ipv6 and lan.ipv6.subnet_of(ipv6.PRIVATE):
            fix = "use a public one, for example 2001:db8:1::/64"
            yield PathProblem(path, f"no provider leads to the private prefix {lan.ipv6}", fix)
        for bridged in networks.values():
            wireless = bridged.mode and bridged.nic and card_kind(bridged.nic) == WIFI
            if lan.ipv6 and wireless and bridged.lan == name:
                bridge = f"{bridged.name} is bridged to {bridged.nic}"
                message = f"{bridge}: IPv6 over a Wi-Fi bridge is not emulated"
                yield PathProblem(path, message, "remove it, or bridge to a wired card")
    for name, vmnet in scenario.vmnets.items():
        network = networks.get(name)
        if vmnet.ipv6:
            yield from _vmnet_prefix(name, vmnet, network)
        if network and network.prefix and vmnet.mtu < ipv6.LEAST_MTU:
            has = f"{network.lan} has" if network.lan else "it has"
            message = (
                f"{name}'s MTU is {vmnet.mtu} bytes, and {has} IPv6, which needs {ipv6.LEAST_MTU}"
            )
            yield PathProblem(("vmnets", name, "mtu"), message, "make it larger, or remove `ipv6`")
    yield from _taken_prefixes(scenario, networks)


def _vmnet_prefix(name: str, vmnet: Vmnet, network: Network | None) -> Iterator[PathProblem]:
    path: DataPath = ("vmnets", name, "ipv6")
    if vmnet.mode.on_lan:
        message = f"{name} is bridged: it has the LAN's prefix"
        yield PathProblem(path, message, "remove `ipv6`, or give one to the LAN", on_key=True)
    elif vmnet.mode.product is not VMWARE:
        yield PathProblem(
            path, f"{vmnet.mode.value} has IPv4 only in netlab", "remove `ipv6`", on_key=True
        )
    elif vmnet.ipv6 is True and not vmnet.mode.nat_device:
        message = f"VMware has a prefix of its own for NAT only, and {name} is {vmnet.mode.value}"
        yield PathProblem(path, message, "write one, for example fd00:1::/64")
    elif network and not vmnet.mode.nat_device and not network.has_dhcp_server:
        message = f"nobody advertises a prefix on {name}: it has no DHCP server"
        yield PathProblem(path, message, "add `dhcp: true`, or remove `ipv6`", on_key=True)


def _taken_prefixes(scenario: Scenario, networks: dict[str, Network]) -> Iterator[PathProblem]:
    """Yield prefixes that are the Internet's, another LAN's, to which the Internet leads, or netlab's own."""
    owners: dict[IPv6Network, str] = {ipv6.INTERNET: "the lab's Internet"}
    owners |= {ipv6.provider(number): "the lab's Internet" for number in range(MAX_LANS)}
    lans = [((*lan_path(name), "ipv6"), name, lan.ipv6) for name, lan in scenario.all_lans.items()]
    vmnets = [
        (("vmnets", name, "ipv6"), name, network.prefix)
        for name in scenario.vmnets
        if (network := networks.get(name)) and not (network.mode and network.mode.on_lan)
    ]
    for path, name, prefix in (*vmnets, *lans):
        if prefix is None:
            continue
        if prefix.subnet_of(ipv6.UPLINKS):
            owners[prefix] = "the cables of NAT devices"
        if prefix in owners:
            message = f"{prefix} is taken twice: by {owners[prefix]} and by {name}"
            yield PathProblem(path, message, "choose another prefix for one of them")
        if name in scenario.all_lans:
            owners.setdefault(prefix, name)
