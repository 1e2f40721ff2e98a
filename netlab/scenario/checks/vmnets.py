"""Virtual networks: what their mode allows to be said of them."""

from __future__ import annotations

from collections.abc import Iterator

from netlab.scenario.checks.lookup import KeysAt
from netlab.scenario.checks.names import network_name
from netlab.scenario.mode import VMWARE, Mode
from netlab.scenario.model import AUTOMATIC, Scenario
from netlab.scenario.text.paths import DataPath, PathProblem
from netlab.scenario.topology import Network, Topology
from netlab.suggest import instead


def vmnets(scenario: Scenario, keys_at: KeysAt) -> Iterator[PathProblem]:
    """Subnets, cards and settings that a network of this mode cannot have."""
    bridged: dict[str, str] = {}
    for name, vmnet in scenario.vmnets.items():
        path: DataPath = ("vmnets", name)
        yield from network_name(scenario, name, vmnet)
        yield from _settings(scenario, name, keys_at)
        if not vmnet.mode.on_lan:
            if vmnet.own_subnet is None:
                yield PathProblem(
                    path,
                    f"{name} is {vmnet.mode.value} and has no subnet",
                    "add for example `subnet: 192.168.99.0/24`",
                    True,
                )
            for key in ("nic", "excluded"):
                if getattr(vmnet, key):
                    what = f"only a bridged network has {'a ' if key == 'nic' else ''}`{key}`"
                    yield PathProblem((*path, key), what, "remove it", True)
            continue
        yield from _bridged(scenario, name, bridged)


def _bridged(scenario: Scenario, name: str, bridged: dict[str, str]) -> Iterator[PathProblem]:
    """`bridged` are cards, and the vmnets that have them."""
    vmnet, path = scenario.vmnets[name], ("vmnets", name)
    if vmnet.subnet is not None:
        yield PathProblem(
            (*path, "subnet"),
            f"{name} is bridged: it is on the LAN's subnet",
            "remove `subnet`, or change lan.subnet",
            True,
        )
    cards = scenario.cards
    if not cards:
        return  # Told of the host already.
    nic = vmnet.nic or cards[0]
    if vmnet.excluded and nic != AUTOMATIC:
        what = "only an automatic bridge has cards that are `excluded`"
        yield PathProblem((*path, "excluded"), what, "remove it, or add `nic: automatic`", True)
    for named in (nic, *vmnet.excluded):
        if named not in cards and named != AUTOMATIC:
            yield PathProblem(
                (*path, "nic" if named == nic else "excluded"),
                f"the host has no network card '{named}'",
                instead(named, cards),
            )
    if nic == AUTOMATIC and AUTOMATIC in bridged:
        yield PathProblem(
            path,
            f"{bridged[nic]} is automatic already; a card can be bridged to one vmnet",
            f"name a card of this one's: {', '.join(cards)}",
            True,
        )
    elif nic in bridged:
        yield PathProblem(
            path,
            f"{nic} is already bridged to {bridged[nic]}; a card can be bridged to one vmnet",
            f"put the VMs on {bridged[nic]}",
            True,
        )
    bridged.setdefault(nic, name)


def _settings(scenario: Scenario, name: str, keys_at: KeysAt) -> Iterator[PathProblem]:
    """What is said of something that a network of this mode does not have."""
    vmnet = scenario.vmnets[name]
    mode = vmnet.mode
    own = {
        "adapter": mode.host_adapter,
        "dhcp": mode.dhcp_server if mode.product is VMWARE else None,
        "nat": mode.nat_device,
    }
    for key, place in own.items():
        if getattr(vmnet, key) is not None and place is None:
            what = f"{name} is {vmnet.mode.value}, and has no `{key}`"
            yield PathProblem(("vmnets", name, key), what, "remove it, or use another mode", True)
    if vmnet.nat and mode.nat_device:
        keys = keys_at("vmnets", name, "nat")
        settable = {"forwards", "localhost_reachable"}
        if mode.product is VMWARE:
            settable = keys - {"localhost_reachable"}
        for key in sorted(keys - settable):
            what = f"{mode.product.name}'s NAT has no `{key}` that could be set here"
            yield PathProblem(("vmnets", name, "nat", key), what, "remove it", True)
    adapter = vmnet.adapter
    if adapter and adapter.gateway and vmnet.subnet and adapter.gateway not in vmnet.subnet:
        yield PathProblem(
            ("vmnets", name, "adapter", "gateway"),
            f"the gateway {adapter.gateway} is outside {name}'s {vmnet.subnet}",
            "a gateway must be a neighbour: use an address of the subnet",
        )


def several_nat(scenario: Scenario) -> Iterator[PathProblem]:
    """VMware Workstation on Windows has one NAT network."""
    nat = [name for name, vmnet in scenario.vmnets.items() if vmnet.mode is Mode.NAT]
    for name in nat[1:]:
        what = f"{name} is a NAT network beside {nat[0]}: VMware Workstation on Windows allows one"
        fix = "put the VMs on one of them if it shall work there"
        yield PathProblem(("vmnets", name), what, fix, True, True)


def numbers(topology: Topology) -> Iterator[PathProblem]:
    """A network without a number has one that is made of its name: the cable's to its NAT device."""
    taken: dict[int, Network] = {}
    for network in topology.vmnets:
        if network.mode and network.mode.nat_device:
            other = taken.setdefault(network.number, network)
            if other is not network:
                name = next(one for one in topology.scenario.vmnets if network.name.startswith(one))
                what = f"netlab makes the same number of the names {other.name} and {network.name}"
                yield PathProblem(("vmnets", name), what, "rename one of the networks", True)
