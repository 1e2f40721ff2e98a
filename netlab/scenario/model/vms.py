"""Virtual machines and their adapters."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal
from uuid import UUID

from netlab.scenario.model.common import ALLOWS, LISTENS, OptionalProxy
from netlab.scenario.model.dhcp import Dhcp, Served
from netlab.scenario.model.marks import Valid, key, mapping
from netlab.scenario.model.nat import Forwards
from netlab.scenario.model.values import (
    MACHINE_ID,
    AddressAndMask,
    Bandwidth,
    ClientId,
    Exceptions,
    FirewallWords,
    Flag,
    Hosts,
    ListenPlace,
    Mac,
    Metric,
    MovedOrCopied,
    Mtu,
    NodeName,
    ReplyDelay,
    Switched,
    UsableAddress,
    VmnetName,
    VmNicName,
)


def _uuid(value: object) -> object:
    """Read a UUID, also as a .vmx file has it: `56 4d 6f 5c 0b 2d 8b 4b-de 5d …`."""
    if not isinstance(value, str):
        raise ValueError("must be text")
    digits = re.sub("[ -]", "", value).lower()
    if not re.fullmatch("[0-9a-f]{32}", digits):
        raise ValueError("must be a UUID like 564d6f5c-0b2d-8b4b-de5d-0123456dfadd")
    return UUID(digits)


def _nic(value: object) -> object:
    """Read a network's name, and `address: 10.0.0.5/16` as an address with a mask of its own."""
    if isinstance(value, str):
        return {"network": value}
    if isinstance(value, dict) and "mask" not in value:
        address, _, length = str(value.get("address")).partition("/")
        if length.isdecimal():
            return {**value, "address": address, "mask": int(length)}
    return value


def _vm_nat(value: object) -> object:
    return {"adapter": value} if isinstance(value, str) else value


def _dhcp_servers(value: object) -> object:
    """Read true as the first adapter, and a name or a list of names as servers with usual settings."""
    if isinstance(value, bool):
        return {"eth0": True} if value else {}
    names: Any = [value] if isinstance(value, str) else value
    if isinstance(names, list) and all(isinstance(name, str) for name in names):
        return dict.fromkeys(names, True)
    return names


@mapping
class Transfer:
    """One direction of an adapter, as on the page Advanced of VMware's adapter settings."""

    bandwidth: Bandwidth | None = key(
        default=None, description="Whole frames, in bits per second: 512kbit, 10mbit, 1gbit."
    )
    loss: Annotated[float, Valid(ge=0, le=100)] = key(
        default=0, description="Percent of the frames that get lost."
    )
    latency: Annotated[float, Valid(ge=0, le=10_000)] = key(
        default=0, description="Milliseconds; the kernel needs netem for it."
    )
    jitter: Annotated[float, Valid(ge=0, le=10_000)] = key(
        default=0, description="Milliseconds that the latency varies up and down by."
    )


@mapping
class Nic:
    """A VM's network adapter. Without an address, it is configured by DHCP."""

    network: VmnetName = key(description="The vmnet or LAN segment that it is plugged into.")
    address: UsableAddress | None = key(
        default=None, description="Static; without it, DHCP gives one."
    )
    mask: Annotated[int, Valid(ge=8, le=32, strict=True)] | None = key(
        default=None,
        description="Length of the address's mask, if it is not that of the network: 16; or written with"
        " the address, as 10.0.0.5/16.",
    )
    addresses: list[AddressAndMask] = key(
        default=[],
        description="Further addresses of a static NIC, each with the network's mask or one of its own:"
        " [10.0.0.6, 10.0.0.7/32].",
    )
    gateway: UsableAddress | None = key(
        default=None, description="Default gateway of a static NIC."
    )
    dns: UsableAddress | None = key(default=None, description="Name server of a static NIC.")
    metric: Metric | None = key(
        default=None,
        description="The metric of its default route; the lowest wins. Default: the first adapter wins; where"
        " another adapter has a metric, 100 for eth0, 101 for eth1 and so on, as NetworkManager's.",
    )
    default: Flag = key(
        default=True,
        description="false: the guest takes no default route by it, whatever DHCP tells"
        " (use-routes: false, never-default).",
    )
    mtu: Mtu | None = key(
        default=None, description="Bytes of an IP packet; default: its network's."
    )
    mac: Mac | None = key(
        default=None,
        description="Static; default: 00:0c:29 and the end of the VM's UUID, as VMware makes it.",
    )
    model: Literal["vlance", "e1000", "e1000e", "vmxnet", "vmxnet3"] | None = key(
        default=None, description="What kind of card the guest sees: a label, nothing more."
    )
    incoming: Transfer = key(default=Transfer(), description="How good the way to the VM is.")
    outgoing: Transfer = key(default=Transfer(), description="How good the way from the VM is.")
    connected: Flag = key(
        default=True,
        description="VMware's check mark Connected; false: the cable is pulled, and the guest takes the"
        " adapter's addresses and routes off.",
    )
    released: Flag = key(
        default=False,
        description="Its guest has given the lease back and asks for none: dhclient -r, ipconfig /release.",
    )
    promiscuous: Flag | None = key(
        default=None,
        description="Whether it may listen to frames for others; default: as its network says.",
    )
    mac_spoofing: Flag | None = key(
        default=None,
        description="Whether it may send with other MAC addresses than its own; default: as its network"
        " says.",
    )
    replicate: Flag = key(
        default=False,
        description="VMware's check mark Replicate physical network connection state: the adapter loses"
        " its link when the host's card does, and asks DHCP anew when that comes to another LAN.",
    )


@mapping
class VmNat:
    """NAT of a VM: what it forwards out by an adapter gets that adapter's address."""

    adapter: VmNicName = key(description="The adapter on its outer side: eth0, eth1, …")
    forwards: Forwards = key(
        default=Forwards(),
        description="Ports of its outer address that lead to machines behind it. Its firewall lets them in.",
    )


@mapping
class Vm:
    """A virtual machine with one to ten network adapters (eth0, eth1, …)."""

    nics: Annotated[
        list[Annotated[Nic, Valid(before=_nic, written=VmnetName | Nic)]],
        Valid(min_length=1, max_length=10),
    ]
    uuid: Annotated[UUID | None, Valid(before=_uuid, written=str)] = key(
        default=None,
        description="uuid.bios; the adapters' MACs are made of its end. Default: from the name.",
    )
    copy_of: NodeName | None = key(
        default=None,
        description="The VM of whose disk this one has a copy: the same guest, with its machine-id.",
    )
    answer: MovedOrCopied = key(
        default=MovedOrCopied.COPIED,
        description="To VMware's question about a copy. moved: it keeps UUID and MACs; copied, or"
        " made by the Clone command: it has new ones.",
    )
    client_id: ClientId = key(
        default=MACHINE_ID,
        description="By what its DHCP client identifies it. machine-id: as systemd-networkd does, so copies"
        " of one disk are one client, and get one address; mac: each adapter by its MAC"
        " (`dhcp-identifier: mac` of netplan); or any other identifier, bytes like 01:02:03 or a text.",
    )
    firewall: FirewallWords = key(
        default=[],
        description="What is kept out, unless it asked for it: icmp (ping), tcp, udp, tcp:22, all;"
        " on and off are all and nothing. With `nat`: what comes from outside, to it or to those"
        " behind it.",
    )
    allows: Exceptions = ALLOWS
    keeps_in: FirewallWords = key(
        default=[],
        description="With `nat`: what it does not let out from those behind it: icmp, tcp, udp, tcp:25, all.",
    )
    lets_out: Exceptions = key(
        default=[],
        description="What it lets out all the same: icmp, tcp, udp, tcp:443. A port that `keeps_in` names"
        " stays in.",
    )
    forwards: Flag = key(
        default=False, description="It is a router between its adapters (IP forwarding)."
    )
    nat: Annotated[VmNat, Valid(before=_vm_nat, written=VmNicName | VmNat)] | None = key(
        default=None,
        description="It is a router that translates, as pfSense, OPNsense and OpenWrt are: the adapter on"
        " its outer side, or {adapter, forwards}.",
    )
    bridges: Flag = key(
        default=False,
        description="It bridges its adapters, as Windows' Bridge Connections: their networks are one. Its"
        " own address is the first adapter's.",
    )
    listens: list[ListenPlace] = LISTENS
    hosts: Hosts = key(default={}, description="Lines of /etc/hosts: name and address.")
    ipv6: Switched = key(
        default=True,
        description="off: IPv6 is disabled in the guest. on: it has it where its networks have.",
    )
    proxy: OptionalProxy = key(
        default=None, description="An HTTP proxy that runs on it: its port, or {port, listen}."
    )
    dhcp_server: Annotated[
        dict[VmNicName, Served],
        Valid(
            before=_dhcp_servers,
            written=bool | VmNicName | list[VmNicName] | dict[VmNicName, bool | Dhcp],
        ),
    ] = key(
        default={},
        description="The adapters on whose networks it serves DHCP and DNS, with itself as router and name"
        " server: eth1, a list, or {eth1: settings}; true: eth0. Default of `range`: the quarter of the"
        " subnet below VMware's.",
    )
    dhcp_delay: ReplyDelay = key(
        default=0,
        description="Seconds until its DHCP server answers: where two serve one network, clients take the"
        " first offer.",
    )
