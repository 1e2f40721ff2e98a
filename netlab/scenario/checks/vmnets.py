"""Virtual networks: the settings that their mode allows."""

from __future__ import annotations

from collections.abc import Iterator

from netlab.scenario.checks.lookup import KeysAt, written_name
from netlab.scenario.checks.names import network_name
from netlab.scenario.mode import VMWARE, Mode
from netlab.scenario.model import AUTOMATIC, Scenario
from netlab.scenario.names import WIFI, card_kind
from netlab.scenario.text.paths import DataPath, PathProblem
from netlab.scenario.topology import Network, Topology
from netlab.suggest import instead


def vmnets(scenario: Scenario, keys_at: KeysAt) -> Iterator[PathProblem]:
    """Yield subnets, cards and settings that a network of its mode cannot have."""
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
                    on_key=True,
                )
            for key in ("nic", "excluded"):
                if getattr(vmnet, key):
                    message = f"only a bridged network has {'a ' if key == 'nic' else ''}`{key}`"
                    yield PathProblem((*path, key), message, "remove it", on_key=True)
            continue
        yield from _bridged(scenario, name, bridged)
        if vmnet.mode.product is not VMWARE:
            yield from _linux_only(scenario, name)
    yield from _several_bridges_of_the_host(scenario)


def _bridged(scenario: Scenario, name: str, bridged: dict[str, str]) -> Iterator[PathProblem]:
    """Yield what is wrong with a bridged vmnet; `bridged` are cards, and the vmnets that have them."""
    vmnet, path = scenario.vmnets[name], ("vmnets", name)
    if vmnet.subnet is not None:
        yield PathProblem(
            (*path, "subnet"),
            f"{name} is bridged: it is on the LAN's subnet",
            "remove `subnet`, or change lan.subnet",
            on_key=True,
        )
    cards = scenario.cards
    if not cards:
        return  # Reported of the host already.
    nic = vmnet.nic or cards[0]
    if vmnet.excluded and nic != AUTOMATIC:
        message = "only an automatic bridge has cards that are `excluded`"
        yield PathProblem(
            (*path, "excluded"), message, "remove it, or add `nic: automatic`", on_key=True
        )
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
            on_key=True,
        )
    elif nic in bridged:
        yield PathProblem(
            path,
            f"{nic} is already bridged to {bridged[nic]}; a card can be bridged to one vmnet",
            f"put the VMs on {bridged[nic]}",
            on_key=True,
        )
    bridged.setdefault(nic, name)


def _linux_only(scenario: Scenario, name: str) -> Iterator[PathProblem]:
    """Yield what Linux' own ways to a card do not have: a choice of the card, and Wi-Fi."""
    vmnet, path = scenario.vmnets[name], ("vmnets", name)
    if vmnet.nic == AUTOMATIC:
        yield PathProblem(
            (*path, "nic"),
            f"only VMware's bridged networks choose a card; {name} is {vmnet.mode.value}",
            f"name one: {', '.join(scenario.cards)}",
        )
    elif card_kind(vmnet.nic or next(iter(scenario.cards), "eth0")) == WIFI:
        yield PathProblem(
            path,
            f"{name} is {vmnet.mode.value}, and a Wi-Fi card carries no frames of other MAC addresses",
            "use a wired card: `nic: eth0`",
            on_key=True,
        )


def _several_bridges_of_the_host(scenario: Scenario) -> Iterator[PathProblem]:
    """Yield bridges of the host beside the first: a lab's host has one."""
    bridges = [name for name, vmnet in scenario.vmnets.items() if vmnet.mode.in_host]
    for name in bridges[1:]:
        yield PathProblem(
            ("vmnets", name),
            f"{name} is a second bridge of the host, beside {bridges[0]}: netlab builds one",
            f"put the VMs on {bridges[0]}, or use another mode",
            on_key=True,
        )


def _settings(scenario: Scenario, name: str, keys_at: KeysAt) -> Iterator[PathProblem]:
    """Yield settings of a part that a network of this mode does not have."""
    vmnet = scenario.vmnets[name]
    mode = vmnet.mode
    parts = {
        "adapter": mode.host_adapter,
        "dhcp": mode.dhcp_keys,
        "nat": mode.nat_device,
    }
    for key, part in parts.items():
        if getattr(vmnet, key) is not None and not part:
            message = f"{name} is {vmnet.mode.value}, and has no `{key}`"
            yield PathProblem(
                ("vmnets", name, key), message, "remove it, or use another mode", on_key=True
            )
    if vmnet.br_netfilter and not mode.in_host:
        message = f"{name} is {mode.value}: its frames meet no rules of the host"
        yield PathProblem(
            ("vmnets", name, "br_netfilter"),
            message,
            "remove it, or use the mode host-bridge",
            on_key=True,
        )
    yield from _dhcp(scenario, name, keys_at)
    if vmnet.nat and mode.nat_device:
        keys = keys_at("vmnets", name, "nat")
        settable = {"forwards", "hairpin", "localhost_reachable", "ports"}
        if mode.product is VMWARE:
            settable = keys - {"localhost_reachable"}
        for key in sorted(keys - settable):
            message = f"{mode.product.name}'s NAT has no `{key}` that could be set here"
            yield PathProblem(("vmnets", name, "nat", key), message, "remove it", on_key=True)
    adapter = vmnet.adapter
    if adapter and adapter.gateway and vmnet.subnet and adapter.gateway not in vmnet.subnet:
        yield PathProblem(
            ("vmnets", name, "adapter", "gateway"),
            f"the gateway {adapter.gateway} is outside {name}'s {vmnet.subnet}",
            "a gateway must be a neighbour: use an address of the subnet",
        )


def _dhcp(scenario: Scenario, name: str, keys_at: KeysAt) -> Iterator[PathProblem]:
    """Yield settings of DHCP that the network's product does not have."""
    vmnet = scenario.vmnets[name]
    settable = vmnet.mode.dhcp_keys
    if not (vmnet.dhcp and settable):
        return
    path: DataPath = ("vmnets", name, "dhcp")
    if not vmnet.dhcp.on and "on" not in settable:
        message = f"{vmnet.mode.value} always serves DHCP"
        fix = "remove it; `stopped: [dhcp]` stops what serves it"
        yield PathProblem(path, message, fix, on_key=True)
    for key in sorted(keys_at(*map(str, path)) - settable - {"on"}):
        message = f"{vmnet.mode.value} has no `{key}` of DHCP that could be set"
        fix = f"remove it; there are: {', '.join(sorted(settable))}"
        yield PathProblem((*path, key), message, fix, on_key=True)


def several_nat(scenario: Scenario) -> Iterator[PathProblem]:
    """Warn of more than one NAT network: VMware Workstation on Windows has one."""
    nat = [name for name, vmnet in scenario.vmnets.items() if vmnet.mode is Mode.NAT]
    for name in nat[1:]:
        message = (
            f"{name} is a NAT network beside {nat[0]}: VMware Workstation on Windows allows one"
        )
        fix = "put the VMs on one of them if it shall work there"
        yield PathProblem(("vmnets", name), message, fix, on_key=True, is_warning=True)


def numbers(topology: Topology) -> Iterator[PathProblem]:
    """Yield names that make the same number: that of the cable between a NAT device and the host."""
    taken: dict[int, Network] = {}
    for network in topology.vmnets:
        if network.mode and network.mode.nat_device:
            first = taken.setdefault(network.number, network)
            if first is not network:
                name = written_name(topology.scenario, network)
                message = (
                    f"netlab makes the same number of the names {first.name} and {network.name}"
                )
                yield PathProblem(
                    ("vmnets", name), message, "rename one of the networks", on_key=True
                )
