"""Virtual networks, and what serves VMs there."""

from __future__ import annotations

from ipaddress import IPv4Network
from typing import TYPE_CHECKING, Annotated, Any, Literal

from netlab.scenario.mode import Mode, vmnet_modes
from netlab.scenario.model.dhcp import Served
from netlab.scenario.model.marks import Valid, key, mapping
from netlab.scenario.model.nat import Forwards, NatBehaviour, Timeout
from netlab.scenario.model.values import (
    Flag,
    HostAdapterState,
    HostNicName,
    Mtu,
    PrefixOrSwitch,
    Subnet,
    Switched,
    Switching,
    UsableAddress,
    VmnetService,
    switch_word,
)

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
_MAC_SPOOFING = key(
    default=True,
    description="Whether its VMs may send with other MAC addresses than their adapters' (Hyper-V: Enable"
    " MAC address spoofing; ESXi: Forged transmits), as bridges and nested guests do.",
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
class Nat(NatBehaviour):
    """The NAT device of a vmnet: VMware's, or VirtualBox's engine."""

    gateway: UsableAddress | None = key(
        default=None,
        description="Its address, the VMs' gateway; default: the second, `.2`. Where that is the usual"
        " address of the host's adapter, `.1` (as in Fusion since macOS Big Sur), the adapter has `.2`.",
    )
    forwards: Forwards = key(default=Forwards(), description="Ports of the host that lead to VMs.")
    dns: list[UsableAddress] = key(
        default=[], description="Servers that its DNS proxy asks; default: the home router."
    )
    udp_timeout: Timeout = key(
        default=30,
        description="Seconds until an idle UDP mapping ends: 30 on Windows, 60 on Linux.",
    )
    time_wait_timeout: Timeout = key(
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
    mtu: Mtu = key(default=1500, description="Bytes of an IP packet.")
    switching: Switching = _SWITCHING
    promiscuous: Flag = _PROMISCUOUS
    mac_spoofing: Flag = _MAC_SPOOFING


@mapping
class Vmnet:
    """A virtual network (switch) of VMware or, to compare, of another product."""

    mode: Annotated[Mode, _ModeWord()] = key(
        description="bridged: on the LAN; nat: behind the NAT device .2; hostonly: VMs and host only;"
        " custom: a switch with neither host adapter nor DHCP, unless they are asked for."
        " Other products' modes begin with their name: vbox-nat, libvirt-nat, hyperv-default. host-bridge:"
        " a bridge inside of the host, with its card as a port; macvtap: on the LAN, unheard by the host."
    )
    subnet: Subnet | None = key(
        default=None, description="Needed by all that are not on the LAN's, as bridged is."
    )
    nic: HostNicName | Literal["automatic"] | None = key(
        default=None,
        description="bridged, host-bridge, macvtap: the host's card that it is bridged to, or that VMs"
        " share; default: the first. automatic: the one that has the default route.",
    )
    excluded: list[HostNicName] = key(
        default=[], description="bridged, automatic: cards that it is never bridged to."
    )
    mtu: Mtu = key(default=1500, description="Bytes of an IP packet.")
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
    dhcp: Served | None = key(
        default=None,
        description="The DHCP server (VMware's is `.254`): true, false, or its settings. Default: true;"
        " custom, vbox-internal: false.",
    )
    switching: Switching = _SWITCHING
    ipv6: PrefixOrSwitch = key(
        default=False,
        description="IPv6: the prefix that VMs make their addresses of. on: VMware's own, with nat.",
    )
    promiscuous: Flag = _PROMISCUOUS
    mac_spoofing: Flag = _MAC_SPOOFING
    br_netfilter: Flag = key(
        default=False,
        description="host-bridge: whether frames between its ports meet the host's rules for forwarding"
        " (net.bridge.bridge-nf-call-iptables), as on a host with Docker.",
    )
    nat: Nat | None = key(default=None, description="nat: settings of the NAT device.")
    stopped: list[VmnetService] = key(
        default=[], description="Services that do not run: nat (the device `.2`), dhcp (`.254`)."
    )

    @property
    def own_subnet(self) -> IPv4Network | None:
        """Its own subnet; None: it is on the LAN's, or has none."""
        return None if self.mode.on_lan else self.subnet or self.mode.subnet
