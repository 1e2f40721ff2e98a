"""What concerns several values of a scenario together: names, subnets, addresses, expectations.

Each check yields findings: the path of the value that is wrong, what is
wrong, and what to do. A check never stops at the first finding.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Network
from itertools import combinations

from netlab.scenario import addressing, expectation, ipv6
from netlab.scenario.document import Path
from netlab.scenario.mode import VMWARE, Mode, Place
from netlab.scenario.model import (
    AUTOMATIC,
    Adapter,
    Answer,
    HostAdapter,
    LanDhcp,
    Nic,
    Scenario,
    Vmnet,
)
from netlab.scenario.names import VMNET_NAME
from netlab.scenario.topology import (
    HOST,
    HOTSPOT,
    INTERNET,
    LAN,
    ROUTER,
    WAN,
    WIFI,
    Leg,
    Network,
    Role,
    hotspot,
    installation,
    natural,
    private_name,
    resolve,
    router_of,
    wan_of,
)

RESERVED = (HOST, ROUTER, INTERNET, LAN, WAN, HOTSPOT)
MAX_LANS = 16
"""So many pieces of 16 addresses does the lab's Internet have."""
MAX_VMNET = 255
"""VMware's Linux driver has 256 slots (VNET_NUM_VNETS in vnetInt.h)."""
INTERFACE_LENGTH = 15
WINDOWS_VMNETS = 20
"""vmnet0 to vmnet19 (Workstation's Virtual Network Editor on Windows)."""
BRIDGE_PORTS = 1023
"""A Linux bridge takes no more ports."""


@dataclass(frozen=True)
class Finding:
    """Something wrong at `path`; `on_key` says that the key itself is what is wrong."""

    path: Path
    what: str
    fix: str
    on_key: bool = False
    is_warning: bool = False
    """It works here, but not with VMware, or not as one may think."""


@dataclass(frozen=True)
class _Claim:
    """An address of the file, or one that VMware takes by itself (`path` is then the network's)."""

    path: Path
    who: str
    address: IPv4Address
    network: str
    guest: str = ""
    """The VM in which a VM's guest was installed: its copies may share addresses, as they do."""


def check(scenario: Scenario, declared: set[str]) -> Iterator[Finding]:
    """Every finding but the expectations'. `declared` are the vmnets that the file names, right or wrong."""
    yield from _names(scenario)
    yield from _vmnets(scenario)
    yield from _several_nat(scenario)
    yield from _numbers(scenario)
    yield from _dhcp(scenario)
    yield from _forwards(scenario)
    yield from _host_nics(scenario)
    yield from _nics(scenario, declared)
    yield from _overlaps(scenario)
    yield from _ipv6(scenario)
    yield from _host_twice(scenario)
    yield from _routes(scenario)
    yield from _addresses(scenario)
    yield from _copies(scenario)
    yield from _guests(scenario)
    yield from _bridges(scenario)
    yield from _host_forwards(scenario)
    yield from _macs(scenario)
    yield from _sizes(scenario)


def check_expectations(scenario: Scenario) -> Iterator[Finding]:
    """Findings in `expect`: unknown names, idle rules, pairs without an expectation."""
    for problem in expectation.problems(resolve(scenario)):
        path: Path = ("expect", *problem.path)
        yield Finding(path, problem.what, problem.fix, on_key=path == ("expect",))


def check_endpoint_names(scenario: Scenario, nodes: Collection[str]) -> Iterator[Finding]:
    """Unknown names in `expect`, for a file of which a part is cut out; `nodes` are all that it names."""
    for problem in expectation.unknown_names(scenario.expect, nodes):
        yield Finding(("expect", *problem.path), problem.what, problem.fix)


def _names(scenario: Scenario) -> Iterator[Finding]:
    seen: dict[str, str] = {}
    named: list[tuple[Path, str]] = [(("lans", name), name) for name in scenario.lans]
    for lan in scenario.all_lans:
        named += [((*_path(lan), "peers", name), name) for name in scenario.all_lans[lan].peers]
    named += [(("host", HOTSPOT, name), name) for name in hotspot(scenario)]
    named += [(("vms", name), name) for name in scenario.vms]
    named += [(("segments", name), name) for name in scenario.segments]
    own = {name_of(lan) for lan in scenario.lans for name_of in (router_of, wan_of)}
    own |= set(RESERVED)
    for path, name in named:
        lower = name.lower()
        if lower in own or lower.startswith("vmnet"):
            yield Finding(path, f"'{name}' is netlab's own name", "call it something else", True)
        elif lower in seen:
            yield Finding(
                path, f"'{name}' and '{seen[lower]}' are one name", "rename one of them", True
            )
        seen.setdefault(lower, name)


def _vmnets(scenario: Scenario) -> Iterator[Finding]:
    bridged: dict[str, str] = {}
    for name, vmnet in scenario.vmnets.items():
        path: Path = ("vmnets", name)
        yield from _network_name(scenario, name, vmnet)
        yield from _settings(scenario, name)
        if not vmnet.mode.on_lan:
            if vmnet.own_subnet is None:
                yield Finding(
                    path,
                    f"{name} is {vmnet.mode.value} and has no subnet",
                    "add for example `subnet: 192.168.99.0/24`",
                    True,
                )
            for key in ("nic", "excluded"):
                if getattr(vmnet, key):
                    what = f"only a bridged network has {'a ' if key == 'nic' else ''}`{key}`"
                    yield Finding((*path, key), what, "remove it", True)
            continue
        if vmnet.subnet is not None:
            yield Finding(
                (*path, "subnet"),
                f"{name} is bridged: it is on the LAN's subnet",
                "remove `subnet`, or change lan.subnet",
                True,
            )
        cards = scenario.cards
        if not cards:
            continue  # Told of the host already.
        nic = vmnet.nic or cards[0]
        if vmnet.excluded and nic != AUTOMATIC:
            what = "only an automatic bridge has cards that are `excluded`"
            yield Finding((*path, "excluded"), what, "remove it, or add `nic: automatic`", True)
        for named in (nic, *vmnet.excluded):
            if named not in cards and named != AUTOMATIC:
                yield Finding(
                    (*path, "nic" if named == nic else "excluded"),
                    f"the host has no network card '{named}'",
                    f"use one of: {', '.join(cards)}",
                )
        if nic == AUTOMATIC and AUTOMATIC in bridged:
            yield Finding(
                path,
                f"{bridged[nic]} is automatic already; a card can be bridged to one vmnet",
                f"name a card of this one's: {', '.join(cards)}",
                True,
            )
        elif nic in bridged:
            yield Finding(
                path,
                f"{nic} is already bridged to {bridged[nic]}; a card can be bridged to one vmnet",
                f"put the VMs on {bridged[nic]}",
                True,
            )
        bridged.setdefault(nic, name)


def _settings(scenario: Scenario, name: str) -> Iterator[Finding]:
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
            yield Finding(("vmnets", name, key), what, "remove it, or use another mode", True)
    if vmnet.nat and mode.nat_device and mode.product is not VMWARE:
        for key in sorted(vmnet.nat.model_fields_set - {"forwards"}):
            what = f"of {mode.product.name}'s NAT only `forwards` can be set here"
            yield Finding(("vmnets", name, "nat", key), what, "remove it", True)
    adapter = vmnet.adapter
    if adapter and adapter.gateway and vmnet.subnet and adapter.gateway not in vmnet.subnet:
        yield Finding(
            ("vmnets", name, "adapter", "gateway"),
            f"the gateway {adapter.gateway} is outside {name}'s {vmnet.subnet}",
            "a gateway must be a neighbour: use an address of the subnet",
        )


def _dhcp(scenario: Scenario) -> Iterator[Finding]:
    """Ranges and reservations that do not fit into their networks."""
    for network in resolve(scenario).vmnets:
        if network.dhcp is None:
            continue
        path: Path = ("vmnets", network.name, "dhcp")
        where = f"{network.name}'s {network.subnet}"
        server = addressing.dhcp_server(network.subnet)
        ends = network.dhcp.range or ()
        for address in ends:
            if address not in network.subnet:
                yield Finding(
                    (*path, "range"),
                    f"the DHCP range's {address} is outside {where}",
                    "use addresses of the subnet, or remove `range`",
                )
        if ends and ends[0] <= server <= ends[1]:
            what = f"the DHCP range leases {server}, which is the DHCP server's own"
            yield Finding((*path, "range"), what, f"let it end at {server - 1}")
        if network.dhcp.lease > network.dhcp.max_lease:
            what = f"a lease of {network.dhcp.lease} s is longer than `max_lease`"
            yield Finding((*path, "lease"), what, "make it shorter, or `max_lease` longer")
        yield from _reservations(scenario, network, (*path, "reservations"))


def _reservations(scenario: Scenario, network: Network, path: Path) -> Iterator[Finding]:
    assert network.dhcp
    for who, address in network.dhcp.reservations.items():
        asking = [
            nic
            for vm, _, nic in _all_nics(scenario)
            if vm == who and nic.network == network.name and nic.address is None
        ]
        if not asking and not re.fullmatch(r"([0-9A-Fa-f]{2}:){5}[0-9A-Fa-f]{2}", who):
            what = f"no VM '{who}' asks {network.name}'s DHCP for an address"
            fix = "name a VM with an adapter there and no static address, or a MAC"
            yield Finding((*path, who), what, fix, True)
        if address not in network.subnet:
            what = f"{who}'s address {address} is outside {network.name}'s {network.subnet}"
            yield Finding((*path, who), what, f"use an address of {network.subnet}")


def _forwards(scenario: Scenario) -> Iterator[Finding]:
    """A port of the host is one program's, and a forward leads to a VM behind that NAT device."""
    taken: dict[tuple[str, int], str] = {}
    if scenario.host.proxy:
        taken["tcp", scenario.host.proxy.port] = "its proxy"
    for name, vmnet in scenario.vmnets.items():
        if vmnet.nat is None or vmnet.own_subnet is None:
            continue
        for protocol, forwards in (
            ("tcp", vmnet.nat.forwards.tcp),
            ("udp", vmnet.nat.forwards.udp),
        ):
            for port, target in forwards.items():
                path: Path = ("vmnets", name, "nat", "forwards", protocol, str(port))
                if owner := taken.get((protocol, port)):
                    what = (
                        f"the host's {protocol} port {port} is taken twice: by {owner} and {name}"
                    )
                    yield Finding(path, what, "use another port of the host", True)
                taken.setdefault((protocol, port), name)
                yield from _forward_target(scenario, name, vmnet.own_subnet, target, path)


def _forward_target(
    scenario: Scenario, name: str, subnet: IPv4Network, target: str, path: Path
) -> Iterator[Finding]:
    who, _, port = target.partition(":")
    if int(port) > 65535:
        yield Finding(path, f"there is no port {port}", "use 1 to 65535")
    private = scenario.vmnets[name].mode.private
    if private and who[0].isdigit():
        what = f"each VM on {name} has a network of its own, and each may be {who}"
        yield Finding(path, what, "name a VM")
        return
    if who[0].isdigit():
        try:
            inside = IPv4Address(who) in subnet
        except ValueError:
            inside = False
        if not inside:
            what = f"{who} is no address of {name}'s {subnet}"
            yield Finding(path, what, "name a VM, or an address of the subnet")
        return
    nics = [nic for vm, _, nic in _all_nics(scenario) if vm == who and nic.network == name]
    served = private or resolve(scenario).networks[name].leases
    if not any(nic.address or served for nic in nics):
        what = f"no VM '{who}' has an address on {name}"
        yield Finding(path, what, "name a VM with an adapter there, or an address")


def _several_nat(scenario: Scenario) -> Iterator[Finding]:
    nat = [name for name, vmnet in scenario.vmnets.items() if vmnet.mode is Mode.NAT]
    for name in nat[1:]:
        what = f"{name} is a NAT network beside {nat[0]}: VMware Workstation on Windows allows one"
        fix = "put the VMs on one of them if it shall work there"
        yield Finding(("vmnets", name), what, fix, True, True)


def _network_name(scenario: Scenario, name: str, vmnet: Vmnet) -> Iterator[Finding]:
    path: Path = ("vmnets", name)
    is_vmnet = re.fullmatch(VMNET_NAME, name) is not None
    if vmnet.mode.product is VMWARE:
        if not is_vmnet:
            yield Finding(
                path,
                f"'{name}' is no valid name",
                "VMware's networks are called vmnet0, vmnet1, … vmnet255",
                True,
            )
        elif int(name.removeprefix("vmnet")) > MAX_VMNET:
            yield Finding(path, f"VMware has vmnet0 to vmnet{MAX_VMNET}", "use one of these", True)
        elif int(name.removeprefix("vmnet")) >= WINDOWS_VMNETS:
            what = (
                f"VMware on Windows has vmnet0 to vmnet{WINDOWS_VMNETS - 1}; {name} is Linux only"
            )
            yield Finding(path, what, "use one of these if it shall work on both", True, True)
        return
    product = vmnet.mode.product.name
    if name.startswith("vmnet"):
        what = f"'{name}' is a name of VMware's, and {vmnet.mode.value} is {product}'s"
        yield Finding(path, what, "call it as that product does", True)
    if name in RESERVED or re.fullmatch("eth[0-9]*", name):
        yield Finding(path, f"'{name}' is netlab's own name", "call it something else", True)
    if (subnet := vmnet.own_subnet) and subnet.prefixlen > 24:
        what = f"{vmnet.mode.value} has addresses that need 24 bits, and {subnet} is smaller"
        yield Finding((*path, "subnet"), what, "use a /24 or a larger subnet")
    same = [*scenario.vms, *scenario.lan.peers]
    if name in same:
        yield Finding(path, f"'{name}' is a machine too", "rename one of them", True)
    if (
        vmnet.mode.serves_itself
        and vmnet.mode.host_adapter
        and (vmnet.adapter and vmnet.adapter != HostAdapter())
    ):
        yield Finding(
            (*path, "adapter"),
            f"the host's adapter is {name}'s gateway and DHCP server",
            "remove `adapter`",
            True,
        )


def _numbers(scenario: Scenario) -> Iterator[Finding]:
    """A network without a number has one that is made of its name: the cable's to its NAT device."""
    taken: dict[int, Network] = {}
    for network in resolve(scenario).vmnets:
        if network.mode and network.mode.nat_device:
            other = taken.setdefault(network.number, network)
            if other is not network:
                name = next(one for one in scenario.vmnets if network.name.startswith(one))
                what = f"netlab makes the same number of the names {other.name} and {network.name}"
                yield Finding(("vmnets", name), what, "rename one of the networks", True)


def _nics(scenario: Scenario, declared: set[str]) -> Iterator[Finding]:
    subnets, served = _subnets(scenario), _served_by_guests(scenario)
    for vm, index, nic in _all_nics(scenario):
        path: Path = ("vms", vm, "nics", index)
        if nic.network not in declared:
            yield Finding(
                path,
                f"nobody defined the network '{nic.network}'",
                "define it under vmnets or segments, or use one of:"
                f" {', '.join(sorted(declared, key=natural))}",
            )
        for key in ("incoming", "outgoing"):
            way = getattr(nic, key)
            if way.jitter > way.latency:
                what = f"{way.jitter:g} ms more or less than {way.latency:g} ms cannot be"
                yield Finding((*path, key, "jitter"), what, "give a `latency` that is not smaller")
        if nic.address is None:
            for key in ("gateway", "dns"):
                if getattr(nic, key) is not None:
                    yield Finding(
                        (*path, key),
                        f"`{key}` without `address`: DHCP gives it",
                        f"add `address`, or remove `{key}`",
                        True,
                    )
        elif nic.released:
            what = "a static adapter has no lease that could be given back"
            yield Finding((*path, "released"), what, "remove `released`, or `address`", True)
        segment = scenario.segments.get(nic.network)
        if nic.address and segment and segment.subnet is None:
            yield Finding(
                (*path, "address"),
                f"nobody knows to which subnet of {nic.network} {nic.address} belongs",
                f"add `subnet: {IPv4Network((int(nic.address), 24), strict=False)}` to the segment",
            )
        vmnet = scenario.vmnets.get(nic.network)
        given = vmnet and (vmnet.mode.leases or nic.network in served)
        if vmnet and not nic.address and not given:
            what = f"nobody answers DHCP on {nic.network}, which is {vmnet.mode.value}"
            yield Finding(path, what, "give the adapter an `address`")
        if vmnet and vmnet.mode.private:
            own = private_name(nic.network, vm, index)
            if len(own) > INTERFACE_LENGTH:
                what = f"{vm} has a network of its own, '{own}', and a name has {INTERFACE_LENGTH} letters"
                yield Finding(path, what, "shorten the name of the network or of the VM")
        if subnet := subnets.get(nic.network):
            yield from _gateway(nic, subnet, (*path, "gateway"))


def _served_by_guests(scenario: Scenario) -> set[str]:
    """And networks that DHCP may come into from others, over a VM that bridges."""
    bridged = {nic.network for vm in scenario.vms.values() if vm.bridges for nic in vm.nics}
    return bridged | {vm.nics[0].network for vm in scenario.vms.values() if vm.dhcp_server}


def _gateway(nic: Nic, subnet: IPv4Network, path: Path) -> Iterator[Finding]:
    if not nic.address or not nic.gateway:
        return
    if nic.gateway not in subnet:
        yield Finding(
            path,
            f"the gateway {nic.gateway} is outside {nic.network}'s {subnet}",
            "a gateway must be a neighbour: use an address of the subnet",
        )
    elif nic.gateway in (subnet.network_address, subnet.broadcast_address, nic.address):
        yield Finding(
            path,
            f"{nic.gateway} cannot be the gateway: it is the subnet's first or last address, or the VM's own",
            "use another machine's address",
        )


def _all_nics(scenario: Scenario) -> Iterator[tuple[str, int, Nic]]:
    for vm, machine in scenario.vms.items():
        for index, nic in enumerate(machine.nics):
            yield vm, index, nic


def _subnets(scenario: Scenario) -> dict[str, IPv4Network]:
    """Every network's subnet, the bridged ones' being that of their card's LAN.

    VirtualBox's NAT makes a network for each adapter; all have the subnet that the file names.
    """
    own = {n: vmnet.own_subnet for n, vmnet in scenario.vmnets.items() if vmnet.own_subnet}
    networks = resolve(scenario).networks.items()
    return own | {name: network.subnet for name, network in networks if network.numbered}


def _path(lan: str) -> Path:
    """Where a LAN stands in the file."""
    return (LAN,) if lan == LAN else ("lans", lan)


def _host_nics(scenario: Scenario) -> Iterator[Finding]:
    for name, card in scenario.host.nics.items():
        if card.lan not in scenario.all_lans:
            yield Finding(
                ("host", "nics", name, "lan"),
                f"nobody defined the LAN '{card.lan}'",
                f"define it under lans, or use one of: {', '.join(scenario.all_lans)}",
            )
        if name not in scenario.cards and not card.address:
            yield Finding(
                ("host", "nics", name),
                f"{name} is the end of a VPN, which gives it an address",
                f"add `address`, one of {scenario.all_lans.get(card.lan, scenario.lan).subnet}",
                True,
            )
    yield from _sharing(scenario)
    if not scenario.cards:
        what = "a VPN needs a card to go through"
        yield Finding(("host", "nics"), what, "add for example `eth0: {}`", True)
    for lan, its in scenario.all_lans.items():
        path = _path(lan)
        if its.logged_in and not its.login:
            what = "nobody has to log in here"
            yield Finding((*path, "logged_in"), what, "add `login: true`, or remove it", True)
        known = {HOST, *its.peers, *scenario.vms}
        for index, machine in enumerate(its.logged_in):
            if machine not in known:
                yield Finding(
                    (*path, "logged_in", index),
                    f"'{machine}' is no machine that could log in",
                    f"use one of: {', '.join(sorted(known))}",
                )
        if isinstance(its.dhcp, LanDhcp):
            ends = its.dhcp.range
            if ends[0] > ends[1] or not all(one in its.subnet for one in ends):
                yield Finding(
                    (*path, "dhcp", "range"),
                    f"{ends[0]} to {ends[1]} is no range of {its.subnet}",
                    "write the first address, then the last: [192.168.1.128, 192.168.1.131]",
                )
    if len(scenario.lans) > MAX_LANS:
        yield Finding(
            ("lans",),
            f"{len(scenario.lans)} further LANs; the lab's Internet has room for {MAX_LANS}",
            "leave some out",
            True,
        )


def _overlaps(scenario: Scenario) -> Iterator[Finding]:
    ranges: list[tuple[Path, str, IPv4Network]] = [
        ((), "the lab's Internet", scenario.lan.internet),
    ]
    if scenario.lans:
        ranges.append(((), "the lab's Internet", addressing.PROVIDERS))
    own = len(ranges)
    for name, lan in scenario.all_lans.items():
        who = "the LAN" if name == LAN else f"the LAN {name}"
        ranges.append(((*_path(name), "subnet"), who, lan.subnet))
    for name, vmnet in scenario.vmnets.items():
        if subnet := vmnet.own_subnet:
            ranges.append((("vmnets", name, "subnet"), name, subnet))
    for name, segment in scenario.segments.items():
        if segment.subnet:
            ranges.append((("segments", name, "subnet"), name, segment.subnet))
    if scenario.host.hotspot is not None and not scenario.host.shares:
        ranges.append((("host", HOTSPOT), "the host's hot spot", addressing.SHARED))
    tunnelled = {(*_path(lan), "subnet") for lan in _behind_vpns(scenario)}
    segments: dict[object, str] = {
        name: one.joined for name, one in resolve(scenario).networks.items() if one.joined
    }
    for (place, first, one), (path, second, other) in combinations(ranges, 2):
        bridged = place and segments.get(path[-2]) == segments.get(place[-2], "")
        if bridged or not one.overlaps(other):
            continue
        # Nothing keeps a LAN from using a vmnet's addresses.
        if path[:1] == ("vmnets",) and place[-1:] == ("subnet",) and place[:1] != path[:1]:
            if place not in tunnelled:
                yield Finding(
                    path,
                    f"{second}'s {other} overlaps with {first}'s {one}: machines of the one take those"
                    " of the other for neighbours, and do not reach them",
                    "choose another subnet, unless that is what you want to see",
                    is_warning=True,
                )
        else:
            yield Finding(
                path,
                f"{second}'s {other} overlaps with {first}'s {one}",
                "choose another subnet for one of them",
            )
    for server, address in scenario.internet.servers.items():
        for _, who, subnet in ranges[own:]:
            if address in subnet:
                yield Finding(
                    ("internet", "servers", server),
                    f"{address} is inside {who}'s {subnet}",
                    "give the server a public address",
                )


def _ipv6(scenario: Scenario) -> Iterator[Finding]:
    """Prefixes that nobody would advertise or route, or that are taken."""
    networks = resolve(scenario).networks
    for name, lan in scenario.all_lans.items():
        path: Path = (*_path(name), "ipv6")
        if lan.ipv6 and lan.ipv6.subnet_of(ipv6.PRIVATE):
            fix = "use a public one, for example 2001:db8:1::/64"
            yield Finding(path, f"no provider leads to the private prefix {lan.ipv6}", fix)
        for network in networks.values():
            wireless = network.mode and network.nic and network.nic.startswith(WIFI)
            if lan.ipv6 and wireless and network.lan == name:
                where = f"{network.name} is bridged to {network.nic}"
                what = f"{where}: IPv6 over a Wi-Fi bridge is not emulated"
                yield Finding(path, what, "remove it, or bridge to a wired card")
    for name, vmnet in scenario.vmnets.items():
        if vmnet.ipv6:
            yield from _prefix_of(name, vmnet, networks.get(name))
    yield from _prefix_overlaps(scenario, networks)


def _prefix_of(name: str, vmnet: Vmnet, network: Network | None) -> Iterator[Finding]:
    path: Path = ("vmnets", name, "ipv6")
    if vmnet.mode.on_lan:
        what = f"{name} is bridged: it has the LAN's prefix"
        yield Finding(path, what, "remove `ipv6`, or give one to the LAN", True)
    elif vmnet.mode.product is not VMWARE:
        yield Finding(path, f"{vmnet.mode.value} has IPv4 only in netlab", "remove `ipv6`", True)
    elif vmnet.ipv6 is True and not vmnet.mode.nat_device:
        what = f"VMware has a prefix of its own for NAT only, and {name} is {vmnet.mode.value}"
        yield Finding(path, what, "write one, for example fd00:1::/64")
    elif network and not vmnet.mode.nat_device and not network.has_dhcp_server:
        what = f"nobody advertises a prefix on {name}: it has no DHCP server"
        yield Finding(path, what, "add `dhcp: true`, or remove `ipv6`", True)


def _prefix_overlaps(scenario: Scenario, networks: dict[str, Network]) -> Iterator[Finding]:
    owners: dict[IPv6Network, str] = {ipv6.INTERNET: "the lab's Internet"}
    owners |= {ipv6.provider(number): "the lab's Internet" for number in range(MAX_LANS)}
    wanted = [((*_path(name), "ipv6"), name, lan.ipv6) for name, lan in scenario.all_lans.items()]
    for name in scenario.vmnets:
        network = networks.get(name)
        if network and not (network.mode and network.mode.on_lan):
            wanted.append((("vmnets", name, "ipv6"), name, network.prefix))
    for path, name, prefix in wanted:
        if prefix is None:
            continue
        if prefix.subnet_of(ipv6.UPLINKS):
            owners[prefix] = "the cables of NAT devices"
        if prefix in owners:
            what = f"{prefix} is taken twice: by {owners[prefix]} and by {name}"
            yield Finding(path, what, "choose another prefix for one of them")
        owners.setdefault(prefix, name)


def _host_twice(scenario: Scenario) -> Iterator[Finding]:
    """What has the address of a host adapter is out of the host's reach, wherever it is: it is itself."""
    legs = resolve(scenario).nodes[HOST].legs
    own = {leg.address.ip: leg.network for leg in legs if leg.address and not leg.network.outside}
    for claim in _claims(scenario):
        if claim.network in scenario.all_lans and (there := own.get(claim.address)):
            yield Finding(
                ("vmnets", there.name),
                f"{claim.address} is taken twice: by {claim.who} and by the host adapter of {there.name}",
                "give one of them another address: the host would talk to itself",
                True,
            )


def _sharing(scenario: Scenario) -> Iterator[Finding]:
    """Windows gives the adapter that it shares with 192.168.137.1, whatever it had before."""
    name = scenario.host.shares
    if name is None:
        return
    vmnet = scenario.vmnets.get(name)
    path: Path = ("host", "shares")
    if scenario.host.hotspot is not None:
        what = f"Windows shares with one network: the hot spot, or {name}"
        yield Finding(path, what, "remove `shares` or `hotspot`", True)
    shareable = [
        one
        for one, its in scenario.vmnets.items()
        if its.mode is Mode.HOSTONLY and (its.adapter or HostAdapter()).state is not Adapter.NONE
    ]
    if vmnet is None or name not in shareable:
        what = f"{name} is no host-only network with a host adapter"
        known = ", ".join(shareable)
        yield Finding(path, what, f"use one of: {known}" if known else "define one under vmnets")
    elif vmnet.subnet and vmnet.subnet != addressing.SHARED:
        yield Finding(
            ("vmnets", name, "subnet"),
            f"Windows gives a shared adapter {addressing.SHARED[1]}, which is not in {vmnet.subnet}",
            f"use `subnet: {addressing.SHARED}`, as the Virtual Network Editor has to be told",
        )


def _behind_vpns(scenario: Scenario) -> set[str]:
    """LANs that the host reaches by VPNs only."""
    nics = scenario.host.nics
    near = {LAN, *(nics[card].lan for card in scenario.cards)}
    return {card.lan for card in nics.values()} - near


def _routes(scenario: Scenario) -> Iterator[Finding]:
    for name, lan in scenario.all_lans.items():
        for subnet, gateway in lan.routes.items():
            path: Path = (*_path(name), "routes", str(subnet))
            if gateway not in lan.subnet or gateway == lan.gateway:
                what = f"{gateway} is no neighbour of the router on the LAN {lan.subnet}"
                fix = "use the address of a machine there, for example the host's"
                yield Finding(path, what, fix)


def _addresses(scenario: Scenario) -> Iterator[Finding]:
    subnets = _subnets(scenario)
    segments = {name: one.segment for name, one in resolve(scenario).networks.items()}
    taken: dict[tuple[str, IPv4Address], _Claim] = {}
    for claim in _claims(scenario):
        subnet = subnets.get(claim.network)
        segment = segments.get(claim.network, claim.network)
        if subnet is None:
            continue
        if claim.address not in subnet:
            yield Finding(
                claim.path,
                f"{claim.who}'s address {claim.address} is outside {claim.network}'s {subnet}",
                f"use an address of {subnet}",
            )
        elif claim.address in (subnet.network_address, subnet.broadcast_address):
            which = "network" if claim.address == subnet.network_address else "broadcast"
            yield Finding(
                claim.path,
                f"{claim.address} is the {which} address of {subnet}",
                f"use {subnet[1]} to {subnet[-2]}",
            )
        elif (owner := taken.get((segment, claim.address))) and not _twins(owner, claim):
            yield Finding(
                claim.path,
                f"{claim.address} is taken twice: by {owner.who} and by {claim.who}",
                "give one of them another address",
            )
        taken.setdefault((segment, claim.address), claim)


def _twins(one: _Claim, other: _Claim) -> bool:
    return bool(one.guest) and one.guest == other.guest and one.who != other.who


def _claims(scenario: Scenario) -> Iterator[_Claim]:
    """Who has which address; VMware's own first, so that a clash is reported at the file's."""
    yield from _own_claims(scenario)
    for lan, its in scenario.all_lans.items():
        yield _Claim((*_path(lan), "router"), router_of(lan), its.gateway, lan)
    yield _Claim(("lan", "public"), "the router's public side", scenario.lan.public, WAN)
    servers = scenario.internet.servers
    for address in dict.fromkeys(servers.values()):
        name = next(name for name in servers if servers[name] == address)
        if address in scenario.lan.internet or address == next(iter(servers.values())):
            yield _Claim(("internet", "servers", name), name, address, WAN)
    for lan, its in scenario.all_lans.items():
        for peer, machine in its.peers.items():
            if machine.address:
                yield _Claim((*_path(lan), "peers", peer), peer, machine.address, lan)
    if scenario.host.hotspot is not None:
        own = addressing.host_adapter(addressing.SHARED)
        yield _Claim(("host", HOTSPOT), "the host adapter of the hot spot", own, HOTSPOT)
    for device, machine in hotspot(scenario).items():
        if machine.address:
            yield _Claim(("host", HOTSPOT, device), device, machine.address, HOTSPOT)
    for nic, card in scenario.host.nics.items():
        if card.address:
            yield _Claim(("host", "nics", nic), f"the host's {nic}", card.address, card.lan)
    yield from _reserved_claims(scenario)
    for vm, index, adapter_ in _all_nics(scenario):
        if adapter_.address:
            path = ("vms", vm, "nics", index, "address")
            guest = installation(scenario, vm)
            yield _Claim(path, vm, adapter_.address, adapter_.network, guest)


def _copies(scenario: Scenario) -> Iterator[Finding]:
    for vm, machine in scenario.vms.items():
        path: Path = ("vms", vm)
        if machine.answer is Answer.MOVED and machine.uuid:
            what, fix = "a VM that was moved keeps its original's UUID", "remove `uuid`"
            yield Finding((*path, "uuid"), what, fix, True)
        if machine.copy_of is None:
            if machine.answer is Answer.MOVED:
                what = "VMware asks about a copy only, and this VM is none"
                yield Finding(
                    (*path, "answer"), what, "add `copy_of: VM`, or remove `answer`", True
                )
        elif machine.copy_of not in scenario.vms:
            fix = f"use one of: {', '.join(other for other in scenario.vms if other != vm)}"
            yield Finding((*path, "copy_of"), f"there is no VM '{machine.copy_of}'", fix)
        elif installation(scenario, vm) == vm:
            what, fix = f"the copies go round in a circle at {vm}", "one of them is the original"
            yield Finding((*path, "copy_of"), what, fix)


def _guests(scenario: Scenario) -> Iterator[Finding]:
    for vm, machine in scenario.vms.items():
        path: Path = ("vms", vm)
        if machine.dhcp_server and machine.nics[0].address is None:
            what = f"{vm} serves DHCP on {machine.nics[0].network} and has no address there"
            yield Finding((*path, "dhcp_server"), what, "add `address` to its first adapter", True)
        if machine.forwards and len(machine.nics) == 1:
            what, fix = f"{vm} has one adapter: there is nothing to forward to", "add an adapter"
            yield Finding((*path, "forwards"), what, fix, True)
        for port in {port for port in machine.listens if machine.listens.count(port) > 1}:
            yield Finding((*path, "listens"), f"{port} is there twice", "keep only one of them")
        if machine.proxy and f"tcp:{machine.proxy.port}" in machine.listens:
            what = f"tcp:{machine.proxy.port} is the proxy's"
            yield Finding((*path, "listens"), what, "remove it, or give the proxy another port")
        if machine.dhcp_server and "udp:67" in machine.listens:
            what = "udp:67 is the DHCP server's"
            yield Finding((*path, "listens"), what, "remove it, or `dhcp_server`")


def _bridges(scenario: Scenario) -> Iterator[Finding]:
    """Nobody speaks spanning tree: frames would go round in a circle for ever."""
    segments: dict[str, str] = {}

    def segment(name: str) -> str:
        while name in segments:
            name = segments[name]
        return name

    networks = resolve(scenario).networks
    for vm, machine in scenario.vms.items():
        if not machine.bridges:
            continue
        path: Path = ("vms", vm, "bridges")
        if len(machine.nics) == 1:
            what = f"{vm} has one adapter: there is nothing to bridge it with"
            yield Finding(path, what, "add an adapter", True)
        if machine.forwards:
            what = f"{vm} is a bridge between its adapters, or a router: one address, or one each"
            yield Finding(path, what, "remove `bridges` or `forwards`", True)
        for index, nic in enumerate(machine.nics):
            if index and nic.address:
                what = f"{vm}'s bridge has the address of eth0, and eth{index} has none"
                yield Finding(("vms", vm, "nics", index, "address"), what, "remove it")
            there = networks.get(nic.network)
            # Two LANs would be one with two routers and two DHCP servers.
            here, name = segment(vm), segment(LAN if there and there.lan else nic.network)
            if here == name:
                what = f"frames would go round in a circle between {vm} and {nic.network} for ever"
                if name == segment(LAN):
                    what = f"{vm} would bridge a LAN with itself or another, over {nic.network}"
                fix = "plug it into another network, or let one VM less bridge"
                yield Finding(("vms", vm, "nics", index), what, fix)
            else:
                segments[here] = name


def _host_forwards(scenario: Scenario) -> Iterator[Finding]:
    path: Path = ("host", "forwards")
    networks = resolve(scenario).vmnets
    own = [LAN, *(net.name for net in networks if net.adapter.state is not Adapter.NONE)]
    for index, name in enumerate(scenario.host.forwards):
        if name not in own:
            fix = f"use some of: {', '.join(own)}"
            yield Finding((*path, index), f"the host has no adapter on '{name}'", fix)
    if len(set(scenario.host.forwards)) == 1:
        yield Finding(path, "one network is not enough to forward", "name two or more")


def _own_claims(scenario: Scenario) -> Iterator[_Claim]:
    """Addresses that a product takes by itself, or that are set in their place."""
    for name, vmnet in scenario.vmnets.items():
        mode, subnet, adapter = vmnet.mode, vmnet.own_subnet, vmnet.adapter
        if subnet is None:
            continue
        has_adapter = adapter.state is not Adapter.NONE if adapter else not mode.bare
        has_dhcp = vmnet.dhcp.on if vmnet.dhcp else not mode.bare
        wanted: list[tuple[str, Place | None, IPv4Address | None, Path]] = [
            ("DHCP server", mode.dhcp_server if has_dhcp else None, None, ()),
            ("address of the host", mode.host_at, None, ()),
        ]
        if has_adapter:
            own = adapter.address if adapter else None
            wanted.insert(0, ("host adapter", mode.host_adapter, own, ("adapter", "address")))
        own = vmnet.nat.gateway if vmnet.nat else None
        wanted.insert(-2, ("NAT device", mode.nat_device, own, ("nat", "gateway")))
        if mode.dns not in (mode.host_adapter, mode.nat_device):
            wanted.insert(-1, ("name server", mode.dns, None, ()))
        taken = set()
        for what, place, own, key in wanted:
            if place is None:
                continue
            address = own or place(subnet)
            if address not in taken or own:
                taken.add(address)
                path: Path = ("vmnets", name, *(key if own else ("subnet",)))
                yield _Claim(path, f"the {what} of {name}", address, name)


def _reserved_claims(scenario: Scenario) -> Iterator[_Claim]:
    for network in resolve(scenario).vmnets:
        if network.dhcp:
            for who, address in network.dhcp.reservations.items():
                if address in network.subnet:
                    path = ("vmnets", network.name, "dhcp", "reservations", who)
                    yield _Claim(path, f"the reservation for {who}", address, network.name)


def _macs(scenario: Scenario) -> Iterator[Finding]:
    owner: dict[str, tuple[str, str]] = {}
    """MAC to whose it is, and the VM in which its guest was installed."""
    for node in resolve(scenario).nodes.values():
        for leg in node.legs:
            who, guest = leg.name, ""
            if node.role is Role.VM:
                who, guest = node.name, installation(scenario, node.name)
                other, original = owner.get(leg.mac, ("", guest))
                if other == who or original != guest:
                    what = f"{leg.mac} is taken twice: by {other} and by {who}"
                    yield _duplicate_mac(scenario, node.name, leg, what)
            owner.setdefault(leg.mac, (who, guest))


def _duplicate_mac(scenario: Scenario, vm: str, leg: Leg, what: str) -> Finding:
    """At what it comes from: the adapter's own MAC, or the VM's UUID."""
    machine, index = scenario.vms[vm], int(leg.interface.removeprefix("eth"))
    if machine.nics[index].mac:
        fix = "give one of them another MAC, or leave it out"
        return Finding(("vms", vm, "nics", index, "mac"), what, fix)
    fix = (
        f"give one of them another UUID, or make it a copy: `copy_of` and `answer: {Answer.MOVED}`"
    )
    return Finding(("vms", vm, "uuid") if machine.uuid else ("vms", vm), what, fix)


def _sizes(scenario: Scenario) -> Iterator[Finding]:
    for name in (*scenario.vmnets, *scenario.segments):
        ports = sum(nic.network == name for _, _, nic in _all_nics(scenario))
        if ports > BRIDGE_PORTS - 3:
            yield Finding(
                ("vmnets" if name in scenario.vmnets else "segments", name),
                f"{ports} adapters on {name}: a Linux bridge takes {BRIDGE_PORTS} ports, 3 of them"
                " for the host, NAT and DHCP",
                "spread the VMs over several vmnets",
                True,
            )
    clients: dict[IPv4Network, int] = {}
    for _, network in _dhcp_clients(scenario):
        vmnet = scenario.vmnets.get(network)
        if vmnet and (vmnet.mode.private or not vmnet.mode.leases):
            continue
        if subnet := _subnets(scenario).get(network):
            clients[subnet] = clients.get(subnet, 0) + 1
    networks = resolve(scenario).networks
    for name, subnet in _subnets(scenario).items():
        vmnet = scenario.vmnets.get(name)
        if vmnet and vmnet.mode.private:
            continue
        first, last = networks[name].pool
        room = int(last) - int(first) + 1
        at_lan = name in scenario.all_lans
        chosen = at_lan and isinstance(scenario.all_lans[name].dhcp, LanDhcp)
        if clients.get(subnet, 0) > room and not chosen:
            path: Path = (*_path(name), "subnet") if at_lan else ("vmnets", name)
            yield Finding(
                path,
                f"{clients.pop(subnet)} adapters ask DHCP on {subnet}, which leases {room} addresses"
                f" ({first} to {last})",
                "give some of them an address, or use a larger subnet",
                True,
                is_warning=networks[name].dhcp is not None,
            )


def _dhcp_clients(scenario: Scenario) -> Iterator[tuple[str, str]]:
    """Machines that ask DHCP, and on which network."""
    for lan, its in scenario.all_lans.items():
        yield from ((name, lan) for name, peer in its.peers.items() if not peer.address)
    yield from ((HOST, nic.lan) for nic in scenario.host.nics.values() if not nic.address)
    served = {network.name for network in resolve(scenario).networks.values() if network.leases}
    for vm, _, nic in _all_nics(scenario):
        if not nic.address and nic.network in served:
            yield vm, nic.network
