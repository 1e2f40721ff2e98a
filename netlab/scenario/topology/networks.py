"""Networks, with what a scenario leaves open filled in."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network, IPv6Network
from itertools import permutations

from netlab.scenario.addresses import ipv6, pools
from netlab.scenario.mode import Mode
from netlab.scenario.model import (
    AUTOMATIC,
    Dhcp,
    FurtherLan,
    HostAdapter,
    Nat,
    Nic,
    Scenario,
    Switching,
    Vm,
    Vmnet,
)
from netlab.scenario.topology.metrics import default_card
from netlab.scenario.topology.names import HOTSPOT, LAN, WAN, natural, private_name, wan_of
from netlab.scenario.topology.parts import NO_ADAPTER, InVain, Network


def all_networks(scenario: Scenario) -> dict[str, Network]:
    """Return every network by name: WANs and LANs, then VMware's by number, and LAN segments."""
    networks = {network.name: network for network in _each(scenario)}
    networks |= _served_by_guests(scenario, networks)
    return networks | _joined(scenario, networks)


def _each(scenario: Scenario) -> Iterator[Network]:
    home = scenario.lan
    yield Network(WAN, home.internet, mtu=home.internet_mtu, prefix=home.ipv6 and ipv6.INTERNET)
    lans = {name: _lan(name, lan) for name, lan in scenario.all_lans.items()}
    for number, lan in enumerate(lans.values()):
        yield lan
        if number:
            upstream, mtu = (
                lan.prefix and ipv6.provider(number - 1),
                scenario.lans[lan.name].internet_mtu,
            )
            yield Network(wan_of(lan.name), pools.provider(number - 1), mtu=mtu, prefix=upstream)
    for name, vmnet in sorted(scenario.vmnets.items(), key=lambda item: natural(item[0])):
        if vmnet.mode.on_lan:
            yield _bridged(name, vmnet, scenario, lans)
        elif subnet := vmnet.own_subnet:
            network = _virtual(name, vmnet, subnet)
            yield from _private(scenario, network) if vmnet.mode.private else (network,)
    if scenario.host.hotspot is not None:
        yield Network(HOTSPOT, pools.SHARED, Mode.HOTSPOT, adapter=HostAdapter(), dhcp=Dhcp())
    for index, (name, segment) in enumerate(sorted(scenario.segments.items())):
        subnet = segment.subnet or pools.unnumbered(index)
        yield Network(
            name,
            subnet,
            Mode.SEGMENT,
            mtu=segment.mtu,
            hub=segment.switching is Switching.HUB,
            promiscuous=segment.promiscuous,
            mac_spoofing=segment.mac_spoofing,
        )


def _served_by_guests(scenario: Scenario, networks: dict[str, Network]) -> dict[str, Network]:
    """Return the networks on which VMs serve DHCP, for all who hear them there."""
    listening = (nic for vm in scenario.vms.values() for nic in _listening(vm))
    plugged = ((nic, networks[nic.network]) for nic in listening if nic.network in networks)
    domains = {_broadcast_domain(network) for nic, network in plugged if network.connects(nic)}
    return {
        name: replace(network, guest_dhcp=True)
        for name, network in networks.items()
        if _broadcast_domain(network) in domains
    }


def _listening(vm: Vm) -> Iterator[Nic]:
    """Yield a VM's adapters on which it serves DHCP. A bridge listens on all its ports."""
    servers = [name for name, settings in vm.dhcp_server.items() if settings.on]
    for index, nic in enumerate(vm.nics):
        if f"eth{index}" in servers or (servers and vm.bridges):
            yield nic


def _virtual(name: str, vmnet: Vmnet, subnet: IPv4Network) -> Network:
    """Return a network with a subnet of its own; a bare one has only what is asked for."""
    mode = vmnet.mode
    usual = NO_ADAPTER if mode.bare or not mode.host_adapter else HostAdapter()
    dhcp = vmnet.dhcp or Dhcp(on=not mode.bare)
    return Network(
        name,
        subnet,
        mode,
        mtu=vmnet.mtu,
        hub=vmnet.switching is Switching.HUB,
        promiscuous=vmnet.promiscuous,
        mac_spoofing=vmnet.mac_spoofing,
        adapter=vmnet.adapter or usual,
        dhcp=dhcp if dhcp.on and mode.leases else None,
        nat=_nat(vmnet) if mode.nat_device else None,
        stopped=frozenset(vmnet.stopped),
        prefix=_prefix(name, vmnet),
    )


def _nat(vmnet: Vmnet) -> Nat:
    """Return the NAT device's settings; other products fix their time-outs."""
    settings = vmnet.nat or Nat()
    if vmnet.mode.nat_forgets is None:
        return settings
    udp, tcp = vmnet.mode.nat_forgets
    return replace(settings, udp_timeout=udp, time_wait_timeout=tcp)


def _prefix(name: str, vmnet: Vmnet) -> IPv6Network | None:
    """Return a network's own prefix, or VMware's for NAT networks."""
    if isinstance(vmnet.ipv6, IPv6Network):
        return vmnet.ipv6
    digits = name.removeprefix("vmnet")
    return ipv6.nat(int(digits)) if vmnet.ipv6 and digits.isdigit() else None


def _private(scenario: Scenario, network: Network) -> Iterator[Network]:
    """Yield a network for each adapter; a VM's second adapter is in the next /24, as in VirtualBox.

    Where the subnet is larger than that, in the next one of its size.
    """
    step = max(256, network.subnet.num_addresses)
    for vm, machine in sorted(scenario.vms.items(), key=lambda item: natural(item[0])):
        for index, nic in enumerate(machine.nics):
            if nic.network == network.name:
                first = IPv4Address(int(network.subnet[0]) + step * index)
                subnet = IPv4Network((int(first), network.subnet.prefixlen))
                yield replace(network, name=private_name(network.name, vm, index), subnet=subnet)


def _joined(scenario: Scenario, networks: dict[str, Network]) -> dict[str, Network]:
    """Return the networks that are one because VMs bridge them; one with a LAN is that LAN."""
    groups: list[set[str]] = []
    for vm in scenario.vms.values():
        if vm.bridges:
            group = {nic.network for nic in vm.nics if nic.network in networks}
            lans = _lans(group, networks)
            group |= {name for name, network in networks.items() if network.lan in lans}
            for overlapping in [earlier for earlier in groups if earlier & group]:
                groups.remove(overlapping)
                group |= overlapping
            groups.append(group)
    joined = {}
    served = _served(scenario, networks)
    for group in groups:
        members = sorted(
            (networks[name] for name in group), key=lambda member: natural(member.name)
        )
        lan = next((member.lan for member in members if member.lan), None)
        for network in members:
            domain = _broadcast_domain(network)
            barred = served.get(domain)
            from_afar = domain in served and not barred and not network.leases
            joined[network.name] = replace(
                network,
                joined=lan or members[0].name,
                guest_dhcp=network.guest_dhcp or from_afar,
                barred=barred,
            )
    return joined


def _served(scenario: Scenario, networks: dict[str, Network]) -> dict[str, InVain | None]:
    """Return broadcast domains that a DHCP server hears, also over VMs that bridge, and what bars it.

    Requests go on with the client's own MAC address, and replies with the server's: each switch must let
    the bridge send with others. A server replies to the client's address, so that the bridge's adapter
    that hears it needs the permission for promiscuous mode.
    """
    bridges = {
        (
            _broadcast_domain(networks[near.network]),
            _broadcast_domain(networks[far.network]),
        ): _barred_from_sending(networks, name, index, near)
        or _barred_from_sending(networks, name, other, far)
        or _barred_from_hearing(networks, name, index, near)
        for name, vm in scenario.vms.items()
        if vm.bridges
        for (index, near), (other, far) in permutations(enumerate(vm.nics), 2)
        if all(
            nic.network in networks and networks[nic.network].connects(nic) for nic in (near, far)
        )
    }
    barred_by: dict[str, InVain | None] = {
        _broadcast_domain(network): None for network in networks.values() if network.leases
    }
    for permitted in (True, False):
        open_bridges = {
            bridge: barring for bridge, barring in bridges.items() if not (permitted and barring)
        }
        while reached := {
            far: barred_by[near] or barring
            for (near, far), barring in open_bridges.items()
            if near in barred_by and far not in barred_by
        }:
            barred_by |= reached
    return barred_by


def _barred_from_sending(
    networks: dict[str, Network], vm: str, index: int, nic: Nic
) -> InVain | None:
    """Return why a bridge's adapter may not send with other MAC addresses; None if it may."""
    if networks[nic.network].permits_mac_spoofing(nic):
        return None
    why = f"{vm}'s eth{index} on {nic.network} is not permitted to send with other MAC addresses"
    return InVain("mac-not-allowed", why, "permit it: `mac_spoofing: true`")


def _barred_from_hearing(
    networks: dict[str, Network], vm: str, index: int, nic: Nic
) -> InVain | None:
    """Return why a bridge's adapter may not listen to frames for others; None if it may."""
    if networks[nic.network].permits_promiscuous(nic):
        return None
    adapter = f"{vm}'s eth{index} on {nic.network}"
    why = f"{adapter} is not given the replies: promiscuous mode is not permitted"
    return InVain("no-return-path", why, "permit it: `promiscuous: true`")


def _broadcast_domain(network: Network) -> str:
    """Return the name of the broadcast domain without VMs that bridge: a bridged network's LAN, if linked."""
    return (network.linked and network.lan) or network.name


def _lans(names: Iterable[str], networks: dict[str, Network]) -> set[str]:
    return {lan for name in names if (lan := networks[name].lan)}


def _lan(name: str, lan: FurtherLan) -> Network:
    dhcp = lan.dhcp if lan.dhcp.on else None
    return Network(name, lan.subnet, lan=name, mtu=lan.mtu, dhcp=dhcp, prefix=lan.ipv6)


def _bridged(name: str, vmnet: Vmnet, scenario: Scenario, lans: dict[str, Network]) -> Network:
    """Return a network on the LAN of its card; while that has no link, nobody gives addresses there."""
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
        mac_spoofing=vmnet.mac_spoofing,
        br_netfilter=vmnet.br_netfilter,
        dhcp=lan.dhcp if linked else None,
        prefix=lan.prefix if card else None,
    )


def bridged_to(name: str, scenario: Scenario) -> str | None:
    """Return the host's card that a bridged vmnet is bridged to; None: automatic finds none.

    Automatic takes the connected card that has the default route, but none that another vmnet is
    pinned to, or that is excluded.
    """
    vmnet, cards = scenario.vmnets[name], scenario.host.nics
    first = next(iter(scenario.cards), None)
    if vmnet.nic != AUTOMATIC:
        return vmnet.nic or first
    bridged = (settings for settings in scenario.vmnets.values() if settings.mode.on_lan)
    pinned = {settings.nic or first for settings in bridged}
    usable = set(scenario.cards) - pinned - set(vmnet.excluded)
    connected = (card for card in sorted(usable) if cards[card].connected)
    return default_card(scenario, usable) or next(connected, None)
