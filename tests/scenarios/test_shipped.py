"""Every shipped scenario end to end, and mutants of each that verify must catch."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from xml.etree import ElementTree as Xml

import pytest

from netlab import lab
from netlab.diagnosis.verdict import Verdict
from netlab.plan.plan import Plan
from netlab.plan.resources import (
    Address,
    Cable,
    DhcpClient,
    Resource,
    Route,
    Ruleset,
    Service,
    Sysctl,
)
from netlab.scenario.files import shipped
from netlab.scenario.model import Family
from tests.machine import inside, netlab

Edit = Callable[[Resource], Resource | None]


def mutated(scenario: str, edit: Edit) -> lab.Lab:
    """The lab of a scenario with some nouns of its plan changed or left out."""
    planned = lab.prepare(lab.load(scenario))
    edited = [after for resource in planned.plan.resources if (after := edit(resource)) is not None]
    changed = replace(planned, plan=Plan.of(planned.name, edited))
    assert changed.plan != planned.plan, "the mutant is no mutant"
    return changed


def without_rule(node: str, words: str) -> Edit:
    """Delete the rules with these words from a node's ruleset."""

    def edit(resource: Resource) -> Resource:
        if isinstance(resource, Ruleset) and resource.namespace.endswith(f".{node}"):
            rows = [row for row in resource.text.splitlines(keepends=True) if words not in row]
            return replace(resource, text="".join(rows))
        return resource

    return edit


def with_text(node: str, old: str, new: str) -> Edit:
    """Replace text in a node's rules or service configuration."""

    def edit(resource: Resource) -> Resource:
        if noun_is_on(resource, node):
            if isinstance(resource, Ruleset):
                return replace(resource, text=resource.text.replace(old, new))
            if isinstance(resource, Service):
                return replace(resource, config=resource.config.replace(old, new))
        return resource

    return edit


def with_sysctl(node: str, key: str, value: str) -> Edit:
    """Set a kernel parameter to something else."""

    def edit(resource: Resource) -> Resource:
        if isinstance(resource, Sysctl) and noun_is_on(resource, node) and resource.key == key:
            return replace(resource, value=value)
        return resource

    return edit


def with_address(node: str, old: str, new: str) -> Edit:
    """Give a node another address."""

    def edit(resource: Resource) -> Resource:
        if (
            isinstance(resource, Address)
            and noun_is_on(resource, node)
            and str(resource.address) == old
        ):
            return replace(resource, address=type(resource.address)(new))
        return resource

    return edit


def plugged_into(switch: str, scenario: str, *vms: str) -> Edit:
    """Plug VMs into another switch than their own."""

    def edit(resource: Resource) -> Resource:
        if isinstance(resource, Cable) and resource.b.namespace in {
            f"{scenario}.{vm}" for vm in vms
        }:
            port = replace(resource.a, namespace=f"{scenario}.{switch}", bridge=switch)
            return replace(resource, a=port)
        return resource

    return edit


def switched_on(node: str, interface: str) -> Edit:
    """Enable a machine's adapter that is disabled."""

    def edit(resource: Resource) -> Resource:
        if not isinstance(resource, Cable) or resource.b.interface != interface:
            return resource
        its = resource.b.namespace.endswith(f".{node}")
        return replace(resource, b=replace(resource.b, up=True)) if its else resource

    return edit


def without_route(node: str, destination: str) -> Edit:
    """Delete a route of a node."""

    def edit(resource: Resource) -> Resource | None:
        routes = isinstance(resource, Route) and str(resource.destination) == destination
        return None if routes and noun_is_on(resource, node) else resource

    return edit


def with_default_route(node: str, metric: int) -> Edit:
    """Let DHCP clients of a node take a default route of this metric."""

    def edit(resource: Resource) -> Resource:
        if isinstance(resource, DhcpClient) and noun_is_on(resource, node):
            return replace(resource, metric=metric)
        return resource

    return edit


def chain(*edits: Edit) -> Edit:
    def edit(resource: Resource) -> Resource | None:
        for one in edits:
            if resource is not None:
                resource = one(resource)
        return resource

    return edit


def noun_is_on(resource: Resource, node: str) -> bool:
    return not isinstance(resource, Cable) and resource.namespace.endswith(f".{node}")


@dataclass(frozen=True)
class Mutant:
    """A defect, and cells of the matrix that must fail because of it, and no others."""

    scenario: str
    name: str
    edit: Edit
    fails: set[str]


ROUTES_HOST_ONLY = chain(
    with_text("vmnet1-dhcp", "option:router\n", "option:router,172.16.78.1\n"),
    with_sysctl("host", "net.ipv4.ip_forward", "1"),
)

MUTANTS = [
    Mutant(
        "nat",
        "the host does not masquerade",
        without_rule("host", "masquerade"),
        {f"{vm}>{to}" for vm in ("vm1", "vm2") for to in ("pc", "router", "internet")},
    ),
    Mutant(
        "nat",
        "the NAT device does not masquerade: nothing leaves it",
        without_rule("vmnet8-nat", "masquerade"),
        {f"{vm}>{to}" for vm in ("vm1", "vm2") for to in ("host@lan", "pc", "router", "internet")},
    ),
    Mutant(
        "nat",
        "DHCP hands out the host adapter as gateway: .1 instead of .2",
        with_text("vmnet8-dhcp", "option:router,10.0.0.2", "option:router,10.0.0.1"),
        # The host answers for its LAN address itself (untranslated) and forwards nothing.
        {f"{vm}>{to}" for vm in ("vm1", "vm2") for to in ("host@lan", "pc", "router", "internet")},
    ),
    Mutant(
        "nat",
        "the home router lets the Internet in",
        with_text("router", "policy drop", "policy accept"),
        {"internet>host", "internet>host@lan", "internet>pc"},
    ),
    Mutant(
        "bridged",
        "the home router does not translate",
        without_rule("router", "masquerade"),
        {f"{node}>internet" for node in ("vm1", "vm2", "host", "pc")},
    ),
    Mutant(
        "bridged",
        "the home router lets the Internet in",
        with_text("router", "policy drop", "policy accept"),
        {f"internet>{node}" for node in ("vm1", "vm2", "host", "pc")},
    ),
    Mutant(
        "hostonly",
        "DHCP hands out a router and the host forwards",
        ROUTES_HOST_ONLY,
        {
            f"{vm}>{to}" for vm in ("vm1", "vm2") for to in ("host@lan", "pc", "router", "internet")
        },
    ),
    Mutant(
        "hostonly",
        "the VMs are plugged into the LAN's switch",
        plugged_into("lan", "hostonly", "vm1", "vm2"),
        {
            f"{vm}>{to}"
            for vm in ("vm1", "vm2")
            for to in ("host", "host@lan", "pc", "router", "internet")
        }
        | {f"{node}>{vm}" for node in ("host", "pc", "router") for vm in ("vm1", "vm2")},
    ),
    Mutant(
        "three-modes",
        "the NAT device's traffic is let into every network of the host",
        with_text("host", 'oifname { "eth0" }', 'oifname { "eth0", "vmnet1" }'),
        {f"{nat}>{only}" for nat in ("vm2", "vm3") for only in ("vm4", "vm5")},
    ),
    Mutant(
        "three-modes",
        "host and home router forward everything",
        chain(
            with_text("host", "policy drop", "policy accept"),
            with_text("router", "policy drop", "policy accept"),
        ),
        {"internet>vm1", "internet>host", "internet>host@lan", "internet>pc"}
        | {f"{nat}>{only}" for nat in ("vm2", "vm3") for only in ("vm4", "vm5")},
    ),
    Mutant(
        "two-uplinks",
        "the host lets NAT VMs out by the card at home only",
        with_text("host", 'oifname { "eth0", "eth1" } accept', 'oifname "eth0" accept'),
        {f"vm2>{to}" for to in ("printer", "office-router")},
    ),
    Mutant(
        "vpn-full-tunnel",
        "the VPN leaves vmnet8 to the host",
        without_route("host", "10.0.0.0/24"),
        {"host>vm1"},
    ),
    Mutant(
        "docker-forward",
        "DOCKER-USER accepts nothing",
        without_rule("host", 'ifname "virbr1" accept'),
        {f"mended1>{to}" for to in ("pc", "router", "internet")},
    ),
    Mutant(
        "docker-forward",
        "Docker's chain FORWARD accepts",
        with_text("host", "jump DOCKER-USER", "accept"),
        {f"broken1>{to}" for to in ("pc", "router", "internet")},
    ),
    Mutant(
        "default-route",
        "the NAT adapter's default route is taken",
        with_default_route("box1", 0),
        {f"{node}>box1" for node in ("colleague", "office-router")}
        | {f"box1>{node}" for node in ("colleague", "office-router")},
    ),
    Mutant(
        "forwarding-between-switches",
        "the host does not forward between the two",
        without_rule("host", 'oifname { "default-switch", "wsl" } accept'),
        {"ubuntu>win10", "win10>ubuntu"},
    ),
    Mutant(
        "path-mtu",
        "the host does not masquerade",
        without_rule("host", "masquerade"),
        {
            f"{vm}>{to}"
            for vm in ("vm1", "vm2")
            for to in ("server", "company-router", "router", "internet")
        },
    ),
    Mutant(
        "bridge-to-wifi",
        "frames from the air keep the host's MAC address",
        without_rule("vmnet0", "ether daddr set ip daddr map"),
        {f"vm1>{to}" for to in ("phone", "guests-router", "router", "internet")}
        | {f"{node}>vm1" for node in ("phone", "guests-router")},
    ),
    Mutant(
        "wifi",
        "frames from the air keep the host's MAC address",
        without_rule("vmnet0", "ether daddr set ip daddr map"),
        {f"{vm}>{to}" for vm in ("vm1", "vm2") for to in ("phone", "router", "internet")}
        | {f"{one}>{vm}" for one in ("phone", "router") for vm in ("vm1", "vm2")},
    ),
    Mutant(
        "hotspot",
        "frames from the air keep the host's MAC address",
        without_rule("vmnet0", "ether daddr set ip daddr map"),
        {"vm2>router", "vm2>internet", "router>vm2"},
    ),
    Mutant(
        "tethering",
        "the phone admits everybody",
        without_rule("lan", "this device may not join"),
        {"vm2>router", "vm2>internet", "router>vm2"},
    ),
    Mutant(
        "campus",
        "the campus router asks nobody to log in",
        without_rule("router", "nobody has logged in"),
        {"vm1>internet", "pc>internet"},
    ),
    Mutant(
        "pool-exhausted",
        "the host does not masquerade",
        without_rule("host", "masquerade"),
        {f"vm2>{to}" for to in ("pc", "router", "internet")},
    ),
    Mutant(
        "vpn-overlap",
        "the VPN brings no route to its network",
        with_address("host", "10.0.0.140/25", "10.0.0.140/32"),
        {f"{one}>{to}" for one in ("server", "company-router") for to in ("host", "host@company")}
        | {f"host>{to}" for to in ("server", "company-router")},
    ),
    Mutant(
        "same-subnet",
        "the host's card leaves the upper half of the subnet to vmnet8",
        with_address("host", "192.168.1.100/24", "192.168.1.100/25"),
        {"host>vm1"},
    ),
    Mutant(
        "mobile-hotspot",
        "the host does not translate what the hot spot's devices send",
        without_rule("host", "ip saddr 192.168.137.0/24"),
        {f"phone>{to}" for to in ("vm2", "pc", "router", "internet")},
    ),
    Mutant(
        "connection-sharing",
        "the host shares without translating",
        without_rule("host", "masquerade"),
        {f"vm1>{to}" for to in ("pc", "router", "internet")},
    ),
    Mutant(
        "virtualbox-beside-vmware",
        "a VM of VirtualBox's is plugged into VMware's switch",
        plugged_into("vmnet8", "virtualbox-beside-vmware", "box1"),
        {f"box1>{to}" for to in ("vm1", "vm2")}
        | {f"{node}>box1" for node in ("vm1", "vm2", "host")},
    ),
    Mutant(
        "virtualbox-modes",
        "the NAT network's device does not masquerade",
        without_rule("natnetwork-nat", "masquerade"),
        {
            f"{net}>{to}"
            for net in ("net1", "net2")
            for to in ("host", "host@lan", "pc", "router", "internet")
        },
    ),
    Mutant(
        "libvirt-modes",
        "the home router knows no way to the routed network",
        without_route("router", "192.168.123.0/24"),
        {"pc>route1", "router>route1", "route1>pc", "route1>router", "route1>internet"},
    ),
    Mutant(
        "libvirt-modes",
        "the host does not translate the network that it ought to",
        with_text("host", "ip saddr 192.168.122.0/24", "ip saddr 192.168.199.0/24"),
        {f"{nat}>{to}" for nat in ("nat1", "nat2") for to in ("pc", "router", "internet")},
    ),
    Mutant(
        "host-bridge",
        "vm1 is plugged into the network behind the host, and not into its bridge",
        plugged_into("virbr0", "host-bridge", "vm1"),
        {f"vm1>{to}" for to in ("vm2", "pc", "router", "inner")}
        | {f"{node}>vm1" for node in ("vm2", "host", "pc", "router", "inner")},
    ),
    Mutant(
        "macvtap",
        "the host hears its VMs, as over a bridge",
        without_rule("macvtap0", "do not hear each other"),
        {f"{vm}>{to}" for vm in ("lone1", "lone2", "both") for to in ("host", "host@lan")}
        | {f"host>{vm}" for vm in ("lone1", "lone2", "both", "both@macvtap0")},
    ),
    Mutant(
        "mac-spoofing",
        "the switch minds nobody's MAC addresses",
        without_rule("vmnet0", "not permitted to send with another MAC address"),
        {f"nested1>{to}" for to in ("nested2", "open", "host", "router", "internet")}
        | {f"{node}>nested1" for node in ("nested2", "open", "host", "router")},
    ),
    Mutant(
        "hyperv-beside-vmware",
        "DHCP hands out no gateway, as on VMware's host-only network",
        with_text("host", "option:router,172.20.16.1\n", "option:router\n"),
        {
            f"{vm}>{to}"
            for vm in ("hyper1", "hyper2")
            for to in ("host@lan", "pc", "router", "internet")
        },
    ),
    Mutant(
        "clones",
        "the moved copy is plugged into the LAN's switch",
        plugged_into("lan", "clones", "moved"),
        {f"moved>{to}" for to in ("host", "router", "internet")}
        | {f"{node}>moved" for node in ("web", "clone", "host", "router")},
    ),
    Mutant(
        "one-way-ping",
        "the firewalls let pings in",
        chain(without_rule("host", "echo-request"), without_rule("vm2", "echo-request")),
        {"vm1>vm2", "host>vm2", "vm1>host", "vm2>host", "pc>host", "pc>host@lan"}
        | {"router>host", "router>host@lan"},
    ),
    Mutant(
        "one-way-ping",
        "the host's firewall takes the NAT device for a stranger",
        with_text("host", '"lo", "vmnet8-nat"', '"lo"'),
        {"vm1>host@lan", "vm2>host@lan"},
    ),
    Mutant(
        "guest-router",
        "gw does not forward",
        with_sysctl("gw", "net.ipv4.ip_forward", "0"),
        {"vm1>vm2", "vm2>vm1"},
    ),
    Mutant(
        "guest-bridge",
        "the NAT device does not masquerade",
        without_rule("vmnet8-nat", "masquerade"),
        {
            f"{vm}>{to}"
            for vm in ("br", "vm1", "vm2")
            for to in ("host@lan", "pc", "router", "internet")
        },
    ),
    Mutant(
        "guest-dhcp",
        "vm1 is plugged into the LAN's switch, and has its lease from there",
        plugged_into("lan", "guest-dhcp", "vm1"),
        {f"{one}>vm1" for one in ("dc", "vm2", "host", "router")}
        | {f"vm1>{one}" for one in ("dc", "vm2", "host", "router", "internet")}
        | {"vm1>everybody by dhcp"},
    ),
    Mutant(
        "guest-firewall",
        "the firewall does not translate",
        without_rule("fw", "masquerade"),
        {f"{vm}>{to}" for vm in ("web", "desk") for to in ("pc", "router", "internet")},
    ),
    Mutant(
        "guest-firewall",
        "the firewall lets in what nobody asked for",
        with_text("fw", "\t\tdrop\n", ""),
        {f"{machine}>fw" for machine in ("pc", "host", "router")},
    ),
    Mutant(
        "lan-firewalls",
        "the router lets everything out",
        with_text("router", 'oifname "wan0" drop', 'oifname "wan0" accept'),
        {f"{machine}>internet" for machine in ("pc", "nas", "host", "vm1")},
    ),
    Mutant(
        "lan-firewalls",
        "the firewall of nas lets pings in",
        with_text("nas", "\t\tdrop\n", ""),
        {f"{machine}>nas" for machine in ("pc", "host", "router", "vm1")},
    ),
    Mutant(
        "wide-mask",
        "the mask is the network's",
        with_address("wide", "203.0.112.71/23", "203.0.112.71/24"),
        {"wide>internet"},
    ),
    Mutant(
        "two-dhcp-servers",
        "stray is later than VMware's server, so vm1 gets out",
        with_text("stray", "no-ping", "no-ping\ndhcp-reply-delay=2"),
        {"vm1>router", "vm1>internet"},
    ),
    Mutant(
        "dhcp-router",
        "the host-only network's server tells no gateway, as without the key",
        with_text("vmnet1-dhcp", "option:router,192.168.137.1", "option:router"),
        {f"shared>{to}" for to in ("host@lan", "router", "bridged", "internet")},
    ),
    Mutant(
        "dhcp-router",
        "libvirt's server tells the host as gateway, as without the key",
        with_text("host", "option:router\n", "option:router,192.168.122.1\n"),
        {f"local>{to}" for to in ("host@lan", "router", "bridged", "internet")},
    ),
    Mutant(
        "hyperv-nat",
        "the host does not masquerade",
        without_rule("host", "masquerade"),
        {"static>router", "static>internet"},
    ),
    Mutant(
        "slow-link",
        "the host does not masquerade",
        without_rule("host", "masquerade"),
        {f"{vm}>{to}" for vm in ("vm1", "vm2") for to in ("pc", "router", "internet")},
    ),
    Mutant(
        "host-routes",
        "the host's firewall forwards nothing",
        without_rule("host", "oifname"),
        {"vm1>vm2", "vm2>vm1"},
    ),
    Mutant(
        "lan-segment",
        "a copied VM is on another segment of the same name",
        plugged_into("seg2", "lan-segment", "vm2"),
        # Neither has a neighbour left, and what cannot send proves nothing.
        {"vm1>vm2", "vm2>vm1"}
        | {
            f"{vm}>{to}"
            for vm in ("vm1", "vm2")
            for to in ("vm3", "vm4", "host", "router", "internet")
        },
    ),
    Mutant(
        "custom",
        "vm3 is plugged into the network that has no host adapter",
        plugged_into("vmnet2", "custom", "vm3"),
        {"vm3>host", "host>vm3"} | {f"vm3>{to}" for to in ("vm1", "vm2", "router", "internet")},
    ),
    Mutant(
        "two-nat-networks",
        "the host lets the NAT devices into one of the NAT networks",
        with_text("host", 'oifname { "eth0" }', 'oifname { "eth0", "vmnet9" }'),
        {"vm1>vm2"},
    ),
    Mutant(
        "dhcp-off",
        "the NAT device does not masquerade",
        without_rule("vmnet8-nat", "masquerade"),
        {f"{vm}>{to}" for vm in ("vm1", "vm2") for to in ("host@lan", "router", "internet")},
    ),
    Mutant(
        "nat-stopped",
        "the NAT service runs",
        switched_on("vmnet8-nat", "eth0"),
        {f"{vm}>{to}" for vm in ("vm1", "vm2") for to in ("host@lan", "router", "internet")},
    ),
    Mutant(
        "vmnet8-disabled",
        "the host adapter is enabled",
        switched_on("host", "vmnet8"),
        {"vm1>host", "vm2>host", "host>vm1", "host>vm2"},
    ),
    Mutant(
        "hub",
        "DHCP hands out a router and the host forwards",
        ROUTES_HOST_ONLY,
        {f"vm{n}>{to}" for n in (1, 2, 3) for to in ("router", "internet")},
    ),
    Mutant(
        "proxy",
        "the VM needs no proxy: DHCP hands out a router and the host forwards",
        ROUTES_HOST_ONLY,
        {"vm1>router", "vm1>internet"},
    ),
    Mutant(
        "sniffer",
        "vm4's port lets through what is for another MAC address than its own",
        with_text("vmnet1", "00:0c:29:ae:bf:31", "00:0c:29:00:00:01"),
        {f"{one}>vm4" for one in ("vm1", "vm2", "vm3", "host")}
        | {f"vm4>{one}" for one in ("vm1", "vm2", "vm3", "host")},
    ),
    Mutant(
        "port-forward",
        "the host does not masquerade",
        without_rule("host", "masquerade"),
        {f"{vm}>{to}" for vm in ("vm1", "vm2") for to in ("pc", "router", "internet")},
    ),
    Mutant(
        "forward-firewall",
        "the host's firewall keeps out what is called by a port, and nothing else",
        with_text("host", "\t\tdrop\n", "\t\tmeta l4proto { tcp, udp } drop\n"),
        {f"{one}>host" for one in ("vm1", "vm2", "pc", "router")}
        | {f"{one}>host@lan" for one in ("pc", "router")},
    ),
    Mutant(
        "reservations",
        "DHCP hands out the host adapter as gateway",
        with_text("vmnet8-dhcp", "option:router,10.0.0.2", "option:router,10.0.0.1"),
        {f"{vm}>{to}" for vm in ("web", "db", "other") for to in ("router", "internet")},
    ),
    Mutant(
        "experiment-bridged",
        "the home router lets the Internet in",
        with_text("router", "policy drop", "policy accept"),
        {"internet>leaf", "internet>host"},
    ),
    Mutant(
        "experiment-nat",
        "the NAT device does not masquerade",
        without_rule("vmnet8-nat", "masquerade"),
        {"win7>router", "win7>internet"},
    ),
    Mutant(
        "static-nat",
        "the NAT device has VMware's own address, and not the VMs' gateway",
        with_address("vmnet8-nat", "192.168.99.10/24", "192.168.99.2/24"),
        {"vm1>host@lan", "vm1>router", "vm1>internet", "vm1>everybody by dns:www.example.com"},
    ),
    Mutant(
        "ipv6",
        "the NAT device does not translate IPv6",
        without_rule("vmnet8-nat", "ip6 saddr fd15:4ba5:5a2b:1008::/64"),
        {f"vm2>{to} over ipv6" for to in ("vm1", "pc", "router", "internet")},
    ),
    Mutant(
        "ipv6",
        "the home router lets the Internet in",
        with_text("router", "policy drop", "policy accept"),
        {f"internet>{to}{over}" for to in ("vm1", "host", "pc") for over in ("", " over ipv6")},
    ),
    Mutant(
        "ipv6",
        "the NAT device's traffic is let into every network of the host",
        with_text("host", 'oifname { "eth0" } accept', 'oifname { "eth0", "vmnet1" } accept'),
        {f"{vm}>{to}" for vm in ("vm2", "vm3") for to in ("vm4", "vm5")}
        | {f"vm2>{to} over ipv6" for to in ("vm4", "vm5")},
    ),
    Mutant(
        "company-nat",
        "the company's router does not translate",
        without_rule("router", "masquerade"),
        {f"{node}>internet" for node in ("vm1", "pc", "host")},
    ),
    Mutant(
        "vagrant-forward",
        "the VM's engine does not masquerade",
        without_rule("vboxnat-box-nat", "masquerade"),
        {f"box>{to}" for to in ("host", "host@lan", "pc", "router", "internet")},
    ),
    Mutant(
        "double-nat",
        "the home router lets the Internet in",
        with_text("router", "policy drop", "policy accept"),
        {f"internet>{to}" for to in ("host", "host@lan", "pc")},
    ),
    Mutant(
        "gateway-at-1",
        "DHCP hands out .2 as gateway, as Fusion did before",
        with_text("vmnet8-dhcp", "option:router,192.168.99.1", "option:router,192.168.99.2"),
        {f"vm1>{to}" for to in ("host@lan", "pc", "router", "internet")},
    ),
    Mutant(
        "symmetric-nat",
        "the home router lets the Internet in",
        with_text("router", "policy drop", "policy accept"),
        {f"internet>{to}" for to in ("player1", "player2", "player4", "host")},
    ),
]  # fmt: skip


@pytest.mark.parametrize("scenario", sorted(shipped()))
def test_a_shipped_scenario_is_as_it_says(scenario):
    with lab.running(lab.prepare(lab.load(scenario))) as running:
        results = [*lab.facts(running), *lab.verify(running)]
        assert [f"{r.failure}" for r in results if not r.passed] == []
        assert not lab.status(running).drift


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: f"{mutant.scenario}: {mutant.name}")
def test_verify_catches_a_mutant_and_blames_no_other_pair(mutant):
    with lab.running(mutated(mutant.scenario, mutant.edit)) as running:
        failed = {
            f"{r.expectation.source.name}>{r.expectation.target.name}"
            + " over ipv6" * (r.expectation.over is Family.IPV6)
            + f" by {r.expectation.by}" * (r.expectation.by != "icmp"): r.failure
            for r in lab.verify(running)
            if not r.passed
        }
    print(failed)
    assert set(failed) == mutant.fails


SHUT = "the host's firewall does not let tcp 8080 in"
HOST, LOOPBACK, PUBLIC = "192.168.1.100", "127.0.0.1", "203.0.113.1"
EACH = "fib daddr type local tcp dport"
CALLS = [
    ("8080 is shut", "forward-firewall", None, f"pc {HOST} tcp:8080", False),
    ("8443 is let in", "forward-firewall", None, f"pc {HOST} tcp:8443", True),
    ("nobody shuts 8080", "forward-firewall", without_rule("host", SHUT),
     f"pc {HOST} tcp:8080", True),
    ("8443 is shut too", "forward-firewall", with_text("host", "tcp dport 8080 drop", "drop"),
     f"pc {HOST} tcp:8443", False),
    ("the host calls itself", "vagrant-forward", None, f"host {LOOPBACK} tcp:8080", True),
    ("the LAN calls it", "vagrant-forward", None, f"pc {HOST} tcp:8080", False),
    ("the host calls another", "vagrant-forward", None, f"host {LOOPBACK} tcp:8081", True),
    ("the LAN calls another", "vagrant-forward", None, f"pc {HOST} tcp:8081", True),
    ("8080 leads on at each address", "vagrant-forward",
     with_text("host", f"{EACH} 8081", f"{EACH} {{ 8080, 8081 }}"), f"pc {HOST} tcp:8080", True),
    ("8080 leads nowhere", "vagrant-forward", without_rule("host", "ip daddr 127.0.0.1 tcp"),
     f"host {LOOPBACK} tcp:8080", False),
    ("past two NATs", "double-nat", None, f"internet {PUBLIC} tcp:8080", True),
    ("from inside", "double-nat", None, f"pc {PUBLIC} tcp:8080", True),
    ("the router does not forward", "double-nat", without_rule("router", "dnat to"),
     f"internet {PUBLIC} tcp:8080", False),
    ("the host does not forward", "double-nat", without_rule("host", "dnat to"),
     f"internet {PUBLIC} tcp:8080", False),
    ("from outside", "symmetric-nat", None, f"player3 {PUBLIC} udp:5000", True),
    ("from inside", "symmetric-nat", None, f"player1 {PUBLIC} udp:5000", False),
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "edit", "call", "reached"),
    [c[1:] for c in CALLS],
    ids=[f"{c[1]}: {c[0]}" for c in CALLS],
)
def test_who_calls_a_forwarded_port(name, edit, call, reached):
    with lab.running(mutated(name, edit) if edit else lab.prepare(lab.load(name))) as running:
        found = lab.trace(running, *call.split()).diagnosis
    assert (found.verdict is Verdict.ANSWERED) is reached, found


def test_run_goes_through_all_and_writes_junit(tmp_path):
    junit = tmp_path / "out.xml"
    done = netlab("run", "bridged", "hostonly", "--junit", str(junit))
    assert done.returncode == 0, done.stderr
    suites = Xml.parse(junit).getroot().findall("testsuite")
    assert [suite.get("name") for suite in suites] == ["run-bridged", "run-hostonly"]
    assert all(suite.get("failures") == suite.get("errors") == "0" for suite in suites)
    assert sum(int(suite.get("tests")) for suite in suites) == len(
        list(Xml.parse(junit).iter("testcase"))
    )


def test_run_ends_with_1_if_the_scenario_expects_what_is_not(tmp_path):
    file = tmp_path / "wishful.yaml"
    text = lab.load("hostonly").text.decode()
    file.write_text(text.replace("{from: vm*, to: host@lan, is: blocked}", "{from: vm*, to: pc}"))
    done = netlab("run", str(file), "--json")
    assert done.returncode == 1
    document = json.loads(done.stdout)
    assert document["failed"] == 2
    failed = [cell for cell in document["cells"] if not cell["passed"]]
    assert {(cell["from"], cell["to"]) for cell in failed} == {("vm1", "pc"), ("vm2", "pc")}
    assert failed[0]["cause"] == "no-route"


def test_port_forward_s_port_leads_to_a_web_server():
    with lab.running(lab.prepare(lab.load("port-forward"))):
        page = inside("port-forward.pc", "curl", "-sS", "http://192.168.1.100:8080/").stdout
    assert "You come from 192.168.1.50," in page


def test_experiment_bridged_is_on_wi_fi():
    with lab.running(lab.prepare(lab.load("experiment-bridged"))):
        assert inside("experiment-bridged.leaf", "ping", "-c1", "192.168.1.1").returncode == 0
        known = inside("experiment-bridged.router", "ip", "neigh", "show", "192.168.1.106").stdout
        card = inside("experiment-bridged.host", "cat", "/sys/class/net/wlan0/address").stdout
    assert f"lladdr {card.strip()} " in known
