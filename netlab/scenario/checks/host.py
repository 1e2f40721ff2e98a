"""The host and the physical networks: cards, LANs, sharing, routes."""

from __future__ import annotations

from collections.abc import Iterator

from netlab.scenario.addresses import pools
from netlab.scenario.checks.lookup import called, lan_path
from netlab.scenario.mode import Mode
from netlab.scenario.model import HostAdapter, HostAdapterState, Scenario
from netlab.scenario.names import card_kind, card_number
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
    yield from _numbers(scenario)
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


def _numbers(scenario: Scenario) -> Iterator[PathProblem]:
    """Yield cards whose default routes would have one metric, since their names make the same number."""
    taken: dict[tuple[str, int], str] = {}
    for name in scenario.cards:
        first = taken.setdefault((card_kind(name), card_number(name)), name)
        if scenario.host.nics[first].lan != scenario.host.nics[name].lan:
            message = f"netlab makes the same number of the names {first} and {name}"
            yield PathProblem(
                ("host", "nics", name), message, "rename one of the cards", on_key=True
            )


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
    path: DataPath = ("host", "forwards")
    forwards = topology.scenario.host.forwards
    networks = list(
        dict.fromkeys(adapter.network.name for adapter in topology.nodes[HOST].adapters)
    )
    for index, name in enumerate(forwards):
        if name not in networks:
            what = f"the host has no adapter on '{name}'"
            yield PathProblem((*path, index), what, instead(name, networks))
    if len(set(forwards)) == 1:
        yield PathProblem(path, "one network is not enough to forward", "name two or more")
