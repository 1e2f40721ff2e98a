"""Virtual machines and their adapters."""

from __future__ import annotations

import re
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BeforeValidator, Field

from netlab.scenario.model.common import Model, OptionalProxy
from netlab.scenario.model.values import (
    Address,
    Answer,
    Exceptions,
    Firewall,
    Hosts,
    ListenPort,
    Mac,
    NodeName,
    Switched,
    VmnetName,
)


def _uuid(value: object) -> object:
    """As a .vmx file has it too: `56 4d 6f 5c 0b 2d 8b 4b-de 5d …`."""
    if not isinstance(value, str):
        raise ValueError("must be text")
    digits = re.sub("[ -]", "", value).lower()
    if not re.fullmatch("[0-9a-f]{32}", digits):
        raise ValueError("must be a UUID like 564d6f5c-0b2d-8b4b-de5d-0123456dfadd")
    return UUID(digits)


def _bandwidth(value: object) -> object:
    """Bits per second, from `512kbit`, `1.5mbit`, `1gbit`."""
    if not isinstance(value, str):
        raise ValueError("must be text")
    found = re.fullmatch(r"([0-9]{1,11}(?:\.[0-9]+)?) *([kmg])bit", value.lower())
    if not found:
        raise ValueError("must be a bandwidth like 512kbit, 1.5mbit or 1gbit")
    # The kernel counts bytes.
    bits = 8 * round(float(found[1]) * {"k": 10**3, "m": 10**6, "g": 10**9}[found[2]] / 8)
    if not 8_000 <= bits <= 10**10:
        raise ValueError("must be from 8kbit to 10gbit")
    return bits


def _nic(value: object) -> object:
    return {"network": value} if isinstance(value, str) else value


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
        default=True,
        description="VMware's check mark Connected; false: the cable is pulled, and the guest takes the"
        " adapter's addresses and routes off.",
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
        description="What is kept out, unless it asked for it: icmp (ping), tcp, udp, tcp:22, all;"
        " on and off are all and nothing.",
    )
    allows: Exceptions = Field(
        default=[],
        description="What its firewall lets in all the same: icmp, tcp, udp, tcp:80. A port that"
        " `firewall` names stays shut.",
    )
    forwards: Annotated[bool, Field(strict=True)] = Field(
        default=False, description="It is a router between its adapters (IP forwarding)."
    )
    bridges: Annotated[bool, Field(strict=True)] = Field(
        default=False,
        description="It bridges its adapters, as Windows' Bridge Connections: their networks are one. Its"
        " own address is the first adapter's.",
    )
    listens: list[ListenPort] = Field(
        default=[],
        description="Ports that are served: tcp:80 by a small web server, udp:5000 by one that sends"
        " back what it gets.",
    )
    hosts: Hosts = Field(default={}, description="Lines of /etc/hosts: name and address.")
    ipv6: Switched = Field(
        default=True,
        description="off: IPv6 is disabled in the guest. on: it has it where its networks have.",
    )
    proxy: OptionalProxy = Field(
        default=None, description="An HTTP proxy that runs on it: its port, or {port, listen}."
    )
    dhcp_server: Annotated[bool, Field(strict=True)] = Field(
        default=False,
        description="It serves DHCP on the network of its first adapter, with itself as router and DNS.",
    )
