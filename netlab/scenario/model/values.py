"""Values of a scenario file, one at a time: addresses, names, ports, words."""

from __future__ import annotations

import re
from enum import StrEnum
from ipaddress import AddressValueError, IPv4Address, IPv4Interface, IPv4Network, IPv6Network
from typing import Annotated, Any, Literal

from netlab.scenario.addresses import ipv6
from netlab.scenario.addresses.mac import plain
from netlab.scenario.listening import listening_port
from netlab.scenario.model.marks import Valid
from netlab.scenario.names import (
    FORWARD_TARGET,
    HOST_NAME,
    HOST_NIC_NAME,
    LAN_NAME,
    LONGEST_NAME,
    NETWORK_NAME,
    NODE_NAME,
    VM_NIC_NAME,
)
from netlab.scenario.ports import ForwardedPorts, forwarded_ports
from netlab.visible import is_visible

MACHINE_ID = "machine-id"
"""A DHCP client that identifies itself by its guest's machine-id."""
AUTOMATIC = "automatic"
"""A bridged vmnet that follows the host's default route."""


class HostAdapterState(StrEnum):
    """The host's virtual adapter on a vmnet, `.1`."""

    ON = "on"
    OFF = "off"
    NONE = "none"


class VmnetService(StrEnum):
    """VMware's services of a vmnet."""

    NAT = "nat"
    DHCP = "dhcp"


class Listen(StrEnum):
    """The addresses at which a program listens."""

    ALL = "all"
    LOOPBACK = "loopback"


class MovedOrCopied(StrEnum):
    """The answer to VMware's question when a VM's files are in another folder."""

    MOVED = "moved"
    COPIED = "copied"


class Switching(StrEnum):
    """The way in which a virtual switch forwards frames."""

    SWITCH = "switch"
    HUB = "hub"


class RuleSet(StrEnum):
    """A program that writes rules for what the host forwards."""

    DOCKER = "docker"
    UFW = "ufw"
    FIREWALLD = "firewalld"


class ChainPolicy(StrEnum):
    """A policy of a chain."""

    ACCEPT = "accept"
    DROP = "drop"


class NatPorts(StrEnum):
    """The ports that a NAT gives to what it translates."""

    PRESERVED = "preserved"
    RANDOM = "random"


class Family(StrEnum):
    """A family of addresses that packets are sent over."""

    IPV4 = "ipv4"
    IPV6 = "ipv6"


def _text(value: object) -> object:
    """Refuse numbers as addresses: pydantic alone would read 10 as 0.0.0.10."""
    if not isinstance(value, str):
        raise ValueError("must be text")
    return value


def _one_line(text: str) -> str:
    if not all(map(is_visible, text)):
        raise ValueError(
            "must be one line of characters that can be seen, without control characters"
        )
    return text


def _unicast(word: str) -> str:
    mac = plain(word)
    if mac is None:
        raise ValueError("must be a MAC address like 00:0c:29:12:34:56")
    if int(mac[:2], 16) & 1 or int(mac.replace(":", ""), 16) == 0:
        raise ValueError("must be a unicast MAC address (first byte even, not all zero)")
    return mac


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


def _further(value: object) -> IPv4Interface | IPv4Address:
    """Read an address, or one with a mask of its own: 10.0.0.5/32."""
    if not isinstance(value, str):
        raise ValueError("must be text")
    text, slash, length = value.partition("/")
    try:
        address = _usable_address(IPv4Address(text))
    except AddressValueError:
        raise ValueError("must be an IPv4 address like 10.0.0.5 or 10.0.0.5/24") from None
    if not slash:
        return address
    if not length.isdecimal() or not 8 <= int(length) <= address.max_prefixlen:
        raise ValueError("must have a prefix length from /8 to /32")
    return IPv4Interface((int(address), int(length)))


def _name_server(address: IPv4Address) -> IPv4Address:
    return address if address.is_loopback else _usable_address(address)


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
    switched = value if isinstance(value, bool) else _ON_OFF.get(str(value))
    if switched is None:
        raise ValueError("must be on or off")
    return switched


def _list(value: object) -> object:
    return value if isinstance(value, list) else [value]


def switch_word(value: object) -> object:
    """Read true and false as on and off, which are text in YAML 1.2, and are often written."""
    return {True: "on", False: "off"}.get(value, value) if isinstance(value, bool) else value


_ON_OR_OFF: dict[str, list[str]] = {"on": ["all"], "off": []}


def _firewall(value: object) -> object:
    """Read `on` as blocking all that the machine did not ask for, `off` as blocking nothing."""
    if not isinstance(value, str):
        return value
    if value not in _ON_OR_OFF:
        raise ValueError("must be on, off, or a list of icmp, tcp, udp, all and ports like tcp:80")
    return _ON_OR_OFF[value]


def _blocked(word: str) -> str:
    if word in ("all", "icmp", "tcp", "udp"):
        return word
    try:
        return _port(word)
    except ValueError as error:
        raise ValueError("must be icmp, tcp, udp, all, or a port like tcp:80") from error


def _allowed(word: str) -> str:
    try:
        return word if word in ("icmp", "tcp", "udp") else _port(word)
    except ValueError as error:
        raise ValueError("must be icmp, tcp, udp, or a port like tcp:80") from error


def _client_id(word: str) -> str:
    if not re.fullmatch("[!-~]{1,64}", word):
        raise ValueError(
            "must be machine-id, mac, bytes like 01:02:03, or a text of at most 64 letters"
        )
    return word


def _port(word: str) -> str:
    protocol, colon, port = word.partition(":")
    number = int(port) if re.fullmatch("[0-9]{1,5}", port) else 0
    if protocol not in ("tcp", "udp") or not colon or not 1 <= number <= 65535:
        raise ValueError("must be a port like tcp:80 or udp:5000")
    return f"{protocol}:{number}"


def _listening(word: str) -> str:
    listening_port(word)
    return word


def _bandwidth(value: object) -> object:
    """Return bits per second, from `512kbit`, `1.5mbit`, `1gbit`."""
    if not isinstance(value, str):
        raise ValueError("must be text")
    matched = re.fullmatch(r"([0-9]{1,11}(?:\.[0-9]+)?) *([kmg])bit", value.lower())
    if not matched:
        raise ValueError("must be a bandwidth like 512kbit, 1.5mbit or 1gbit")
    # The kernel counts bytes.
    bits = 8 * round(float(matched[1]) * {"k": 10**3, "m": 10**6, "g": 10**9}[matched[2]] / 8)
    if not 8_000 <= bits <= 10**10:
        raise ValueError("must be from 8kbit to 10gbit")
    return bits


def _forwarded(value: object) -> ForwardedPorts:
    return value if isinstance(value, ForwardedPorts) else forwarded_ports(str(value))


def _text_like(*examples: str) -> dict[str, Any]:
    return {"type": "string", "examples": list(examples)}


UsableAddress = Annotated[
    IPv4Address,
    Valid(before=_text, after=_usable_address, schema={"type": "string", "format": "ipv4"}),
]
AddressAndMask = Annotated[
    IPv4Interface | IPv4Address,
    Valid(instead=_further, schema=_text_like("10.0.0.5", "10.0.0.5/32")),
]
NameServer = Annotated[
    IPv4Address,
    Valid(before=_text, after=_name_server, schema={"type": "string", "format": "ipv4"}),
]
"""An address that names are asked at, also one of the loopback."""
Subnet = Annotated[
    IPv4Network, Valid(before=_text, after=_usable_subnet, schema=_text_like("10.0.0.0/24"))
]
_PREFIX = _text_like("2001:db8:1::/64", "fd00:1::/64")
Flag = Annotated[bool, Valid(strict=True)]
Switched = Annotated[
    bool, Valid(instead=_on_off, schema={"anyOf": [{"type": "boolean"}, {"enum": ["on", "off"]}]})
]
Prefix = Annotated[
    IPv6Network | None,
    Valid(instead=_prefix_or_off, schema={"anyOf": [_PREFIX, {"enum": ["off"]}, {"type": "null"}]}),
]
PrefixOrSwitch = Annotated[
    IPv6Network | bool,
    Valid(
        instead=_prefix_or_switch,
        schema={"anyOf": [_PREFIX, {"type": "boolean"}, {"enum": ["on", "off"]}]},
    ),
]
OneLine = Annotated[str, Valid(after=_one_line)]
Mac = Annotated[str, Valid(after=_unicast, examples=["00:0c:29:12:34:56"])]
ClientId = Annotated[
    str, Valid(after=_client_id, examples=["machine-id", "mac", "01:02:03:04", "web"])
]
"""An identifier of a DHCP client, or `machine-id` or `mac`: what it is made of."""
ReplyDelay = Annotated[int, Valid(ge=0, le=2, strict=True)]
"""Seconds until a DHCP server answers who looks for one: a client asks for three."""
ListenPort = Annotated[str, Valid(after=_port, schema=_text_like("tcp:80", "udp:5000"))]
"""Protocol and port: tcp:80."""
ListenPlace = Annotated[
    str,
    Valid(after=_listening, schema=_text_like("tcp:80", "tcp:loopback:3000", "udp:eth1:5000")),
]
"""Protocol and port, and between them the address, the adapter or `loopback` where it listens."""
FirewallWords = Annotated[
    list[Annotated[str, Valid(after=_blocked, schema=_text_like("all", "icmp", "tcp", "tcp:22"))]],
    Valid(
        before=lambda value: _firewall(switch_word(value)),
        written=bool | Literal["on", "off"] | list[str],
    ),
]
Exceptions = list[Annotated[str, Valid(after=_allowed, schema=_text_like("tcp:8080", "icmp"))]]
Hosts = dict[Annotated[str, Valid(pattern=HOST_NAME, max_length=LONGEST_NAME)], UsableAddress]
NodeName = Annotated[str, Valid(pattern=NODE_NAME)]
LanName = Annotated[str, Valid(pattern=LAN_NAME)]
HostNicName = Annotated[str, Valid(pattern=HOST_NIC_NAME)]
VmNicName = Annotated[str, Valid(pattern=VM_NIC_NAME)]
VmnetName = Annotated[str, Valid(pattern=NETWORK_NAME)]
Port = Annotated[int, Valid(ge=1, le=65535)]
Metric = Annotated[int, Valid(ge=0, le=2**32 - 1, strict=True)]
Mtu = Annotated[int, Valid(ge=576, le=9000, strict=True)]
"""Bytes of an IP packet: from what every machine takes (RFC 791) to jumbo frames."""
PortForwards = dict[
    Annotated[
        ForwardedPorts,
        Valid(instead=_forwarded, schema=_text_like("8080", "8000-8010", "127.0.0.1:2222")),
    ],
    Annotated[str, Valid(pattern=FORWARD_TARGET)],
]
"""Ports of a machine: the machine and the first port to which they lead."""
Seconds = Annotated[int, Valid(ge=120, le=100_000_000, strict=True)]
NameList = Annotated[list[str], Valid(before=_list, written=str | list[str])]
Patterns = Annotated[list[str], Valid(before=_list, written=str | list[str], min_length=1)]
Bandwidth = Annotated[int, Valid(before=_bandwidth, written=str, examples=["512kbit", "10mbit"])]
"""Bits per second."""
