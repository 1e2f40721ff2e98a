"""Nothing leaves a NAT with a source that it does not translate, and nothing unasked gets in.

Raw packets that belong to no connection, from behind every kind of NAT; what leaves is read outside.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from ipaddress import ip_address

import pytest
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import (
    ICMPv6DestUnreach,
    ICMPv6EchoReply,
    ICMPv6ND_NA,
    ICMPv6ND_NS,
    ICMPv6PacketTooBig,
    ICMPv6ParamProblem,
    ICMPv6TimeExceeded,
    IPv6,
)
from scapy.packet import Packet, Raw

from netlab import lab
from netlab.diagnosis.cause import Cause
from netlab.kernel.namespaces import netns
from netlab.messages import render
from netlab.scenario.loader import load_text
from tests.machine import inside
from tests.pace import HANG_SECONDS

pytestmark = pytest.mark.on_each_kernel

TEXT = """
lan: {subnet: 192.168.1.0/24, ipv6: "2001:db8:1::/64", peers: {pc: 192.168.1.50}}
host: {nics: {eth0: 192.168.1.100}, shares: vmnet1}
vmnets:
  vmnet1: {mode: hostonly, subnet: 192.168.137.0/24}
  vmnet8: {mode: nat, subnet: 10.0.0.0/24, ipv6: on, nat: {forwards: {tcp: {8080: "vm:80"}}}}
  vboxnat: {mode: vbox-nat}
  natnet: {mode: vbox-natnetwork, subnet: 10.0.9.0/24}
  virbr0: {mode: libvirt-nat}
  dswitch: {mode: hyperv-default}
  vmnet0: {mode: bridged}
segments: {inner: {subnet: 172.31.0.0/24}}
vms:
  edge: {nics: [vmnet0, {network: inner, address: 172.31.0.1}], nat: eth0}
  behind: {nics: [{network: inner, address: 172.31.0.9, gateway: 172.31.0.1}]}
  vm: {nics: [vmnet8], listens: ["tcp:80"]}
  box: {nics: [vboxnat]}
  net: {nics: [natnet]}
  vir: {nics: [virbr0]}
  hyper: {nics: [dswitch]}
  shared: {nics: [{network: vmnet1, address: 192.168.137.10, gateway: 192.168.137.1}]}
expect: {default: blocked}
"""
PC, SERVER, ROUTER = "192.168.1.50", "203.0.113.80", "203.0.113.1"
SERVER_6 = "2001:db8:203:113::50"
FOREIGN = ("198.18.0.5", "192.168.1.60", "203.0.113.99")
"""Nobody's, one of the LAN's, and one to which the router's other side would answer."""


@dataclass(frozen=True)
class Kind:
    """A kind of NAT: a machine behind it, the machines that translate, and whose frames leave it where."""

    inside: str
    nats: tuple[str, ...]
    gate: tuple[str, str]
    """(node, interface) from which everything that it lets out comes."""
    outside: str
    """The node whose taps see that."""
    targets: tuple[str, ...] = (PC, SERVER)
    forged: tuple[str, ...] = FOREIGN
    """Sources that are not the sender's, of which it lets nothing out either."""


KINDS = {
    "VMware's NAT device": Kind("vm", ("vmnet8-nat", "host"), ("host", "eth0"), "lan"),
    "VirtualBox's NAT": Kind("box", ("vboxnat-box-nat", "host"), ("host", "eth0"), "lan"),
    "VirtualBox's NAT network": Kind("net", ("natnet-nat", "host"), ("host", "eth0"), "lan"),
    "libvirt": Kind("vir", ("host",), ("host", "eth0"), "lan"),
    "Hyper-V": Kind("hyper", ("host",), ("host", "eth0"), "lan"),
    "connection sharing": Kind("shared", ("host",), ("host", "eth0"), "lan"),
    "home router": Kind("pc", ("router",), ("router", "wan0"), "internet", (SERVER,)),
    "a VM": Kind("behind", ("edge",), ("edge", "eth0"), "vmnet0", forged=()),
    "the device alone": Kind("vm", ("vmnet8-nat",), ("vmnet8-nat", "uplink"), "host"),
}


BEHIND_A_HOST = [name for name, kind in KINDS.items() if "host" in kind.nats]


@pytest.fixture(scope="module", autouse=True)
def running() -> Iterator[lab.Lab]:
    with lab.running(lab.prepare(load_text(TEXT.encode(), "leaving.yaml"), "leave")) as up:
        for node in ("internet", "router", "host", "vmnet8-nat", "vboxnat-box-nat", "natnet-nat"):
            # An error a second is what Linux sends: fewer than there are tests.
            inside(f"leave.{node}", "sysctl", "-qw", "net.ipv4.icmp_ratelimit=0")
        yield up


@pytest.mark.parametrize("kind", KINDS)
def test_what_belongs_to_no_connection_leaves_no_nat_as_it_is(kind):
    assert leaks(KINDS[kind]) == set()


@pytest.mark.parametrize("kind", KINDS)
def test_the_rule_is_what_stops_it(kind):
    with without_rule(*KINDS[kind].nats):
        assert leaks(KINDS[kind]) >= {own("leave." + KINDS[kind].inside, 4)[0]}


def test_neither_does_it_of_ipv6():
    kind = KINDS["VMware's NAT device"]
    assert leaks(kind, is_ipv6=True) == set()
    with without_rule("vmnet8-nat", "host", family="ip6"):
        assert leaks(kind, is_ipv6=True) >= {own("leave.vm", 6)[0]}


@pytest.mark.parametrize(
    ("caller", "gateway", "target", "behind", "leads_there"),
    [
        ("pc", "192.168.1.100", "10.0.0.128", "vmnet8", False),
        ("pc", "192.168.1.100", "192.168.122.2", "virbr0", False),
        ("pc", "192.168.1.100", "172.20.16.2", "dswitch", False),
        ("pc", "192.168.1.100", "192.168.137.10", "vmnet1", False),
        ("internet", ROUTER, PC, "lan", False),
        ("pc", "", "192.168.1.100", "vmnet8", True),
    ],
)
def test_nothing_unasked_gets_in(caller, gateway, target, behind, leads_there):
    """To the machine inside, by a route of the caller's own; or to a port of the host's that leads there."""
    here = f"leave.{caller}"
    if gateway:
        assert not inside(here, "ip", "route", "add", target, "via", gateway).stderr
    try:
        with tap(f"leave.{behind}") as seen:
            for packet in strays(own(here, 4)[0], target):
                if leads_there and TCP in packet:
                    packet[TCP].dport = 8080
                may_begin = TCP in packet and packet[TCP].flags in ("A", "", "S")
                if not (leads_there and may_begin):
                    send(here, packet)
            answered = inside(here, "ping", "-n", "-c1", "-W5", gateway or target)
            assert answered.returncode == 0, answered.stdout  # What went before is through.
            assert [frame for frame in seen() if b"stray" in frame] == []
    finally:
        if gateway:
            inside(here, "ip", "route", "del", target, "via", gateway)


@pytest.mark.parametrize("kind", BEHIND_A_HOST)
def test_traceroute_shows_the_way_and_no_plumbing(kind):
    told = inside(f"leave.{KINDS[kind].inside}", "traceroute", "-n", "-q1", "-m8", SERVER)
    hops = [row.split()[1] for row in told.stdout.splitlines()[1:]]
    assert hops[-2:] == ["192.168.1.1", SERVER]
    assert len(set(hops[:-2])) == 1, "the NAT has one address"
    assert ip_address(hops[0]).is_private and not ip_address(hops[0]).is_link_local


@pytest.mark.parametrize("kind", KINDS)
def test_an_error_about_a_connection_comes_back(kind):
    """Nobody listens there, and the packet is too long for a cable behind the NAT."""
    here = f"leave.{KINDS[kind].inside}"
    with netns.inside(here):
        asks = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with closing(asks):
        asks.settimeout(HANG_SECONDS)
        asks.connect((SERVER, 9))
        asks.send(b"anybody?")
        with pytest.raises(ConnectionRefusedError):
            asks.recv(1)
    assert not inside("leave.router", "ip", "link", "set", "wan0", "mtu", "1300").stderr
    try:
        told = inside(here, "ping", "-n", "-c1", "-W5", "-M", "do", "-s", "1400", SERVER).stdout
        assert "mtu = 1300" in told or "mtu=1300" in told, told
    finally:
        inside("leave.router", "ip", "link", "set", "wan0", "mtu", "1500")
        inside(here, "ip", "route", "flush", "cache")


TWO_ADAPTERS = """
lan: {subnet: 192.168.1.0/24, routes: {172.20.0.0/24: 192.168.1.2}}
host: {nics: {eth0: 192.168.1.100}}
vmnets: {vmnet0: {mode: bridged}, NAME: {mode: MODE, subnet: 10.0.0.0/24}}
segments: {office: {subnet: 172.20.0.0/24}}
vms:
  box: {nics: [NAME, {network: vmnet0, address: 192.168.1.77}], listens: ["tcp:80"]}
  gw:
    nics: [{network: vmnet0, address: 192.168.1.2}, {network: office, address: 172.20.0.1}]
    forwards: true
  colleague: {nics: [{network: office, address: 172.20.0.5, gateway: 172.20.0.1}]}
expect: {default: blocked, rules: [{from: colleague, to: box@vmnet0}]}
"""
BOX = "192.168.1.77"


@pytest.mark.parametrize(
    ("mode", "name", "at", "rule"),
    [
        ("nat", "vmnet8", "vmnet8-nat", "leaving"),
        ("vbox-nat", "vboxnat", "vboxnat-box-nat", "leaving"),
        ("vbox-natnetwork", "natnet", "natnet-nat", "leaving"),
        ("libvirt-nat", "virbr0", "host", "reject"),
        ("hyperv-default", "dswitch", "host", "leaving"),
    ],
)
def test_a_reply_that_leaves_by_another_adapter_through_nat_does_not_arrive(mode, name, at, rule):
    text = TWO_ADAPTERS.replace("NAME", name).replace("MODE", mode)
    with lab.running(lab.prepare(load_text(text.encode(), "two.yaml"), "leave2")) as two:
        traced, told = (one(two, "colleague", BOX, "tcp:80") for one in (lab.trace, lab.explain))
        for found in (traced.diagnosis, told.diagnosis):
            assert (found.at, found.cause) == (at, Cause.NO_RETURN_PATH)
            assert "box answers by another adapter than it is asked by" in found.evidence
            assert "and the question comes in at eth1" in found.evidence
            assert rule in found.evidence
            assert "box 应答用的网卡不是收到问题的网卡" in render(found.evidence, "zh")
        with netns.inside("leave2.colleague"), pytest.raises(TimeoutError):
            socket.create_connection((BOX, 80), timeout=0.3)
        (result,) = lab.verify(two, expectations=lab.pairs(two, ["colleague"], ["box@vmnet0"]))
        assert (result.outcome.at, result.outcome.cause) == (at, Cause.NO_RETURN_PATH)
        assert not result.passed


def strays(source: str, target: str) -> Iterator[Packet]:
    """Packets of no connection, one of each kind; and a SYN, whose reply must not go out again."""
    about_none = IP(src=target, dst=source) / UDP(sport=7, dport=7) / b"stray"
    whole = IP(src=source, dst=target)
    yield whole / ICMP(type="echo-reply", id=7) / b"stray"
    yield whole / ICMP(type="timestamp-reply") / b"stray"
    for kind, code in ((3, 0), (3, 1), (3, 3), (3, 4), (4, 0), (5, 1), (11, 0), (11, 1), (12, 0)):
        yield whole / ICMP(type=kind, code=code) / bytes(about_none)
    for flags in ("SA", "R", "RA", "F", "FA", "A", "", "SF", "FPU", "S"):
        yield whole / TCP(sport=4444, dport=80, flags=flags) / b"stray"
    for protocol in (47, 50, 132, 253):
        yield IP(src=source, dst=target, proto=protocol) / Raw(b"stray" * 4)
    yield whole / UDP(sport=4444, dport=9) / b"stray"


def strays_6(source: str, target: str) -> Iterator[Packet]:
    """The same of IPv6."""
    about_none = IPv6(src=target, dst=source) / UDP(sport=7, dport=7)
    whole = IPv6(src=source, dst=target)
    yield whole / ICMPv6EchoReply(id=7, data=b"stray")
    for error in (ICMPv6DestUnreach, ICMPv6PacketTooBig, ICMPv6TimeExceeded, ICMPv6ParamProblem):
        yield whole / error() / about_none
    yield IPv6(src=source, dst=target, hlim=255) / ICMPv6ND_NS(tgt=target)
    yield IPv6(src=source, dst=target, hlim=255) / ICMPv6ND_NA(tgt=source)
    for flags in ("SA", "R", "RA", "F", "FA", "A", "", "SF", "S"):
        yield whole / TCP(sport=4444, dport=80, flags=flags) / b"stray"
    for protocol in (47, 50, 132, 253):
        yield IPv6(src=source, dst=target, nh=protocol) / Raw(b"stray" * 4)
    yield whole / UDP(sport=4444, dport=9) / b"stray"


def leaks(kind: Kind, is_ipv6: bool = False) -> set[str]:
    """Sources of packets that come out of a NAT and are not its own."""
    here, (node, interface) = f"leave.{kind.inside}", kind.gate
    version = 6 if is_ipv6 else 4
    mine = own(here, version)[0]
    allowed = set(own(f"leave.{node}", version))
    sources = (mine, "2001:db8:9::5") if is_ipv6 else (mine, *kind.forged)
    targets = (own("leave.pc", 6)[0], SERVER_6) if is_ipv6 else kind.targets
    with tap(f"leave.{kind.outside}") as seen:
        for target in targets:
            for source in sources:
                for packet in (strays_6 if is_ipv6 else strays)(source, target):
                    send(here, packet)
        answered = inside(here, "ping", "-n", "-c1", "-W5", targets[-1])
        assert answered.returncode == 0, answered.stdout  # What went before is through.
        frames = seen()
    mac = mac_of(f"leave.{node}", interface)
    left = {source for frame in frames if (source := source_in(frame, mac, version))}
    assert left & allowed, "nothing was seen at all"
    return left - allowed


def send(namespace: str, packet: Packet) -> None:
    """As it is, by whatever way the machine's routes lead."""
    is_ipv6 = packet.version == 6
    family = socket.AF_INET6 if is_ipv6 else socket.AF_INET
    with netns.inside(namespace):
        raw = socket.socket(family, socket.SOCK_RAW, socket.IPPROTO_RAW)
    with closing(raw):
        raw.sendto(bytes(packet), (packet.dst, 0))


@contextmanager
def tap(namespace: str) -> Iterator:
    """Everything that a namespace sends and receives from now on, when it is asked for."""
    with netns.inside(namespace):
        icmp_socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
    icmp_socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 24)
    icmp_socket.setblocking(False)

    def frames() -> list[bytes]:
        found = []
        while True:
            try:
                found.append(icmp_socket.recv(2048))
            except BlockingIOError:
                return found

    with closing(icmp_socket):
        yield frames


def source_in(frame: bytes, mac: bytes, version: int) -> str:
    """Of an IP packet from a MAC address; empty: of another, or of a neighbour's talk."""
    if frame[6:12] != mac or frame[12:14] != {4: b"\x08\x00", 6: b"\x86\xdd"}[version]:
        return ""
    return str(ip_address(frame[26:30] if version == 4 else frame[22:38]))


def mac_of(namespace: str, interface: str) -> bytes:
    text = inside(namespace, "cat", f"/sys/class/net/{interface}/address").stdout
    return bytes.fromhex(text.strip().replace(":", ""))


def own(namespace: str, version: int) -> list[str]:
    """A machine's addresses, the first adapter's first."""
    rows = inside(namespace, "ip", f"-{version}", "-br", "address").stdout.splitlines()
    found = [word.partition("/")[0] for row in rows for word in row.split()[2:] if "/" in word]
    return [one for one in found if not ip_address(one).is_loopback]


@contextmanager
def without_rule(*nodes: str, family: str = "ip") -> Iterator[None]:
    """NATs without the chain that lets nothing out untranslated."""
    with ExitStack() as stack:
        for node in nodes:
            place, table = f"leave.{node}", TABLES.get(node, "nat_device")
            rule = next(
                row.strip()
                for row in inside(
                    place, "nft", "list", "chain", family, table, "leaving"
                ).stdout.splitlines()
                if "drop" in row
            )
            assert not inside(place, "nft", "flush", "chain", family, table, "leaving").stderr
            stack.callback(inside, place, "nft", f"add rule {family} {table} leaving {rule}")
        yield


TABLES = {"host": "host", "router": "home_router", "edge": "guest_router"}


FORWARD_TO_TWO_ADAPTERS = """
lan: {peers: {pc: 192.168.1.50}}
host: {nics: {eth0: 192.168.1.100}}
vmnets:
  vmnet0: {mode: bridged}
  vmnet8: {mode: nat, subnet: 10.0.0.0/24, nat: {forwards: {tcp: {9090: "box:80"}}}}
vms: {box: {nics: [vmnet8, vmnet0], listens: ["tcp:80"]}}
expect: {default: blocked}
"""


def test_an_answer_past_the_forward_that_was_asked_is_none():
    prepared = lab.prepare(load_text(FORWARD_TO_TWO_ADAPTERS.encode(), "two.yaml"), "leave3")
    with lab.running(prepared) as two:
        asked = (two, "pc", "192.168.1.100", "tcp:9090")
        both = [verb(*asked) for verb in (lab.trace, lab.explain)]
        with netns.inside("leave3.pc"), pytest.raises(TimeoutError):
            socket.create_connection(("192.168.1.100", 9090), timeout=0.3)
    for found in (told.diagnosis for told in both):
        assert (found.at, found.cause) == ("pc", Cause.NO_RETURN_PATH)
        assert "box answers by another adapter than it is asked by" in found.evidence
        assert "and the reply comes from 10.0.0." in found.evidence
