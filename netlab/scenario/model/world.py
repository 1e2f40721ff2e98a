"""Outside the VMs: the lab's Internet, LANs, and the host."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network
from typing import Annotated

from netlab.scenario.model.common import ALLOWS, FIREWALL, LISTENS, OptionalProxy
from netlab.scenario.model.dhcp import Dhcp, Served
from netlab.scenario.model.marks import Valid, key, mapping
from netlab.scenario.model.nat import Forwards, RouterNat
from netlab.scenario.model.values import (
    ChainPolicy,
    Exceptions,
    FirewallWords,
    Flag,
    HostNicName,
    Hosts,
    LanName,
    ListenPlace,
    ListenPort,
    Metric,
    Mtu,
    NodeName,
    Prefix,
    RuleSet,
    Subnet,
    UsableAddress,
    VmnetName,
)
from netlab.scenario.names import DNS_NAME, LONGEST_NAME


def _peer(value: object) -> object:
    return {"address": value} if isinstance(value, str) else value


@mapping
class Server:
    """A server on the lab's Internet."""

    address: UsableAddress = key(description="Its public address.")
    firewall: FirewallWords = key(
        default=[],
        description="What its address keeps out: icmp (ping), tcp, udp, tcp:22, all; on and off are all"
        " and nothing. The lab's name server stays open, unless udp:53 is named.",
    )
    allows: Exceptions = ALLOWS
    listens: list[ListenPort] = key(
        default=[],
        description="Further ports that are served at its address: tcp:8080, udp:5000. Every server has"
        " the web page at tcp:80.",
    )


@mapping
class Internet:
    """The lab's Internet: one machine that answers ping, DNS and a who-am-I web page."""

    servers: Annotated[
        dict[
            Annotated[str, Valid(pattern=DNS_NAME, max_length=LONGEST_NAME)],
            Annotated[Server, Valid(before=_peer, written=UsableAddress | Server)],
        ],
        Valid(min_length=1),
    ] = key(
        default={"www.example.com": Server(address=IPv4Address("203.0.113.80"))},
        description="DNS name and address of each server; the first is the node `internet`.",
    )

    @property
    def addresses(self) -> dict[str, IPv4Address]:
        """The address of each server, by its DNS name."""
        return {name: server.address for name, server in self.servers.items()}


@mapping
class Peer:
    """A machine on the LAN that is no VM."""

    address: UsableAddress | None = key(
        default=None, description="Static address; without it the LAN's DHCP gives one."
    )
    firewall: FirewallWords = FIREWALL
    allows: Exceptions = ALLOWS
    listens: list[ListenPlace] = LISTENS


Peers = dict[NodeName, Annotated[Peer, Valid(before=_peer, written=UsableAddress | Peer)]]


@mapping
class FurtherLan:
    """A physical network: a switch, a router to the Internet, and other machines."""

    subnet: Subnet = key(default=IPv4Network("192.168.1.0/24"), description="The LAN's addresses.")
    router: UsableAddress | None = key(
        default=None, description="The home router's address on the LAN; default: the first."
    )
    dhcp: Served = key(default=Dhcp(), description="Whether the router gives addresses, or which.")
    admits: Annotated[int, Valid(ge=1, strict=True)] | None = key(
        default=None,
        description="How many devices (MAC addresses) may join, as phones limit it: the host first,"
        " then the peers, then bridged VMs.",
    )
    login: Flag = key(
        default=False,
        description="Whether each device has to log in before the router lets it into the Internet.",
    )
    logged_in: list[str] = key(
        default=[], description="With `login`: the machines on which a user has logged in."
    )
    ipv6: Prefix = key(
        default=None,
        description="IPv6: the prefix that the router advertises; the Internet leads to it.",
    )
    routes: dict[Subnet, UsableAddress] = key(
        default={},
        description="Static routes of the home router: a subnet, and the neighbour that leads there.",
    )
    firewall: FirewallWords = key(
        default=[],
        description="What the home router itself keeps out, from the LAN too: icmp (ping), tcp, udp, tcp:22,"
        " all; on and off are all and nothing. Its DHCP and DNS stay open to the LAN, unless udp:67 or"
        " udp:53 are named.",
    )
    allows: Exceptions = key(
        default=[],
        description="What the home router lets in to itself all the same, from outside too: icmp, tcp:443.",
    )
    keeps_in: FirewallWords = key(
        default=[],
        description="What the home router does not let out of the LAN: icmp, tcp, udp, tcp:25, all; on and"
        " off are all and nothing.",
    )
    lets_out: Exceptions = key(
        default=[],
        description="What it lets out all the same: icmp, tcp, udp, tcp:443. A port that `keeps_in` names"
        " stays in.",
    )
    mtu: Mtu = key(default=1500, description="Bytes of an IP packet on it.")
    internet_mtu: Mtu = key(
        default=1500,
        description="Bytes of an IP packet on the router's line to the Internet: 1492 with PPPoE.",
    )
    icmp_errors: Flag = key(
        default=True,
        description="false: its router drops ICMP errors, its own too: no sender learns that its packets"
        " are too large (a path MTU black hole).",
    )
    forwards: Forwards = key(
        default=Forwards(),
        description="Ports of the router's public address that lead to machines of the LAN.",
    )
    nat: RouterNat = key(default=RouterNat(), description="How the router translates.")
    peers: Peers = key(default={}, description="Other machines: name and address, or {} for DHCP.")

    @property
    def gateway(self) -> IPv4Address:
        """The router's address on the LAN."""
        return self.router or self.subnet[1]


@mapping
class Lan(FurtherLan):
    """The physical network at home."""

    public: UsableAddress = key(
        default=IPv4Address("203.0.113.1"), description="The router's address on the Internet."
    )

    @property
    def internet(self) -> IPv4Network:
        """The lab's piece of the Internet, with the router's public address: TEST-NET-3 of RFC 5737."""
        return IPv4Network((int(self.public), 24), strict=False)


@mapping
class HostNic:
    """A physical network card of the host."""

    address: UsableAddress | None = key(
        default=None, description="Static address; without it the LAN's DHCP gives one."
    )
    lan: LanName = key(
        default="lan", description="The LAN that it is plugged into: `lan`, or one of `lans`."
    )
    connected: Flag = key(
        default=True,
        description="false: the cable is pulled, or the Wi-Fi is out of reach: the card has no addresses.",
    )
    metric: Metric | None = key(
        default=None,
        description="The metric of its default route; the lowest wins. Default: the first card wins; where"
        " another one has a metric, or a VPN the default route, 100 and up (eth0, eth1), 600 and up"
        " (wlan0), 50 and up (vpn0), as NetworkManager's.",
    )
    default: Flag | None = key(
        default=None,
        description="Whether the host has a default route by it. Default: by a card, and by no VPN; a VPN"
        " that has it is a full tunnel.",
    )
    routes: list[Subnet] = key(
        default=[],
        description="VPN: further subnets that the host sends into the tunnel; it comes before a vmnet or"
        " card with the same subnet, and a longer prefix before a shorter one in any case.",
    )
    mtu: Mtu | None = key(
        default=None,
        description="Bytes of an IP packet; default: the LAN's. VPN: what the tunnel takes.",
    )
    icmp_errors: Flag = key(
        default=True,
        description="VPN: false: ICMP errors get lost at the tunnel: no sender behind the host, or beyond"
        " the tunnel, learns that its packets are too large.",
    )


@mapping
class Host:
    """The machine that VMware runs on."""

    nics: dict[
        HostNicName,
        Annotated[HostNic, Valid(before=_peer, written=UsableAddress | HostNic)],
    ] = key(
        default={"eth0": HostNic()},
        min_length=1,
        description="Physical network cards, eth0 to eth9 and wlan0 to wlan9 (Wi-Fi), or as Linux names"
        " them by their place (enp3s0, wlp2s0): name and address, or {} for DHCP. The first connected one"
        " has the default route. vpn0 to vpn9: a tunnel into a LAN, which leads to that LAN's subnet, its"
        " `routes` and, with `default: true`, everywhere.",
    )
    shares: VmnetName | None = key(
        default=None,
        description="Windows' Internet Connection Sharing: the host-only vmnet whose VMs may go out by"
        " the host's card, with the host adapter as gateway and name server.",
    )
    hotspot: Annotated[Peers, Valid(max_length=8)] | None = key(
        default=None,
        description="Windows' mobile hotspot, 192.168.137.0/24: the devices on it, name and address, or"
        " {} for DHCP. They go out by the host's card, as the host.",
    )
    firewall: FirewallWords = key(
        default=[],
        description="What is kept out, unless it asked for it: icmp (ping), tcp, udp, tcp:22, all;"
        " on and off are all and nothing. Ports that lead to VMs are the host's, too: a program of"
        " VMware's or VirtualBox's waits there.",
    )
    allows: Exceptions = key(
        default=[],
        description="What its firewall lets in all the same: icmp, tcp, udp, tcp:8080. A port that"
        " `firewall` names stays shut.",
    )
    forwards: list[LanName] = key(
        default=[],
        description="Networks between which the host is a router (IP forwarding), by their names: LANs and"
        " networks of every mode with an adapter of the host; a bridged one is its LAN. Default: it is none.",
    )
    rules: list[RuleSet] = key(
        default=[],
        description="Programs whose rules for forwarding the host has, as they write them: docker, ufw"
        " (policy drop), firewalld (zone public rejects). What a NAT device of VMware's or VirtualBox's"
        " sends is the host's own, and not forwarded.",
    )
    forward_policy: ChainPolicy | None = key(
        default=None,
        description="The policy of the host's chain FORWARD (iptables -P FORWARD DROP). Default: drop with"
        " docker or ufw, else accept.",
    )
    forward_allows: list[LanName] = key(
        default=[],
        description="Networks from and to which that chain lets packets pass, whatever the programs say:"
        " in DOCKER-USER with docker, else by `ufw route allow`, or firewalld's policies.",
    )
    hosts: Hosts = key(default={}, description="Lines of /etc/hosts: name and address.")
    proxy: OptionalProxy = key(
        default=None, description="An HTTP proxy that runs on it: its port, or {port, listen}."
    )
