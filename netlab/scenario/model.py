"""The shape of a scenario file: what may be written, with what default.

These models are also the source of `netlab schema`. They check one value at
a time; what concerns several values together is in `checks`.
"""

from __future__ import annotations

import re
from enum import StrEnum
from ipaddress import IPv4Address, IPv4Network, IPv6Network
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainValidator,
    WithJsonSchema,
)
from pydantic_core import CoreSchema, PydanticKnownError, core_schema

from netlab.scenario import ipv6
from netlab.scenario.mode import Mode, known
from netlab.scenario.names import (
    DNS_NAME,
    DOMAIN_NAME,
    FORWARD_TARGET,
    HOST_NAME,
    HOST_NETWORK,
    HOST_NIC_NAME,
    LAN_NAME,
    NETWORK_NAME,
    NODE_NAME,
)


class Adapter(StrEnum):
    """The host's virtual adapter on a vmnet, `.1`."""

    ON = "on"
    OFF = "off"
    NONE = "none"


class VmnetService(StrEnum):
    """VMware's services of a vmnet."""

    NAT = "nat"
    DHCP = "dhcp"


class Listen(StrEnum):
    """The addresses at which a program waits to be asked."""

    ALL = "all"
    LOOPBACK = "loopback"


class Answer(StrEnum):
    """What VMware was told when a VM's files were found in another place."""

    MOVED = "moved"
    COPIED = "copied"


class _ModeWord:
    """Modes are written as words. Which there are is asked when it matters: `plan` adds some."""

    def __get_pydantic_core_schema__(self, _: object, __: object) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(_mode)

    def __get_pydantic_json_schema__(self, _: object, __: object) -> dict[str, Any]:
        return {"type": "string", "enum": list(known())}


def _mode(value: object) -> Mode:
    modes = known()
    if not isinstance(value, str) or value not in modes:
        *most, last = (f"'{word}'" for word in modes)
        raise PydanticKnownError("enum", {"expected": f"{', '.join(most)} or {last}"})
    return modes[value]


AUTOMATIC = "automatic"
"""A bridged vmnet that follows the host's default route."""


def _text(value: object) -> object:
    """Addresses are text: pydantic alone would read the number 10 as 0.0.0.10."""
    if not isinstance(value, str):
        raise ValueError("must be text")
    return value


def _unicast(mac: str) -> str:
    if not re.fullmatch(r"([0-9a-f]{2}:){5}[0-9a-f]{2}", mac.lower()):
        raise ValueError("must be a MAC address like 00:0c:29:12:34:56")
    if int(mac[:2], 16) & 1 or int(mac.replace(":", ""), 16) == 0:
        raise ValueError("must be a unicast MAC address (first byte even, not all zero)")
    return mac.lower()


def _uuid(value: object) -> object:
    """As a .vmx file has it too: `56 4d 6f 5c 0b 2d 8b 4b-de 5d …`."""
    if not isinstance(value, str):
        raise ValueError("must be text")
    digits = re.sub("[ -]", "", value).lower()
    if not re.fullmatch("[0-9a-f]{32}", digits):
        raise ValueError("must be a UUID like 564d6f5c-0b2d-8b4b-de5d-0123456dfadd")
    return UUID(digits)


_NOT_UNICAST = tuple(
    map(IPv4Network, ("0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/4", "240.0.0.0/4"))
)
"""This host, loopback, link-local (the lab's own cables), multicast, reserved: RFC 6890."""


def _usable_subnet(subnet: IPv4Network) -> IPv4Network:
    if not 8 <= subnet.prefixlen <= 29:
        raise ValueError("must have a prefix length from /8 to /29")
    if any(subnet.overlaps(special) for special in _NOT_UNICAST):
        raise ValueError("must be ordinary unicast space, for example 192.168.99.0/24")
    return subnet


def _usable_address(address: IPv4Address) -> IPv4Address:
    if any(address in special for special in _NOT_UNICAST):
        raise ValueError("must be an ordinary unicast address, for example 203.0.113.80")
    return address


_ON_OFF = {"on": True, "off": False}


def _prefix(value: object) -> IPv6Network:
    try:
        prefix = IPv6Network(value) if isinstance(value, str) else None
    except ValueError:
        prefix = None
    if prefix is None:
        raise ValueError("must be an IPv6 prefix like fd00:1::/64")
    if prefix.prefixlen != 64:
        raise ValueError("must be a /64: machines make addresses of no other prefix")
    if not (prefix.subnet_of(ipv6.PRIVATE) or prefix.subnet_of(ipv6.GLOBAL)):
        raise ValueError("must be ordinary unicast space, for example fd00:1::/64")
    return prefix


def _prefix_or_off(value: object) -> IPv6Network | None:
    return None if value in (None, False, "off") else _prefix(value)


def _prefix_or_switch(value: object) -> IPv6Network | bool:
    return _on_off(value) if value in (True, False, "on", "off") else _prefix(value)


def _on_off(value: object) -> bool:
    found = value if isinstance(value, bool) else _ON_OFF.get(str(value))
    if found is None:
        raise ValueError("must be on or off")
    return found


def _list(value: object) -> object:
    return value if isinstance(value, list) else [value]


def _switch(value: object) -> object:
    """YAML 1.2 has true and false; people write on and off, which are text there."""
    return {True: "on", False: "off"}.get(value, value) if isinstance(value, bool) else value


def _on_or_off(value: object) -> object:
    return {"on": value} if isinstance(value, bool) else value


def _in_order(ends: tuple[IPv4Address, IPv4Address]) -> tuple[IPv4Address, IPv4Address]:
    if ends[0] > ends[1]:
        raise ValueError("must be a first and a last address, in this order")
    return ends


def _host_adapter(value: object) -> object:
    return {"state": _switch(value)} if isinstance(value, str | bool) else value


def _firewall(value: object) -> object:
    """`on` lets in nothing that the machine did not ask for, `off` lets in everything."""
    return {"on": ["all"], "off": []}.get(value, value) if isinstance(value, str) else value


def _unwanted(word: str) -> str:
    if word in ("all", "icmp", "tcp", "udp"):
        return word
    try:
        return _port(word)
    except ValueError as error:
        raise ValueError("must be icmp, tcp, udp, all, or a port like tcp:80") from error


def _port(word: str) -> str:
    protocol, colon, port = word.partition(":")
    number = int(port) if re.fullmatch("[0-9]{1,5}", port) else 0
    if protocol not in ("tcp", "udp") or not colon or not 1 <= number <= 65535:
        raise ValueError("must be a port like tcp:80 or udp:5000")
    return f"{protocol}:{number}"


def _bandwidth(value: object) -> object:
    """Bits per second, from `512kbit`, `1.5mbit`, `1gbit`."""
    if not isinstance(value, str):
        raise ValueError("must be text")
    found = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?) *([kmg])bit", value.lower())
    if not found:
        raise ValueError("must be a bandwidth like 512kbit, 1.5mbit or 1gbit")
    # The kernel counts bytes.
    bits = 8 * round(float(found[1]) * {"k": 10**3, "m": 10**6, "g": 10**9}[found[2]] / 8)
    if not 8_000 <= bits <= 10**10:
        raise ValueError("must be from 8kbit to 10gbit")
    return bits


def _nic(value: object) -> object:
    return {"network": value} if isinstance(value, str) else value


def _peer(value: object) -> object:
    return {"address": value} if isinstance(value, str) else value


def _proxy(value: object) -> object:
    return {"port": value} if isinstance(value, int) and not isinstance(value, bool) else value


_AddressSchema = WithJsonSchema({"type": "string", "format": "ipv4"})
Address = Annotated[
    IPv4Address, BeforeValidator(_text), AfterValidator(_usable_address), _AddressSchema
]
Subnet = Annotated[
    IPv4Network,
    BeforeValidator(_text),
    AfterValidator(_usable_subnet),
    WithJsonSchema({"type": "string", "examples": ["10.0.0.0/24"]}),
]
_PrefixSchema = {"type": "string", "examples": ["2001:db8:1::/64", "fd00:1::/64"]}
Switched = Annotated[
    bool,
    PlainValidator(_on_off),
    WithJsonSchema({"anyOf": [{"type": "boolean"}, {"enum": ["on", "off"]}]}),
]
Prefix = Annotated[
    IPv6Network | None,
    PlainValidator(_prefix_or_off),
    WithJsonSchema({"anyOf": [_PrefixSchema, {"enum": ["off"]}, {"type": "null"}]}),
]
PrefixOrSwitch = Annotated[
    IPv6Network | bool,
    PlainValidator(_prefix_or_switch),
    WithJsonSchema({"anyOf": [_PrefixSchema, {"type": "boolean"}, {"enum": ["on", "off"]}]}),
]
Mac = Annotated[str, AfterValidator(_unicast), Field(examples=["00:0c:29:12:34:56"])]
_Port = WithJsonSchema({"type": "string", "examples": ["tcp:80", "udp:5000"]})
Firewall = Annotated[
    list[
        Annotated[
            str,
            AfterValidator(_unwanted),
            WithJsonSchema({"type": "string", "examples": ["all", "icmp", "tcp", "tcp:22"]}),
        ]
    ],
    BeforeValidator(
        lambda value: _firewall(_switch(value)),
        json_schema_input_type=bool | Literal["on", "off"] | list[str],
    ),
]
Hosts = dict[Annotated[str, Field(pattern=HOST_NAME)], Address]
NodeName = Annotated[str, Field(pattern=NODE_NAME)]
LanName = Annotated[str, Field(pattern=LAN_NAME)]
HostNicName = Annotated[str, Field(pattern=HOST_NIC_NAME)]
VmnetName = Annotated[str, Field(pattern=NETWORK_NAME)]
Patterns = Annotated[
    list[str], BeforeValidator(_list, json_schema_input_type=str | list[str]), Field(min_length=1)
]


class Model(BaseModel):
    """Every part of a scenario: immutable, unknown keys refused, no silent conversions."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Internet(Model):
    """The lab's Internet: one machine that answers ping, DNS and a who-am-I web page."""

    servers: Annotated[
        dict[Annotated[str, Field(pattern=DNS_NAME)], Address], Field(min_length=1)
    ] = Field(
        default={"www.example.com": IPv4Address("203.0.113.80")},
        description="DNS name and address of each server; the first is the node `internet`.",
    )


class Peer(Model):
    """Another machine on the LAN."""

    address: Address | None = Field(
        default=None, description="Static address; without it the LAN's DHCP gives one."
    )


Peers = dict[
    NodeName, Annotated[Peer, BeforeValidator(_peer, json_schema_input_type=Address | Peer)]
]


class LanDhcp(Model):
    """What a LAN's router leases."""

    range: tuple[Address, Address] = Field(
        description="First and last address; who comes when all are leased gets none."
    )


class FurtherLan(Model):
    """A physical network: a switch, a router to the Internet, and other machines."""

    subnet: Subnet = Field(
        default=IPv4Network("192.168.1.0/24"), description="The LAN's addresses."
    )
    router: Address | None = Field(
        default=None, description="The home router's address on the LAN; default: the first."
    )
    dhcp: Annotated[bool, Field(strict=True)] | LanDhcp = Field(
        default=True, description="Whether the router gives addresses, or which."
    )
    admits: Annotated[int, Field(ge=1, strict=True)] | None = Field(
        default=None,
        description="How many devices (MAC addresses) may join, as phones limit it: the host first,"
        " then the peers, then bridged VMs.",
    )
    login: Annotated[bool, Field(strict=True)] = Field(
        default=False,
        description="Whether each device has to log in before the router lets it into the Internet.",
    )
    logged_in: list[str] = Field(
        default=[], description="With `login`: the machines on which a user has logged in."
    )
    ipv6: Prefix = Field(
        default=None,
        description="IPv6: the prefix that the router advertises; the Internet leads to it.",
    )
    routes: dict[Subnet, Address] = Field(
        default={},
        description="Static routes of the home router: a subnet, and the neighbour that leads there.",
    )
    peers: Peers = Field(
        default={}, description="Other machines: name and address, or {} for DHCP."
    )

    @property
    def gateway(self) -> IPv4Address:
        """The router's address on the LAN."""
        return self.router or self.subnet[1]


class Lan(FurtherLan):
    """The physical network at home."""

    public: Address = Field(
        default=IPv4Address("203.0.113.1"), description="The router's address on the Internet."
    )

    @property
    def internet(self) -> IPv4Network:
        """The lab's piece of the Internet, with the router's public address: TEST-NET-3 of RFC 5737."""
        return IPv4Network((int(self.public), 24), strict=False)


class HostNic(Model):
    """A physical network card of the host."""

    address: Address | None = Field(
        default=None, description="Static address; without it the LAN's DHCP gives one."
    )
    lan: LanName = Field(
        default="lan", description="The LAN that it is plugged into: `lan`, or one of `lans`."
    )
    connected: Annotated[bool, Field(strict=True)] = Field(
        default=True, description="false: the cable is pulled, or the Wi-Fi is out of reach."
    )


Port = Annotated[int, Field(ge=1, le=65535)]


class Proxy(Model):
    """An HTTP proxy."""

    port: Annotated[Port, Field(strict=True)] = Field(description="TCP port.")
    listen: Listen = Field(
        default=Listen.ALL, description="loopback: only programs of its own machine reach it."
    )


_OptionalProxy = Annotated[
    Proxy | None, BeforeValidator(_proxy, json_schema_input_type=Port | Proxy | None)
]


class Host(Model):
    """The machine that VMware runs on."""

    nics: dict[
        HostNicName,
        Annotated[HostNic, BeforeValidator(_peer, json_schema_input_type=Address | HostNic)],
    ] = Field(
        default={"eth0": HostNic()},
        min_length=1,
        description="Physical network cards, eth0 to eth9 and wlan0 to wlan9 (Wi-Fi): name and address,"
        " or {} for DHCP. The first connected one has the default route. vpn0 to vpn9: a tunnel into"
        " a LAN, which leads to that LAN's subnet only.",
    )
    shares: VmnetName | None = Field(
        default=None,
        description="Windows' Internet Connection Sharing: the host-only vmnet whose VMs may go out by"
        " the host's card, with the host adapter as gateway and name server.",
    )
    hotspot: Annotated[Peers, Field(max_length=8)] | None = Field(
        default=None,
        description="Windows' mobile hotspot, 192.168.137.0/24: the devices on it, name and address, or"
        " {} for DHCP. They go out by the host's card, as the host.",
    )
    firewall: Firewall = Field(
        default=[],
        description="What it does not let in, unless it asked for it: icmp (ping), tcp, udp, tcp:22, all;"
        " on and off are all and nothing.",
    )
    forwards: list[Annotated[str, Field(pattern=HOST_NETWORK)]] = Field(
        default=[],
        description="Networks between which the host is a router (IP forwarding); default: it is none.",
    )
    hosts: Hosts = Field(default={}, description="Lines of /etc/hosts: name and address.")
    proxy: _OptionalProxy = Field(
        default=None, description="An HTTP proxy that runs on it: its port, or {port, listen}."
    )


class Switching(StrEnum):
    """How a virtual switch passes frames on."""

    SWITCH = "switch"
    HUB = "hub"


_SWITCHING = Field(
    default=Switching.SWITCH,
    description="switch: it learns who is where; hub: every VM gets every frame, as with VMware's"
    " driver for Linux.",
)


_PROMISCUOUS = Field(
    default=True,
    description="Whether its VMs may listen to frames for others (promiscuous mode). false: as on Linux,"
    " where the user who runs VMware may not write to /dev/vmnetN.",
)


class HostAdapter(Model):
    """The host's virtual adapter on a vmnet, as the host's operating system shows it."""

    state: Annotated[Adapter, BeforeValidator(_switch)] = Field(
        default=Adapter.ON, description="on, off (as Windows disables it) or none."
    )
    address: Address | None = Field(default=None, description="Default: the subnet's first, `.1`.")
    gateway: Address | None = Field(
        default=None, description="A default gateway typed in by hand; VMware leaves it empty."
    )
    dns: Address | None = Field(default=None, description="A name server that the host asks.")


Seconds = Annotated[int, Field(ge=120, le=100_000_000, strict=True)]


class Dhcp(Model):
    """VMware's DHCP server of a vmnet, at the subnet's last address."""

    on: Annotated[bool, Field(strict=True)] = Field(
        default=True, description="False: there is none."
    )
    range: Annotated[tuple[Address, Address], AfterValidator(_in_order)] | None = Field(
        default=None, description="First and last address; default: the subnet's upper half."
    )
    lease: Seconds = Field(default=1800, description="Seconds, for who asks for no time.")
    max_lease: Seconds = Field(default=7200, description="Seconds, for who asks for more.")
    domain: Annotated[str, Field(pattern=DOMAIN_NAME)] = Field(
        default="localdomain", description="Domain name that clients are told."
    )
    dns: list[Address] = Field(
        default=[], description="Name servers; default: the NAT device, or the host adapter."
    )
    reservations: dict[str, Address] = Field(
        default={}, description="A VM's name, or a MAC: the address that it always gets."
    )


class Forwards(Model):
    """Ports of the host that lead to VMs ([incomingtcp] and [incomingudp] of vmnetnat.conf)."""

    tcp: dict[Port, Annotated[str, Field(pattern=FORWARD_TARGET)]] = Field(
        default={}, description="Host port: VM (or address) and port, like 8080: vm1:80."
    )
    udp: dict[Port, Annotated[str, Field(pattern=FORWARD_TARGET)]] = Field(
        default={}, description="As for TCP."
    )


class Nat(Model):
    """VMware's NAT device of a vmnet."""

    gateway: Address | None = Field(
        default=None, description="Its address, the VMs' gateway; default: the second, `.2`."
    )
    forwards: Forwards = Field(
        default=Forwards(), description="Ports of the host that lead to VMs."
    )
    dns: list[Address] = Field(
        default=[], description="Servers that its DNS proxy asks; default: the home router."
    )
    udp_timeout: Annotated[int, Field(ge=1, le=86400, strict=True)] = Field(
        default=30,
        description="Seconds until an idle UDP mapping ends: 30 on Windows, 60 on Linux.",
    )
    time_wait_timeout: Annotated[int, Field(ge=1, le=86400, strict=True)] = Field(
        default=30,
        description="Seconds for which a TCP connection is remembered that both sides have ended.",
    )


class Segment(Model):
    """A LAN segment: VMs only. No host, no DHCP, no NAT."""

    subnet: Subnet | None = Field(
        default=None, description="Of the VMs' static addresses; VMware knows of none."
    )
    mtu: Annotated[int, Field(ge=576, le=9000, strict=True)] = Field(
        default=1500, description="Bytes of an IP packet."
    )
    switching: Switching = _SWITCHING
    promiscuous: Annotated[bool, Field(strict=True)] = _PROMISCUOUS


class Vmnet(Model):
    """A virtual network (switch) of VMware or, to compare, of another product."""

    mode: Annotated[Mode, _ModeWord()] = Field(
        description="bridged: on the LAN; nat: behind the NAT device .2; hostonly: VMs and host only;"
        " custom: a switch with neither host adapter nor DHCP, unless they are asked for."
        " Other products' modes begin with their name: vbox-nat, libvirt-nat, hyperv-default."
    )
    subnet: Subnet | None = Field(
        default=None, description="Needed by all but bridged, which is on the LAN's."
    )
    nic: HostNicName | Literal["automatic"] | None = Field(
        default=None,
        description="bridged: the host's card it is bridged to; default: the first. automatic: the one"
        " that has the default route.",
    )
    excluded: list[HostNicName] = Field(
        default=[], description="bridged, automatic: cards that it is never bridged to."
    )
    mtu: Annotated[int, Field(ge=576, le=9000, strict=True)] = Field(
        default=1500, description="Bytes of an IP packet."
    )
    adapter: (
        Annotated[
            HostAdapter,
            BeforeValidator(_host_adapter, json_schema_input_type=Adapter | bool | HostAdapter),
        ]
        | None
    ) = Field(
        default=None,
        description="The host's adapter: on, off, none, or what the host has set. Default: on;"
        " custom: none.",
    )
    dhcp: (
        Annotated[Dhcp, BeforeValidator(_on_or_off, json_schema_input_type=bool | Dhcp)] | None
    ) = Field(
        default=None,
        description="The DHCP server `.254`: true, false, or its settings. Default: true;"
        " custom: false.",
    )
    switching: Switching = _SWITCHING
    ipv6: PrefixOrSwitch = Field(
        default=False,
        description="IPv6: the prefix that VMs make their addresses of. on: VMware's own, with nat.",
    )
    promiscuous: Annotated[bool, Field(strict=True)] = _PROMISCUOUS
    nat: Nat | None = Field(default=None, description="nat: settings of the NAT device.")
    stopped: list[VmnetService] = Field(
        default=[], description="Services that do not run: nat (the device `.2`), dhcp (`.254`)."
    )

    @property
    def own_subnet(self) -> IPv4Network | None:
        """None: it is on the LAN's, or has none."""
        return None if self.mode.on_lan else self.subnet or self.mode.subnet


class Transfer(Model):
    """One direction of an adapter, as on the page Advanced of VMware's adapter settings."""

    bandwidth: Annotated[
        int | None,
        BeforeValidator(_bandwidth, json_schema_input_type=str),
        Field(examples=["512kbit", "10mbit"]),
    ] = Field(default=None, description="Whole frames, in bits per second: 512kbit, 10mbit, 1gbit.")
    loss: Annotated[float, Field(ge=0, le=100)] = Field(
        default=0, description="Percent of the frames that get lost."
    )
    latency: Annotated[float, Field(ge=0, le=10_000)] = Field(
        default=0, description="Milliseconds; the kernel needs netem for it."
    )
    jitter: Annotated[float, Field(ge=0, le=10_000)] = Field(
        default=0, description="Milliseconds that the latency varies up and down by."
    )


class Nic(Model):
    """A VM's network adapter. Without an address, it is configured by DHCP."""

    network: VmnetName = Field(description="The vmnet or LAN segment that it is plugged into.")
    address: Address | None = Field(default=None, description="Static; without it, DHCP gives one.")
    gateway: Address | None = Field(default=None, description="Default gateway of a static NIC.")
    dns: Address | None = Field(default=None, description="Name server of a static NIC.")
    mac: Mac | None = Field(
        default=None,
        description="Static; default: 00:0c:29 and the end of the VM's UUID, as VMware makes it.",
    )
    model: Literal["vlance", "e1000", "e1000e", "vmxnet", "vmxnet3"] | None = Field(
        default=None, description="What kind of card the guest sees: a label, nothing more."
    )
    incoming: Transfer = Field(default=Transfer(), description="How good the way to the VM is.")
    outgoing: Transfer = Field(default=Transfer(), description="How good the way from the VM is.")
    connected: Annotated[bool, Field(strict=True)] = Field(
        default=True, description="VMware's check mark Connected; false: the cable is pulled."
    )
    released: Annotated[bool, Field(strict=True)] = Field(
        default=False,
        description="Its guest has given the lease back and asks for none: dhclient -r, ipconfig /release.",
    )
    promiscuous: Annotated[bool | None, Field(strict=True)] = Field(
        default=None,
        description="Whether it may listen to frames for others; default: as its network says.",
    )
    replicate: Annotated[bool, Field(strict=True)] = Field(
        default=False,
        description="VMware's check mark Replicate physical network connection state: the adapter loses"
        " its link when the host's card does, and asks DHCP anew when that comes to another LAN.",
    )


class Vm(Model):
    """A virtual machine with one to ten network adapters (eth0, eth1, …)."""

    nics: Annotated[
        list[Annotated[Nic, BeforeValidator(_nic, json_schema_input_type=VmnetName | Nic)]],
        Field(min_length=1, max_length=10),
    ]
    uuid: Annotated[UUID | None, BeforeValidator(_uuid, json_schema_input_type=str)] = Field(
        default=None,
        description="uuid.bios; the adapters' MACs are made of its end. Default: from the name.",
    )
    copy_of: NodeName | None = Field(
        default=None,
        description="The VM of whose disk this one has a copy: the same guest, with its machine-id.",
    )
    answer: Answer = Field(
        default=Answer.COPIED,
        description="To VMware's question about a copy. moved: it keeps UUID and MACs; copied, or"
        " made by the Clone command: it has new ones.",
    )
    firewall: Firewall = Field(
        default=[],
        description="What it does not let in, unless it asked for it: icmp (ping), tcp, udp, tcp:22, all;"
        " on and off are all and nothing.",
    )
    forwards: Annotated[bool, Field(strict=True)] = Field(
        default=False, description="It is a router between its adapters (IP forwarding)."
    )
    bridges: Annotated[bool, Field(strict=True)] = Field(
        default=False,
        description="It bridges its adapters, as Windows' Bridge Connections: their networks are one. Its"
        " own address is the first adapter's.",
    )
    listens: list[Annotated[str, AfterValidator(_port), _Port]] = Field(
        default=[],
        description="Ports that are served: tcp:80 by a small web server, udp:5000 by one that sends"
        " back what it gets.",
    )
    hosts: Hosts = Field(default={}, description="Lines of /etc/hosts: name and address.")
    ipv6: Switched = Field(
        default=True,
        description="off: IPv6 is disabled in the guest. on: it has it where its networks have.",
    )
    proxy: _OptionalProxy = Field(
        default=None, description="An HTTP proxy that runs on it: its port, or {port, listen}."
    )
    dhcp_server: Annotated[bool, Field(strict=True)] = Field(
        default=False,
        description="It serves DHCP on the network of its first adapter, with itself as router and DNS.",
    )


class Family(StrEnum):
    """Of addresses: what packets are sent over."""

    IPV4 = "ipv4"
    IPV6 = "ipv6"


class Rule(Model):
    """Who reaches whom. The first rule that names a pair decides it."""

    source: Patterns = Field(alias="from", description="Endpoints or patterns: vm1, vm*, host.")
    target: Patterns = Field(
        alias="to", description="Endpoints or patterns; a leg is written host@vmnet8."
    )
    verdict: Literal["reachable", "blocked"] = Field(
        default="reachable", alias="is", description="What must be true of these pairs."
    )
    seen_as: str | None = Field(
        default=None,
        alias="as",
        description="Whose address the target sees as source; default: the sender's own.",
    )
    over: Family = Field(
        default=Family.IPV4,
        description="ipv6: from IPv6 address to IPv6 address. Once a rule says so, all pairs are measured"
        " over IPv6 too.",
    )


class Expectations(Model):
    """The matrix of who reaches whom; it must cover every ordered pair of endpoints."""

    default: Literal["reachable", "blocked"] | None = Field(
        default=None, description="For pairs that no rule names."
    )
    rules: list[Rule] = []


class Scenario(Model):
    """A network to build, and what must be true of it."""

    title: Annotated[str, Field(max_length=100)] = Field(
        default="", description="One line for `netlab scenarios`."
    )
    internet: Internet = Internet()
    lan: Lan = Lan()
    lans: dict[LanName, FurtherLan] = Field(
        default={}, description="More physical networks, each with its own router to the Internet."
    )
    host: Host = Host()
    vmnets: dict[VmnetName, Vmnet]
    segments: dict[VmnetName, Segment] = Field(
        default={}, description="LAN segments: name, and {} or the subnet of static addresses."
    )
    vms: dict[NodeName, Vm]
    expect: Expectations

    @property
    def cards(self) -> list[str]:
        """The host's cards, wired ones first; the ends of VPNs are none."""
        return sorted(name for name in self.host.nics if not name.startswith("vpn"))

    @property
    def all_lans(self) -> dict[str, FurtherLan]:
        """Every physical network by name, `lan` first."""
        return {"lan": self.lan, **self.lans}


def json_schema() -> dict[str, Any]:
    """The JSON Schema of a scenario file, for editors."""
    schema = Scenario.model_json_schema(by_alias=True, mode="validation")
    _close_maps(schema)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def _close_maps(schema: Any) -> None:
    """Let editors mark a wrong name: a map's keys must match its pattern, as the models demand."""
    match schema:
        case dict():
            if "patternProperties" in schema:
                schema["additionalProperties"] = False
            for value in schema.values():
                _close_maps(value)
        case list():
            for value in schema:
                _close_maps(value)
