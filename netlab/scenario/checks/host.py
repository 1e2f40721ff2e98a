"""The host and the physical networks: cards, LANs, sharing, routes."""

from __future__ import annotations

from collections.abc import Iterator

from netlab.scenario.addresses import pools
from netlab.scenario.checks.lookup import called, lan_path
from netlab.scenario.mode import Mode
from netlab.scenario.model import ChainPolicy, HostAdapter, HostAdapterState, Scenario
from netlab.scenario.text.paths import DataPath, PathProblem
from netlab.scenario.topology import HOST, Topology, router_of, wan_of
from netlab.suggest import instead

MAX_LANS = 16
"""Pieces of 16 addresses in the lab's Internet."""


def host_nics(scenario: Scenario) -> Iterator[PathProblem]:
    """Yield cards, LANs and logins that do not exist."""
    for name, card in scenario.host.nics.items():
        if card.lan not in scenario.all_lans:
            yield PathProblem(
                ("host", "nics", name, "lan"),
                f"nobody defined the LAN '{card.lan}'",
                f"define it under lans; {instead(card.lan, scenario.all_lans)}",
            )
        if name not in scenario.cards and not card.address:
            yield PathProblem(
                ("host", "nics", name),
                f"{name} is the end of a VPN, which gives it an address",
                f"add `address`, one of {scenario.all_lans.get(card.lan, scenario.lan).subnet}",
                on_key=True,
            )
        yield from _ways_out(scenario, name)
    yield from _sharing(scenario)
    if not scenario.cards:
        message = "a VPN needs a card to go through"
        yield PathProblem(("host", "nics"), message, "add for example `eth0: {}`", on_key=True)
    for name, lan in scenario.all_lans.items():
        path = lan_path(name)
        if lan.logged_in and not lan.login:
            message = "nobody has to log in here"
            yield PathProblem(
                (*path, "logged_in"), message, "add `login: true`, or remove it", on_key=True
            )
        machines = {HOST, *lan.peers, *scenario.vms}
        for index, machine in enumerate(lan.logged_in):
            if machine not in machines:
                yield PathProblem(
                    (*path, "logged_in", index),
                    f"'{machine}' is no machine that could log in",
                    instead(machine, sorted(machines)),
                )
    if len(scenario.lans) > MAX_LANS:
        yield PathProblem(
            ("lans",),
            f"{len(scenario.lans)} further LANs; the lab's Internet has room for {MAX_LANS}",
            "leave some out",
            on_key=True,
        )


def _ways_out(scenario: Scenario, name: str) -> Iterator[PathProblem]:
    """Yield what a card has and only a VPN can have, and a metric of a default route that is not there."""
    card, path = scenario.host.nics[name], ("host", "nics", name)
    is_tunnel = name not in scenario.cards
    for key, present in (("routes", bool(card.routes)), ("icmp_errors", not card.icmp_errors)):
        if present and not is_tunnel:
            message = f"{name} is a card, and only a VPN has `{key}`"
            fix = (
                "write it of a VPN: vpn0" if key == "routes" else "write it of the LAN, or of a VPN"
            )
            yield PathProblem((*path, key), message, fix, on_key=True)
    if card.metric is not None and not (not is_tunnel if card.default is None else card.default):
        message = f"the host has no default route by {name} that could have a metric"
        fix = "add `default: true`" if is_tunnel else "remove `metric`, or `default: false`"
        yield PathProblem((*path, "metric"), message, fix, on_key=True)


def _sharing(scenario: Scenario) -> Iterator[PathProblem]:
    """Yield what keeps Windows from sharing: it gives the shared adapter 192.168.137.1 in any case."""
    name = scenario.host.shares
    if name is None:
        return
    vmnet = scenario.vmnets.get(name)
    path: DataPath = ("host", "shares")
    if scenario.host.hotspot is not None:
        message = f"Windows shares with one network: the hot spot, or {name}"
        yield PathProblem(path, message, "remove `shares` or `hotspot`", on_key=True)
    shareable = [
        candidate
        for candidate, settings in scenario.vmnets.items()
        if settings.mode is Mode.HOSTONLY
        and (settings.adapter or HostAdapter()).state is not HostAdapterState.NONE
    ]
    if vmnet is None or name not in shareable:
        message = f"{name} is no host-only network with a host adapter"
        fix = instead(name, shareable) if shareable else "define one under vmnets"
        yield PathProblem(path, message, fix)
    elif vmnet.subnet and vmnet.subnet != pools.SHARED:
        yield PathProblem(
            ("vmnets", name, "subnet"),
            f"Windows gives a shared adapter {pools.SHARED[1]}, which is not in {vmnet.subnet}",
            f"use `subnet: {pools.SHARED}`, as the Virtual Network Editor has to be told",
        )


def routes(topology: Topology) -> Iterator[PathProblem]:
    """Yield static routes of routers that do not lead to their neighbours, or away from some of them."""
    scenario = topology.scenario
    for name, lan in scenario.all_lans.items():
        for subnet, gateway in lan.routes.items():
            path: DataPath = (*lan_path(name), "routes", str(subnet))
            if subnet in (lan.subnet, topology.networks[wan_of(name)].subnet):
                message = f"the router has {subnet} itself: no neighbour can lead there"
                yield PathProblem(path, message, "remove this route", on_key=True)
            elif subnet.subnet_of(lan.subnet):
                owner = called(scenario, name)
                message = (
                    f"{router_of(name)} sends {subnet} to {gateway}, since that route is more specific than"
                    f" {owner}'s {lan.subnet}: machines on {owner} with such addresses are not reached from"
                    f" {router_of(name)}"
                )
                fix = "choose another subnet, unless that is what you want to see"
                yield PathProblem(path, message, fix, on_key=True, is_warning=True)
            if gateway not in lan.subnet or gateway == lan.gateway:
                message = f"{gateway} is no neighbour of the router on the LAN {lan.subnet}"
                fix = "use the address of a machine there, for example the host's"
                yield PathProblem(path, message, fix)


def forwards(topology: Topology) -> Iterator[PathProblem]:
    """Yield networks between which the host cannot forward."""
    host = topology.scenario.host
    present = {adapter.network.name for adapter in topology.nodes[HOST].adapters}
    networks = [
        name for name, network in topology.networks.items() if (network.lan or name) in present
    ]
    for key, names in (("forwards", host.forwards), ("forward_allows", host.forward_allows)):
        for index, name in enumerate(names):
            if name not in networks:
                what = f"the host has no adapter on '{name}'"
                yield PathProblem(("host", key, index), what, instead(name, networks))
    joined = {
        (name in topology.networks and topology.networks[name].lan) or name
        for name in host.forwards
    }
    if len(joined) == 1:
        path: DataPath = ("host", "forwards")
        yield PathProblem(path, "one network is not enough to forward", "name two or more")
    if host.forward_allows and not host.rules and host.forward_policy is not ChainPolicy.DROP:
        path = ("host", "forward_allows")
        message = "nothing keeps forwarded packets out that could be let pass"
        fix = "add `rules` or `forward_policy: drop`"
        yield PathProblem(path, message, fix, on_key=True, is_warning=True)
