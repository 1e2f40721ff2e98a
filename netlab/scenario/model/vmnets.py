"""Virtual networks, and what serves VMs there."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network
from typing import TYPE_CHECKING, Annotated, Any, Literal

from netlab.scenario.addresses.mac import plain
from netlab.scenario.mode import Mode, vmnet_modes
from netlab.scenario.model.marks import Valid, key, mapping
from netlab.scenario.model.values import (
    Flag,
    HostAdapterState,
    HostNicName,
    Port,
    PrefixOrSwitch,
    Seconds,
    Subnet,
    Switched,
    Switching,
    UsableAddress,
    VmnetService,
    switch_word,
)
from netlab.scenario.names import DOMAIN_NAME, FORWARD_TARGET, LONGEST_NAME

if TYPE_CHECKING:
    from pydantic_core import CoreSchema


class _ModeWord:
    """The schema of a mode's name. The names are looked up when they are needed: `plan` adds some."""

    def __get_pydantic_core_schema__(self, _: object, __: object) -> CoreSchema:
        from pydantic_core import core_schema

        return core_schema.no_info_plain_validator_function(_mode)

    def __get_pydantic_json_schema__(self, _: object, __: object) -> dict[str, Any]:
        return {"type": "string", "enum": list(vmnet_modes())}


def _mode(value: object) -> Mode:
    modes = vmnet_modes()
    if not isinstance(value, str) or value not in modes:
        *most, last = (f"'{word}'" for word in modes)
        from pydantic_core import PydanticKnownError

        raise PydanticKnownError("enum", {"expected": f"{', '.join(most)} or {last}"})
    return modes[value]


def on_or_off(value: object) -> object:
    """Read true and false as a server that is on or off."""
    return {"on": value} if isinstance(value, bool) else value


def _in_order(ends: tuple[IPv4Address, IPv4Address]) -> tuple[IPv4Address, IPv4Address]:
    if ends[0] > ends[1]:
        raise ValueError("must be a first and a last address, in this order")
    return ends


def _host_adapter(value: object) -> object:
    return {"state": switch_word(value)} if isinstance(value, str | bool) else value


_SWITCHING = key(
    default=Switching.SWITCH,
    description="switch: it learns who is where; hub: every VM gets every frame, as with VMware's"
    " driver for Linux.",
)
_PROMISCUOUS = key(
    default=True,
    description="Whether its VMs may listen to frames for others (promiscuous mode). false: as on Linux,"
    " where the user who runs VMware may not write to /dev/vmnetN.",
)


@mapping
class HostAdapter:
    """The host's virtual adapter on a vmnet, as the host's operating system shows it."""

    state: Annotated[HostAdapterState, Valid(before=switch_word)] = key(
        default=HostAdapterState.ON, description="on, off (as Windows disables it) or none."
    )
    address: UsableAddress | None = key(
        default=None, description="Default: the subnet's first, `.1`."
    )
    gateway: UsableAddress | None = key(
        default=None, description="A default gateway typed in by hand; VMware leaves it empty."
    )
    dns: UsableAddress | None = key(default=None, description="A name server that the host asks.")


@mapping
class Dhcp:
    """A DHCP server: VMware's of a vmnet, at the subnet's last address, or a VM's."""

    on: Flag = key(default=True, description="False: there is none.")
    range: Annotated[tuple[UsableAddress, UsableAddress], Valid(after=_in_order)] | None = key(
        default=None, description="First and last address; default: the subnet's upper half."
    )
    lease: Seconds = key(default=1800, description="Seconds, for who asks for no time.")
    max_lease: Seconds = key(default=7200, description="Seconds, for who asks for more.")
    domain: Annotated[str, Valid(pattern=DOMAIN_NAME, max_length=LONGEST_NAME)] = key(
        default="localdomain", description="Domain name that clients are told."
    )
    dns: list[UsableAddress] = key(
        default=[], description="Name servers; default: the NAT device, or the host adapter."
    )
    reservations: dict[
        Annotated[str, Valid(after=lambda word: plain(word) or word)], UsableAddress
    ] = key(default={}, description="A VM's name, or a MAC: the address that it always gets.")


@mapping
class Forwards:
    """Ports of the host that lead to VMs ([incomingtcp] and [incomingudp] of vmnetnat.conf)."""

    tcp: dict[Port, Annotated[str, Valid(pattern=FORWARD_TARGET)]] = key(
        default={}, description="Host port: VM (or address) and port, like 8080: vm1:80."
    )
    udp: dict[Port, Annotated[str, Valid(pattern=FORWARD_TARGET)]] = key(
        default={}, description="As for TCP."
    )


@mapping
class Nat:
    """The NAT device of a vmnet: VMware's, or VirtualBox's engine."""

    gateway: UsableAddress | None = key(
        default=None, description="Its address, the VMs' gateway; default: the second, `.2`."
    )
    forwards: Forwards = key(default=Forwards(), description="Ports of the host that lead to VMs.")
    dns: list[UsableAddress] = key(
        default=[], description="Servers that its DNS proxy asks; default: the home router."
    )
    udp_timeout: Annotated[int, Valid(ge=1, le=86400, strict=True)] = key(
        default=30,
        description="Seconds until an idle UDP mapping ends: 30 on Windows, 60 on Linux.",
    )
    time_wait_timeout: Annotated[int, Valid(ge=1, le=86400, strict=True)] = key(
        default=30,
        description="Seconds for which a TCP connection is remembered that both sides have ended.",
    )
    localhost_reachable: Switched | None = key(
        default=None,
        description="VirtualBox's only: whether TCP and UDP to 10.0.2.2 reach the host's 127.0.0.1"
        " (VBoxManage modifyvm … --nat-localhostreachable1). Default: off, as since VirtualBox 7;"
        " vbox-natnetwork: on.",
    )


@mapping
class Segment:
    """A LAN segment: VMs only. No host, no DHCP, no NAT."""

    subnet: Subnet | None = key(
        default=None, description="Of the VMs' static addresses; VMware knows of none."
    )
    mtu: Annotated[int, Valid(ge=576, le=9000, strict=True)] = key(
        default=1500, description="Bytes of an IP packet."
    )
    switching: Switching = _SWITCHING
    promiscuous: Flag = _PROMISCUOUS


@mapping
class Vmnet:
    """A virtual network (switch) of VMware or, to compare, of another product."""

    mode: Annotated[Mode, _ModeWord()] = key(
        description="bridged: on the LAN; nat: behind the NAT device .2; hostonly: VMs and host only;"
        " custom: a switch with neither host adapter nor DHCP, unless they are asked for."
        " Other products' modes begin with their name: vbox-nat, libvirt-nat, hyperv-default."
    )
    subnet: Subnet | None = key(
        default=None, description="Needed by all but bridged, which is on the LAN's."
    )
    nic: HostNicName | Literal["automatic"] | None = key(
        default=None,
        description="bridged: the host's card it is bridged to; default: the first. automatic: the one"
        " that has the default route.",
    )
    excluded: list[HostNicName] = key(
        default=[], description="bridged, automatic: cards that it is never bridged to."
    )
    mtu: Annotated[int, Valid(ge=576, le=9000, strict=True)] = key(
        default=1500, description="Bytes of an IP packet."
    )
    adapter: (
        Annotated[
            HostAdapter,
            Valid(before=_host_adapter, written=HostAdapterState | bool | HostAdapter),
        ]
        | None
    ) = key(
        default=None,
        description="The host's adapter: on, off, none, or what the host has set. Default: on;"
        " custom: none.",
    )
    dhcp: Annotated[Dhcp, Valid(before=on_or_off, written=bool | Dhcp)] | None = key(
        default=None,
        description="The DHCP server `.254`: true, false, or its settings. Default: true;"
        " custom: false.",
    )
    switching: Switching = _SWITCHING
    ipv6: PrefixOrSwitch = key(
        default=False,
        description="IPv6: the prefix that VMs make their addresses of. on: VMware's own, with nat.",
    )
    promiscuous: Flag = _PROMISCUOUS
    nat: Nat | None = key(default=None, description="nat: settings of the NAT device.")
    stopped: list[VmnetService] = key(
        default=[], description="Services that do not run: nat (the device `.2`), dhcp (`.254`)."
    )

    @property
    def own_subnet(self) -> IPv4Network | None:
        """Its own subnet; None: it is on the LAN's, or has none."""
        return None if self.mode.on_lan else self.subnet or self.mode.subnet
