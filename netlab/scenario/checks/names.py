"""Names of machines and networks."""

from __future__ import annotations

import re
from collections.abc import Iterator

from netlab.scenario.checks.lookup import adapters, lan_path
from netlab.scenario.mode import VMWARE
from netlab.scenario.model import HostAdapter, Scenario, Vmnet
from netlab.scenario.names import VMNET_NAME
from netlab.scenario.text.paths import DataPath, PathProblem
from netlab.scenario.topology import (
    HOST,
    HOTSPOT,
    INTERNET,
    LAN,
    ROUTER,
    WAN,
    hotspot,
    private_name,
    router_of,
    wan_of,
)

RESERVED = (HOST, ROUTER, INTERNET, LAN, WAN, HOTSPOT)
NO_INTERFACE = ("all", "default", "lo")
"""Linux refuses such bridges: these are folders of /proc/sys/net/ipv4/conf, and the loopback."""
MAX_MACHINES = 4096
"""netlab was measured with 1,000; pairs are the square of it."""


def names(scenario: Scenario) -> Iterator[PathProblem]:
    """Yield names that are taken twice, or netlab's own."""
    taken: dict[str, str] = {}
    names_at: list[tuple[DataPath, str]] = [(("lans", name), name) for name in scenario.lans]
    vmnets = scenario.vmnets.items()
    names_at += [
        (("vmnets", name), name) for name, vmnet in vmnets if vmnet.mode.product is not VMWARE
    ]
    for lan in scenario.all_lans:
        names_at += [
            ((*lan_path(lan), "peers", name), name) for name in scenario.all_lans[lan].peers
        ]
    names_at += [(("host", HOTSPOT, name), name) for name in hotspot(scenario)]
    names_at += [(("vms", name), name) for name in scenario.vms]
    names_at += [(("segments", name), name) for name in scenario.segments]
    reserved = {name_of(lan) for lan in scenario.lans for name_of in (router_of, wan_of)}
    reserved |= {*RESERVED, *_private_networks(scenario)}
    servers = {f"{name}-{server}" for name in (*scenario.vmnets, *reserved) for server in _SERVERS}
    machines = sum(path[0] not in ("lans", "vmnets", "segments") for path, _ in names_at)
    if machines > MAX_MACHINES:
        yield PathProblem(
            ("vms",), f"{machines:,} machines", f"netlab has room for {MAX_MACHINES:,}", on_key=True
        )
    for path, name in names_at:
        lower = name.lower()
        if path[0] in ("lans", "segments"):
            yield from _no_interface(path, name, path[0].removesuffix("s"))
        if path[0] == "vmnets" and lower.startswith("vmnet"):
            mode = scenario.vmnets[name].mode
            message = f"'{name}' is a name of VMware's, and {mode.value} is {mode.product.name}'s"
            yield PathProblem(path, message, "call it as that product does", on_key=True)
        elif (
            lower in reserved
            or lower in servers
            or lower.startswith("vmnet")
            or _is_card(path, lower, scenario)
        ):
            yield PathProblem(
                path, f"'{name}' is netlab's own name", "call it something else", on_key=True
            )
        elif lower in taken:
            existing = taken[lower]
            twice = f"'{name}' is used twice"
            message = twice if name == existing else f"'{name}' and '{existing}' are one name"
            yield PathProblem(path, message, "rename one of them", on_key=True)
        taken.setdefault(lower, name)


_SERVERS = ("nat", "dhcp")
"""Ends of the names of a network's NAT device and DHCP server."""


def _private_networks(scenario: Scenario) -> Iterator[str]:
    """Yield the names, in small letters, of networks that adapters have for themselves."""
    for vm, index, nic in adapters(scenario):
        network = scenario.vmnets.get(nic.network)
        if network and network.mode.private:
            yield private_name(nic.network, vm, index).lower()


def _is_card(path: DataPath, name: str, scenario: Scenario) -> bool:
    """Return whether a network has the name of a card: the host has an interface for both."""
    reserved = re.fullmatch("(eth|wlan|vpn)[0-9]*", name) is not None
    return path[0] == "vmnets" and (reserved or name in scenario.host.nics)


def _no_interface(path: DataPath, name: str, kind: str) -> Iterator[PathProblem]:
    """Yield a name that no Linux bridge can have; `kind` is the first word of one that is possible."""
    if name in NO_INTERFACE:
        message = f"the kernel allows no interface called '{name}'"
        yield PathProblem(path, message, f"call it {kind}-{name}", on_key=True)


MAX_VMNET = 255
"""VMware's Linux driver has 256 slots (VNET_NUM_VNETS in vnetInt.h)."""


WINDOWS_VMNETS = 20
"""vmnet0 to vmnet19 (Workstation's Virtual Network Editor on Windows)."""


def network_name(scenario: Scenario, name: str, vmnet: Vmnet) -> Iterator[PathProblem]:
    """Yield a name that a network of this mode cannot have, and settings that its product fixes."""
    path: DataPath = ("vmnets", name)
    is_vmnet = re.fullmatch(VMNET_NAME, name) is not None
    if vmnet.mode.product is VMWARE:
        if not is_vmnet:
            yield PathProblem(
                path,
                f"'{name}' is no valid name",
                "VMware's networks are called vmnet0, vmnet1, … vmnet255",
                on_key=True,
            )
        elif int(name.removeprefix("vmnet")) > MAX_VMNET:
            yield PathProblem(
                path, f"VMware has vmnet0 to vmnet{MAX_VMNET}", "use one of these", on_key=True
            )
        elif int(name.removeprefix("vmnet")) >= WINDOWS_VMNETS:
            message = (
                f"VMware on Windows has vmnet0 to vmnet{WINDOWS_VMNETS - 1}; {name} is Linux only"
            )
            yield PathProblem(
                path,
                message,
                "use one of these if it shall work on both",
                on_key=True,
                is_warning=True,
            )
        return
    if not vmnet.mode.private:
        yield from _no_interface(path, name, vmnet.mode.value.partition("-")[0])
    if (subnet := vmnet.own_subnet) and subnet.prefixlen > 24:
        message = f"{vmnet.mode.value} has addresses that need 24 bits, and {subnet} is smaller"
        yield PathProblem((*path, "subnet"), message, "use a /24 or a larger subnet")
    if (
        vmnet.mode.serves_itself
        and vmnet.mode.host_adapter
        and (vmnet.adapter and vmnet.adapter != HostAdapter())
    ):
        yield PathProblem(
            (*path, "adapter"),
            f"the host's adapter is {name}'s gateway and DHCP server",
            "remove `adapter`",
            on_key=True,
        )
