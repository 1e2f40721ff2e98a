"""Networks, with what a scenario leaves open filled in."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network, IPv6Network
from itertools import permutations

from netlab.scenario.addresses import ipv6, pools
from netlab.scenario.mode import VMWARE, Mode
from netlab.scenario.model import (
    AUTOMATIC,
    Dhcp,
    FurtherLan,
    HostAdapter,
    LanDhcp,
    Nat,
    Scenario,
    Switching,
    Vmnet,
    VmnetService,
)
from netlab.scenario.topology.names import HOTSPOT, LAN, WAN, natural, private_name, wan_of
from netlab.scenario.topology.parts import NO_ADAPTER, Network


def all_networks(scenario: Scenario) -> dict[str, Network]:
    """Every network by name: WANs and LANs, then VMware's by number, and LAN segments."""
    networks = {network.name: network for network in _each(scenario)}
    networks |= _served_by_guests(scenario, networks)
    return networks | _joined(scenario, networks)


def _each(scenario: Scenario) -> Iterator[Network]:
    yield Network(WAN, scenario.lan.internet, prefix=scenario.lan.ipv6 and ipv6.INTERNET)
    lans = {name: _lan(name, lan) for name, lan in scenario.all_lans.items()}
    for number, lan in enumerate(lans.values()):
        yield lan
        if number:
            upstream = lan.prefix and ipv6.provider(number - 1)
            yield Network(wan_of(lan.name), pools.provider(number - 1), prefix=upstream)
    for name, vmnet in sorted(scenario.vmnets.items(), key=lambda item: natural(item[0])):
        if vmnet.mode.on_lan:
            yield _bridged(name, vmnet, scenario, lans)
        elif subnet := vmnet.own_subnet:
            own = _virtual(name, vmnet, subnet)
            yield from _private(scenario, own) if vmnet.mode.private else (own,)
    if scenario.host.hotspot is not None:
        yield Network(HOTSPOT, pools.SHARED, Mode.HOTSPOT, adapter=HostAdapter())
    for index, (name, segment) in enumerate(sorted(scenario.segments.items())):
        subnet = segment.subnet or pools.unnumbered(index)
        yield Network(
            name,
            subnet,
            Mode.SEGMENT,
            mtu=segment.mtu,
            hub=segment.switching is Switching.HUB,
            promiscuous=segment.promiscuous,
        )


def _served_by_guests(scenario: Scenario, networks: dict[str, Network]) -> dict[str, Network]:
    """Networks on which VMs serve DHCP, for all who hear them there."""
    servers = [vm for vm in scenario.vms.values() if vm.dhcp_server]
    # A bridge listens on all its ports.
    listening = (nic for vm in servers for nic in (vm.nics if vm.bridges else vm.nics[:1]))
    known = ((nic, networks[nic.network]) for nic in listening if nic.network in networks)
    places = {_place(network) for nic, network in known if network.connects(nic)}
    return {
        name: replace(one, guest_dhcp=True)
        for name, one in networks.items()
        if _place(one) in places
    }


def _virtual(name: str, vmnet: Vmnet, subnet: IPv4Network) -> Network:
    """A network with a subnet of its own; a bare one has only what is asked for."""
    mode = vmnet.mode
    usual = NO_ADAPTER if mode.bare or not mode.host_adapter else HostAdapter()
    dhcp = vmnet.dhcp or Dhcp(on=not mode.bare)
    is_vmware = mode.product is VMWARE and mode.dhcp_server is not None
    return Network(
        name,
        subnet,
        mode,
        mtu=vmnet.mtu,
        hub=vmnet.switching is Switching.HUB,
        promiscuous=vmnet.promiscuous,
        adapter=vmnet.adapter or usual,
        dhcp=dhcp if dhcp.on and is_vmware else None,
        leased=dhcp.range,
        nat=_nat(vmnet) if mode.nat_device else None,
        stopped=frozenset(vmnet.stopped),
        prefix=_prefix(name, vmnet),
    )


def _nat(vmnet: Vmnet) -> Nat:
    """What is set, and of other products than VMware what nobody can set there."""
    settings = vmnet.nat or Nat()
    if vmnet.mode.nat_forgets is None:
        return settings
    udp, tcp = vmnet.mode.nat_forgets
    return replace(settings, udp_timeout=udp, time_wait_timeout=tcp)


def _prefix(name: str, vmnet: Vmnet) -> IPv6Network | None:
    """A network's own, or VMware's for NAT networks."""
    if isinstance(vmnet.ipv6, IPv6Network):
        return vmnet.ipv6
    digits = name.removeprefix("vmnet")
    return ipv6.nat(int(digits)) if vmnet.ipv6 and digits.isdigit() else None


def _private(scenario: Scenario, network: Network) -> Iterator[Network]:
    """One such network for each adapter; a VM's second adapter is in the next /24, as in VirtualBox.

    Where the subnet is larger, in the next one of that size.
    """
    step = max(256, network.subnet.num_addresses)
    for vm, machine in sorted(scenario.vms.items(), key=lambda item: natural(item[0])):
        for index, nic in enumerate(machine.nics):
            if nic.network == network.name:
                first = IPv4Address(int(network.subnet[0]) + step * index)
                subnet = IPv4Network((int(first), network.subnet.prefixlen))
                yield replace(network, name=private_name(network.name, vm, index), subnet=subnet)


def _joined(scenario: Scenario, networks: dict[str, Network]) -> dict[str, Network]:
    """Networks that are one because VMs bridge them; one with a LAN is that LAN."""
    groups: list[set[str]] = []
    for vm in scenario.vms.values():
        if vm.bridges:
            group = {nic.network for nic in vm.nics if nic.network in networks}
            lans = _lans(group, networks)
            group |= {name for name, one in networks.items() if one.lan in lans}
            for other in [one for one in groups if one & group]:
                groups.remove(other)
                group |= other
            groups.append(group)
    found = {}
    served = _served(scenario, networks)
    for group in groups:
        members = sorted((networks[name] for name in group), key=lambda one: natural(one.name))
        segment = next((one.lan for one in members if one.lan), members[0].name if members else "")
        for one in members:
            barred = served.get(_place(one), "")
            from_afar = _place(one) in served and not barred and not one.leases
            guest_dhcp = one.guest_dhcp or from_afar
            found[one.name] = replace(one, joined=segment, guest_dhcp=guest_dhcp, barred=barred)
    return found


def _served(scenario: Scenario, networks: dict[str, Network]) -> dict[str, str]:
    """Places whose machines are heard by a DHCP server, be it over VMs that bridge, and the adapter that
    keeps its answers from them; empty: none does.

    A server answers to the client's own MAC address, so the bridge's adapter that hears it needs the
    permission for promiscuous mode; questions go to everybody, and pass without.
    """
    ways = {
        (_place(networks[near.network]), _place(networks[far.network])): ""
        if networks[near.network].permits_promiscuous(near)
        else f"{name}'s eth{index} on {near.network}"
        for name, vm in scenario.vms.items()
        if vm.bridges
        for (index, near), (_, far) in permutations(enumerate(vm.nics), 2)
        if all(
            nic.network in networks and networks[nic.network].connects(nic) for nic in (near, far)
        )
    }
    found = {_place(one): "" for one in networks.values() if one.leases}
    for permitted in (True, False):
        open_ways = {way: bar for way, bar in ways.items() if not (permitted and bar)}
        while more := {
            far: found[near] or bar
            for (near, far), bar in open_ways.items()
            if near in found and far not in found
        }:
            found |= more
    return found


def _place(network: Network) -> str:
    """What it is one with, whatever VMs do: a bridged network with its LAN, while that has a link."""
    return (network.linked and network.lan) or network.name


def _lans(names: Iterable[str], networks: dict[str, Network]) -> set[str]:
    return {lan for name in names if (lan := networks[name].lan)}


def _lan(name: str, lan: FurtherLan) -> Network:
    stopped = frozenset[VmnetService]() if lan.dhcp else frozenset((VmnetService.DHCP,))
    leased = lan.dhcp.range if isinstance(lan.dhcp, LanDhcp) else None
    return Network(name, lan.subnet, lan=name, stopped=stopped, leased=leased, prefix=lan.ipv6)


def _bridged(name: str, vmnet: Vmnet, scenario: Scenario, lans: dict[str, Network]) -> Network:
    """It is on the LAN of its card; while that has no link, nobody gives addresses there."""
    chosen = bridged_to(name, scenario)
    card = scenario.host.nics.get(chosen or "")
    lan = lans.get(card.lan if card else LAN, lans[LAN])
    linked = card is not None and card.connected
    return Network(
        name,
        lan.subnet,
        vmnet.mode,
        chosen,
        lan=lan.name if card else None,
        linked=linked,
        mtu=vmnet.mtu,
        hub=vmnet.switching is Switching.HUB,
        promiscuous=vmnet.promiscuous,
        stopped=lan.stopped if linked else frozenset((VmnetService.DHCP,)),
        prefix=lan.prefix if card else None,
    )


def bridged_to(name: str, scenario: Scenario) -> str | None:
    """The host's card that a bridged vmnet is bridged to; None: automatic finds none.

    Automatic takes the first connected card, as that has the default route, but none that
    another vmnet is pinned to, or that is excluded.
    """
    vmnet, cards = scenario.vmnets[name], scenario.host.nics
    first = next(iter(scenario.cards), None)
    if vmnet.nic != AUTOMATIC:
        return vmnet.nic or first
    others = (one for one in scenario.vmnets.values() if one.mode.on_lan)
    pinned = {one.nic or first for one in others}
    usable = sorted(set(scenario.cards) - pinned - set(vmnet.excluded))
    return next((card for card in usable if cards[card].connected), None)
