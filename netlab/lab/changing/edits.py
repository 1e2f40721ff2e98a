"""A running lab's scenario with something changed, checked; `apply` brings the lab there."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network
from typing import TYPE_CHECKING, Any

from netlab.errors import Problem, ScenarioError, UsageError
from netlab.scenario.loader import edited
from netlab.scenario.ports import ForwardedPorts, forwarded_ports
from netlab.scenario.text import edit
from netlab.scenario.topology import Role
from netlab.suggest import instead

if TYPE_CHECKING:
    from netlab.lab.labs import Lab
    from netlab.scenario.loaded import LoadedScenario
    from netlab.scenario.topology import Adapter


def set_value(lab: Lab, target: str, settings: dict[str, str]) -> LoadedScenario:
    """Return the lab's scenario with keys of `target` set, checked; an empty value takes its key out.

    Raises ScenarioError, UsageError. See `scenario.text.edit.assign`.
    """
    return _edited(lab, edit.assign(lab.source.data, target, settings))


def add_vm(lab: Lab, name: str, networks: list[str]) -> LoadedScenario:
    """Return the lab's scenario with another VM, checked. Raises ScenarioError."""
    return _edited(lab, edit.add_vm(lab.source.data, name, networks))


def clone_vm(lab: Lab, vm: str, name: str, kept: bool) -> LoadedScenario:
    """Return the lab's scenario with a copy of a VM, checked.

    The copy has the VM's UUID and MACs if they are `kept`, as VMware leaves them after "I moved it".
    Raises ScenarioError, UsageError.
    """
    return _edited(lab, edit.clone_vm(lab.source.data, vm, name, kept))


def remove_vm(lab: Lab, name: str) -> LoadedScenario:
    """Return the lab's scenario without one of its VMs, checked. Raises ScenarioError, UsageError."""
    return _edited(lab, edit.remove_vm(lab.source.data, name))


def release_lease(lab: Lab, target: str) -> LoadedScenario:
    """Return the lab's scenario with the lease of a VM (`vm1`), or of an adapter (`vm1.eth0`), given back.

    As `dhclient -r` and `ipconfig /release` do it. Raises UsageError if no DHCP client runs there.
    """
    data = lab.source.data
    for adapter in clients(lab, target):
        if lab.topology.nodes[adapter.node].role is not Role.VM:
            what = f"{adapter.node} is no VM: its lease cannot be given back"
            raise UsageError(what, f"`sudo netlab dhcp renew {target}` lets it ask anew")
        data = edit.assign(data, f"{adapter.node}.{adapter.interface}", {"released": "true"})
    return _edited(lab, data)


def renew_lease(lab: Lab, target: str) -> LoadedScenario:
    """Return the lab's scenario with what `release_lease` gave back asked for again. Raises UsageError."""
    data = lab.source.data
    for adapter in clients(lab, target):
        if adapter.released:
            data = edit.assign(data, f"{adapter.node}.{adapter.interface}", {"released": ""})
    return _edited(lab, data)


def clients(lab: Lab, target: str) -> list[Adapter]:
    """List the adapters of `target` that are configured by DHCP. Raises UsageError if there are none."""
    name, _, interface = target.partition(".")
    node = lab.topology.nodes.get(name)
    if node is None:
        machines = [endpoint.name for endpoint in lab.topology.endpoints]
        raise UsageError(f"there is no machine '{name}'", instead(name, machines))
    adapters = [adapter for adapter in node.adapters if interface in ("", adapter.interface)]
    if not adapters:
        names = [f"{name}.{adapter.interface}" for adapter in node.adapters]
        raise UsageError(f"there is no adapter '{target}'", instead(target, names))
    if by_dhcp := [adapter for adapter in adapters if adapter.by_dhcp]:
        return by_dhcp
    settable = node.role in (Role.VM, Role.HOST)
    raise UsageError(
        f"{target} has no address from DHCP: it is static",
        f"`sudo netlab set {name}.{adapters[0].interface} address=` lets it ask for one"
        if settable
        else "it asks for one if the scenario gives it none: see `netlab apply --help`",
    )


def add_forward(
    lab: Lab, protocol: str, port: int | str, target: str, network: str | None = None
) -> LoadedScenario:
    """Return the lab's scenario with another port that leads to a machine, checked: the host's or, if
    `network` is a LAN, its router's.

    `port` may be several (`8000-8010`), and at an address (`127.0.0.1:2222`). `target` is a machine or an
    address, and a port: `vm1:80`. Raises UsageError if it is not clear which network is meant; ScenarioError.
    """
    owner = network or _forwarding_network(lab, target.partition(":")[0])
    ports = _ports(port)
    return _edited(lab, edit.add_forward(lab.source.data, owner, protocol, ports, target))


def remove_forward(
    lab: Lab, protocol: str, port: int | str, network: str | None = None
) -> LoadedScenario:
    """Return the lab's scenario without a port that leads to a machine, checked: the host's or, if it has no
    such port, a router's.

    Raises UsageError.
    """
    ports = _ports(port)
    return _edited(lab, edit.remove_forward(lab.source.data, protocol, ports, network))


def _ports(text: int | str) -> ForwardedPorts:
    try:
        return forwarded_ports(str(text))
    except ValueError as error:
        raise UsageError(f"'{text}' is no port: it {error}", "write 8080 or 5353/udp") from error


def _forwarding_network(lab: Lab, machine: str) -> str:
    """Name the NAT network that a VM (or an address) is on, the LAN that a machine is on, or the only one."""
    scenario = lab.source.scenario
    translated = [name for name, vmnet in scenario.vmnets.items() if vmnet.mode.nat_device]
    if machine in scenario.vms:
        networks = [nic.network for nic in scenario.vms[machine].nics]
    else:
        subnets = {name: vmnet.own_subnet for name, vmnet in scenario.vmnets.items()}
        networks = [
            name for name, subnet in subnets.items() if subnet and _is_inside(machine, subnet)
        ]
    candidates = [name for name in translated if name in networks]
    candidates = candidates or _lans_of(lab, machine) or translated
    if len(candidates) == 1:
        return candidates[0]
    if not candidates:
        raise UsageError(f"the lab '{lab.name}' has no NAT network", "only a NAT device forwards")
    raise UsageError("several NAT networks could be meant", f"name one of: {', '.join(candidates)}")


def _lans_of(lab: Lab, machine: str) -> list[str]:
    """Name the LANs that a machine, or an address, is on."""
    return [
        name
        for name, lan in lab.source.scenario.all_lans.items()
        if _is_inside(machine, lan.subnet)
        or any(
            adapter.node == machine
            for adapter in lab.topology.neighbours(lab.topology.networks[name])
        )
    ]


def _is_inside(text: str, subnet: IPv4Network) -> bool:
    try:
        return IPv4Address(text) in subnet
    except ValueError:
        return False


def _edited(lab: Lab, data: dict[str, Any]) -> LoadedScenario:
    """Check edited data. Problems have no file and line: nobody has the text in which that would be."""
    try:
        source = edited(lab.source, data)
    except ScenarioError as error:
        by_sentence = {problem.sentence: problem for problem in _without_file(error.problems)}
        raise ScenarioError(list(by_sentence.values())) from error
    return replace(source, warnings=_without_file(source.warnings))


def _without_file(problems: Iterable[Problem]) -> tuple[Problem, ...]:
    return tuple(replace(problem, file="") for problem in problems)
