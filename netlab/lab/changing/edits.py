"""A running lab's scenario with something changed, checked; `live.apply` brings the lab there."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network
from typing import TYPE_CHECKING, Any

from netlab.errors import Problem, ScenarioError, UsageError
from netlab.suggest import instead

if TYPE_CHECKING:
    from netlab.lab.lifecycle import Lab
    from netlab.scenario.loaded import LoadedScenario
    from netlab.scenario.topology import Adapter


def set_value(lab: Lab, target: str, settings: dict[str, str]) -> LoadedScenario:
    """The lab's scenario with some values changed (see `scenario.edit.assign`), checked."""
    from netlab.scenario.text import edit

    return _edited(lab, edit.assign(lab.source.data, target, settings))


def set_targets(lab: Lab) -> list[str]:
    """What `set_value` can change something of."""
    from netlab.scenario.text import edit

    return edit.targets(lab.source.data)


def networks(lab: Lab) -> list[str]:
    """What an adapter can be plugged into."""
    scenario = lab.source.scenario
    return [*scenario.vmnets, *scenario.segments]


def keys(lab: Lab, target: str) -> list[str]:
    """The keys of a target."""
    from netlab.scenario import vocabulary
    from netlab.scenario.text import edit

    return vocabulary.keys(edit.place(lab.source.data, target))


def values(lab: Lab, target: str, key: str) -> list[str]:
    """The values of a target's key, where there are few."""
    from netlab.scenario import vocabulary
    from netlab.scenario.text import edit

    if key == "network":
        return networks(lab)
    return vocabulary.values((*edit.place(lab.source.data, target), key))


def add_vm(lab: Lab, name: str, networks: list[str]) -> LoadedScenario:
    """The lab's scenario with another VM, checked."""
    from netlab.scenario.text import edit

    return _edited(lab, edit.add_vm(lab.source.data, name, networks))


def clone_vm(lab: Lab, vm: str, name: str, kept: bool) -> LoadedScenario:
    """The lab's scenario with a copy of a VM; `kept`: with its UUID and MACs, as "I moved it"."""
    from netlab.scenario.text import edit

    return _edited(lab, edit.clone_vm(lab.source.data, vm, name, kept))


def remove_vm(lab: Lab, name: str) -> LoadedScenario:
    """The lab's scenario without one of its VMs, checked."""
    from netlab.scenario.text import edit

    return _edited(lab, edit.remove_vm(lab.source.data, name))


def release_lease(lab: Lab, target: str) -> LoadedScenario:
    """The lab's scenario with the lease of a VM (`vm1`), or of one adapter (`vm1.eth0`), given back.

    As `dhclient -r` and `ipconfig /release` do it. Raises UsageError if no DHCP client runs there.
    """
    from netlab.scenario.text import edit
    from netlab.scenario.topology import Role

    data = lab.source.data
    for adapter in clients(lab, target):
        if lab.topology.nodes[adapter.node].role is not Role.VM:
            what = f"{adapter.node} is no VM: its lease cannot be given back"
            raise UsageError(what, f"`sudo netlab dhcp renew {target}` lets it ask anew")
        data = edit.assign(data, f"{adapter.node}.{adapter.interface}", {"released": "true"})
    return _edited(lab, data)


def renew_lease(lab: Lab, target: str) -> LoadedScenario:
    """The lab's scenario with what `release_lease` gave back asked for again. Raises UsageError."""
    from netlab.scenario.text import edit

    data = lab.source.data
    for adapter in clients(lab, target):
        if adapter.released:
            data = edit.assign(data, f"{adapter.node}.{adapter.interface}", {"released": ""})
    return _edited(lab, data)


def clients(lab: Lab, target: str) -> list[Adapter]:
    """The adapters that are configured by DHCP. Raises UsageError if there are none."""
    from netlab.scenario.topology import Role

    name, _, interface = target.partition(".")
    node = lab.topology.nodes.get(name)
    if node is None:
        known = [one.name for one in lab.topology.endpoints]
        raise UsageError(f"there is no machine '{name}'", instead(name, known))
    adapters = [adapter for adapter in node.adapters if interface in ("", adapter.interface)]
    if not adapters:
        its = [f"{name}.{adapter.interface}" for adapter in node.adapters]
        raise UsageError(f"there is no adapter '{target}'", instead(target, its))
    if clients := [adapter for adapter in adapters if adapter.by_dhcp]:
        return clients
    settable = node.role in (Role.VM, Role.HOST)
    raise UsageError(
        f"{target} has no address from DHCP: it is static",
        f"`sudo netlab set {name}.{adapters[0].interface} address=` lets it ask for one"
        if settable
        else "it asks for one if the scenario gives it none: see `netlab apply --help`",
    )


def add_forward(
    lab: Lab, protocol: str, port: int, target: str, network: str | None = None
) -> LoadedScenario:
    """The lab's scenario with another port of the host that leads to a VM, checked.

    `target` is a VM or an address, and a port: `vm1:80`. Raises UsageError if it is not clear which
    NAT network is meant; ScenarioError.
    """
    from netlab.scenario.text import edit

    vmnet = network or _nat_network(lab, target.partition(":")[0])
    return _edited(lab, edit.add_forward(lab.source.data, vmnet, protocol, port, target))


def remove_forward(lab: Lab, protocol: str, port: int) -> LoadedScenario:
    """The lab's scenario without a port that leads to a VM, checked. Raises UsageError."""
    from netlab.scenario.text import edit

    return _edited(lab, edit.remove_forward(lab.source.data, protocol, port))


def _nat_network(lab: Lab, vm: str) -> str:
    """The NAT network that a VM (or an address) is on, or the only one, as the scenario calls it."""
    scenario = lab.source.scenario
    translated = [name for name, one in scenario.vmnets.items() if one.mode.nat_device]
    if vm in scenario.vms:
        found = [nic.network for nic in scenario.vms[vm].nics]
    else:
        subnets = {name: one.own_subnet for name, one in scenario.vmnets.items()}
        found = [name for name, subnet in subnets.items() if subnet and _is_inside(vm, subnet)]
    meant = [name for name in translated if name in found] or translated
    if len(meant) == 1:
        return meant[0]
    if not meant:
        raise UsageError(f"the lab '{lab.name}' has no NAT network", "only a NAT device forwards")
    raise UsageError("several NAT networks could be meant", f"name one of: {', '.join(meant)}")


def _is_inside(text: str, subnet: IPv4Network) -> bool:
    try:
        return IPv4Address(text) in subnet
    except ValueError:
        return False


def _edited(lab: Lab, data: dict[str, Any]) -> LoadedScenario:
    """Problems have no place: nobody has the text in which it would be."""
    from netlab.scenario.loader import edited

    try:
        source = edited(lab.source, data)
    except ScenarioError as error:
        told = {problem.sentence: problem for problem in _without_place(error.problems)}
        raise ScenarioError(list(told.values())) from error
    return replace(source, warnings=_without_place(source.warnings))


def _without_place(problems: Iterable[Problem]) -> tuple[Problem, ...]:
    return tuple(replace(problem, file="") for problem in problems)
