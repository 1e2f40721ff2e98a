"""The second look: each thing that ends packets beside rules, provoked on real packets; each also without the
kernel's drop reasons, and that nothing is claimed without a second look."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from typing import NamedTuple
from unittest import mock

import pytest
from pyroute2.netlink.rtnl import RTM_NEWLINK
from pyroute2.netlink.rtnl.ifinfmsg import XDP_FLAGS_SKB_MODE, ifinfmsg

from netlab import lab
from netlab.diagnosis.cause import Cause
from netlab.diagnosis.verdict import Verdict
from netlab.errors import Missing
from netlab.kernel.host import tracepoints
from netlab.kernel.netlink.codec import encode
from netlab.kernel.netlink.pool import NamespacePool
from netlab.kernel.obstacles import Obstacle, ObstacleKind
from netlab.verify.matrix import Result
from tests.kernel.faults import await_port, changed, program, proof, run
from tests.kernel.obstacles.programs import load_xdp_drop

pytestmark = pytest.mark.on_each_kernel
VM1, VM2 = "10.0.0.128", "10.0.0.129"
ICMP = "4,48 0 0 23,21 0 1 1,6 0 0 2,6 0 0 4294967295"
"""Classic BPF: drop ICMP."""
UNKNOWN = Cause.UNKNOWN


@pytest.fixture(scope="module", autouse=True)
def running() -> Iterator[lab.Lab]:
    with lab.running(lab.prepare(lab.load("nat"), "second")) as up:
        yield up


class Fault(NamedTuple):
    """A fault of a node, and what becomes of a ping from vm1 to vm2."""

    node: str
    do: str
    undo: str
    at: str
    cause: Cause
    text: str
    """Part of the evidence."""
    by_reason: bool = False
    """The kernel's drop reason is part of it too."""
    without: Cause = UNKNOWN
    """The cause where the kernel's drop reasons cannot be had."""
    cold: bool = False
    """vm1 has to ask for vm2's MAC address."""


def tc(interface: str, hook: str, protocol: str = "ip", code: str = ICMP) -> tuple[str, str]:
    add = f"tc qdisc add dev {interface} clsact; tc filter add dev {interface} {hook} protocol"
    return f"{add} {protocol} bpf da bytecode '{code}'", f"tc qdisc del dev {interface} clsact"


def nft(family: str, hook: str, rule: str) -> tuple[str, str]:
    chain = f"chain c {{ type filter hook {hook} priority 0; {rule}; }}"
    return f"nft 'table {family} extra {{ {chain}; }}'", f"nft delete table {family} extra"


def port(setting: str, usual: str, name: str = "vm2-eth0") -> tuple[str, str]:
    return f"bridge link set dev {name} {setting}", f"bridge link set dev {name} {usual}"


def legacy(chain: str, rule: str) -> tuple[str, str]:
    return f"iptables-legacy -A {chain} {rule}", f"iptables-legacy -D {chain} {rule}"


def blocking(direction: str, to: str) -> tuple[str, str]:
    add = f"ip xfrm policy add dir {direction} dst {to} action block"
    return add, f"ip xfrm policy del dir {direction} dst {to}"


IGNORE = "sysctl -qw net.ipv4.icmp_echo_ignore_all="
NEVER_ASK = "sysctl -qw net.ipv4.neigh.eth0.mcast_solicit={} net.ipv4.neigh.eth0.app_solicit=0"
LOCK = (
    "bridge fdb del $(cat /tmp/second-mac) dev vm1-eth0 master || true; "
    "bridge link set dev vm1-eth0 learning off locked on",
    "bridge link set dev vm1-eth0 learning on locked off",
)
ADDRESS = f"ip addr del {VM1}/24 dev eth0; ip addr add {VM1}/24 broadcast"
STARVED = "tc qdisc add dev eth0 root tbf rate 8bit burst 30 limit 40"
DEFAULT_ROUTE = "ip route replace default via 10.0.0.2"
FAULTS = {
    "a filter where frames come in": Fault(
        "vm2", *tc("eth0", "ingress"), "vm2", Cause.TC, "eth0 ingress", True, Cause.TC
    ),
    "a filter where frames leave": Fault(
        "vmnet8", *tc("vm2-eth0", "egress"), "vmnet8", Cause.TC, "vm2-eth0 egress", True, Cause.TC
    ),
    "a filter that drops the reply": Fault(
        "vm2", *tc("eth0", "egress"), "vm2", Cause.NO_RETURN_PATH, "eth0 egress", True,
        Cause.NO_RETURN_PATH,
    ),
    "a starved queue": Fault(
        "vm1", STARVED, "tc qdisc del dev eth0 root", "vm1", Cause.TC, "tbf", True, Cause.TC
    ),
    "a starved queue that drops ARP": Fault(
        "vm1", STARVED, "tc qdisc del dev eth0 root", "vm1", Cause.TC, "tbf", True, Cause.TC,
        cold=True,
    ),
    "a policy of IPsec": Fault(
        "vm2", *blocking("in", VM2), "vm2", Cause.XFRM_POLICY, "xfrm policy", True,
        Cause.XFRM_POLICY,
    ),
    "a legacy rule": Fault(
        "vm2", *legacy("INPUT", "-p icmp -j DROP"), "vm2", Cause.FIREWALL,
        "iptables-legacy filter INPUT: -p icmp -j DROP", True, Cause.FIREWALL,
    ),
    "a legacy rule about the reply": Fault(
        "vm2", *legacy("OUTPUT", "-p icmp -j DROP"), "vm2", Cause.NO_RETURN_PATH,
        "iptables-legacy filter OUTPUT", True, Cause.NO_RETURN_PATH,
    ),
    "a legacy rule of the source": Fault(
        "vm1", *legacy("OUTPUT", "-p icmp -j DROP"), "vm1", Cause.FIREWALL,
        "iptables-legacy filter OUTPUT", True, Cause.FIREWALL,
    ),
    "ping is ignored": Fault(
        "vm2", f"{IGNORE}1", f"{IGNORE}0", "vm2", Cause.ECHO_IGNORED,
        "net.ipv4.icmp_echo_ignore_all = 1", False, Cause.ECHO_IGNORED,
    ),
    "a locked port": Fault(
        "vmnet8", *LOCK, "vmnet8", Cause.PORT_BLOCKED, "locked on of port vm1-eth0", False,
        Cause.PORT_BLOCKED,
    ),
    "a port without broadcasts": Fault(
        "vmnet8", *port("bcast_flood off", "bcast_flood on"), "vmnet8", Cause.PORT_BLOCKED,
        "bcast_flood off of port vm2-eth0", False, Cause.PORT_BLOCKED, cold=True,
    ),
    "a port of no switch": Fault(
        "vmnet8", "ip link set vm2-eth0 nomaster", "ip link set vm2-eth0 master vmnet8", "vmnet8",
        Cause.PORT_BLOCKED, "vm2-eth0", False, Cause.PORT_BLOCKED, cold=True,
    ),
    "a switch that is down": Fault(
        "vmnet8", "ip link set vmnet8 down", "ip link set vmnet8 up", "vmnet8",
        Cause.PORT_BLOCKED, "", True, Cause.PORT_BLOCKED,
    ),
    "a machine that never asks": Fault(
        "vm1", NEVER_ASK.format(0), NEVER_ASK.format(3), "vm1", Cause.ARP_OFF,
        "net.ipv4.neigh.eth0.mcast_solicit = 0", False, Cause.ARP_OFF, cold=True,
    ),
    "a broadcast address": Fault(
        "vm1", f"{ADDRESS} {VM2} dev eth0; {DEFAULT_ROUTE}",
        f"{ADDRESS} 10.0.0.255 dev eth0; {DEFAULT_ROUTE}", "vm1", Cause.BROADCAST_ADDRESS, VM2,
        False, Cause.BROADCAST_ADDRESS,
    ),
    "a spoilt checksum": Fault(
        "vm1", *nft("netdev", 'egress device "eth0"', "icmp type echo-request @th,16,16 set 0xdead"),
        "vm2", Cause.BAD_CHECKSUM, "Icmp.InCsumErrors of vm2 grew", False, Cause.BAD_CHECKSUM,
    ),
}  # fmt: skip


@contextmanager
def without_reasons() -> Iterator[None]:
    """No tracefs, as in a container."""
    missing = Missing("the kernel's tracepoints cannot be reached", "")
    with mock.patch.object(tracepoints, "_tracefs", side_effect=missing):
        yield


def warm(is_cold: bool) -> None:
    for node in ("vm1", "vm2"):
        run(f"second.{node}", "ip neigh flush all")
    if not is_cold:
        run("second.vm1", f"ping -c1 {VM2}")


@contextmanager
def broken(fault: Fault) -> Iterator[None]:
    mac = run("second.vm1", "cat /sys/class/net/eth0/address").strip()
    warm(fault.cold)
    place = f"second.{fault.node}"
    do = fault.do.replace("$(cat /tmp/second-mac)", mac)
    with changed(place, do, fault.undo):
        yield
    warm(False)


@pytest.mark.parametrize("name", FAULTS)
def test_it_is_told_with_place_and_cause(running, name):
    fault = FAULTS[name]
    with broken(fault):
        end = proof(running, "vm1", "vm2")
    assert end.end == (Verdict.DROPPED, fault.at, fault.cause), end.diagnosis
    assert fault.text in end.diagnosis.evidence
    assert ("the kernel's drop reason" in end.diagnosis.evidence) is fault.by_reason
    if fault.by_reason:
        assert end.trace.second_look.recorded


@pytest.mark.parametrize("name", FAULTS)
def test_without_the_kernels_drop_reasons_no_more_is_told_than_is_proved(running, name):
    fault = FAULTS[name]
    with broken(fault), without_reasons():
        end = proof(running, "vm1", "vm2")
    assert (end.diagnosis.at, end.diagnosis.cause) == (fault.at, fault.without), end.diagnosis
    assert "the kernel's drop reason" not in end.diagnosis.evidence
    if fault.without is UNKNOWN:
        assert "no answer within 4 s" in end.diagnosis.evidence


def measured(running: lab.Lab, source: str = "vm1", target: str = "vm2") -> Result:
    (result,) = lab.verify(running, expectations=lab.pairs(running, [source], [target]))
    return result


@pytest.mark.parametrize("name", FAULTS)
def test_verify_says_the_same_as_trace(running, name):
    fault = FAULTS[name]
    with broken(fault):
        outcome = measured(running).outcome
    assert (outcome.verdict, outcome.at, outcome.cause) == (
        Verdict.DROPPED,
        fault.at,
        fault.cause,
    ), outcome.why
    assert fault.text in outcome.why


def test_many_pairs_are_looked_at_together(running):
    """Each is told by its own packets' ends."""
    rule = legacy("INPUT", "-p icmp -m icmp --icmp-type 8 -j DROP")
    nodes = ("vm1", "vm2", "pc", "router", "internet")
    with ExitStack() as stack:
        for node in nodes:
            stack.enter_context(changed(f"second.{node}", *rule))
        results = lab.verify(running)
    ends = {
        (result.expectation.source.name, result.expectation.target.name): result.outcome
        for result in results
        if result.expectation.reachable and result.expectation.target.node.name in nodes
    }
    assert len(ends) > 12
    for (_, target), outcome in ends.items():
        assert (outcome.at, outcome.cause) == (target.partition("@")[0], Cause.FIREWALL), outcome
        assert "iptables-legacy filter INPUT" in outcome.why


EVERY_OTHER = legacy("INPUT", "-p icmp -m statistic --mode nth --every 2 --packet 0 -j DROP")


def test_an_answer_to_the_second_probe_alone_is_one_and_the_first_is_told(running):
    warm(False)
    with changed("second.vm2", *EVERY_OTHER):
        traced = lab.trace(running, "vm1", "vm2")
    assert traced.diagnosis.verdict is Verdict.ANSWERED
    (line,) = traced.found
    assert line.startswith("a first probe stayed without an answer")


def test_verify_tells_from_where_the_target_saw_the_second_probe(running):
    warm(False)
    with changed("second.vm2", *EVERY_OTHER):
        result = measured(running)
    outcome = result.outcome
    assert (outcome.verdict, outcome.seen_as, outcome.arrived) == (Verdict.ANSWERED, VM1, True)
    assert result.passed, result.failure


SLOW = """
import socket, time
sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sock.bind(("", 53))
while True:
    data, sender = sock.recvfrom(512)
    time.sleep(1)
    sock.sendto(data[:2] + b"\\x81\\x83" + data[4:], sender)
"""


def test_slow_is_not_silent(running):
    with program("second.vm2", sys.executable, "-c", SLOW):
        await_port("second.vm2", "udp", 53)
        end = proof(running, "vm1", "vm2", by="dns:www.example.com")
    assert end.end == (Verdict.REFUSED, "vm2", Cause.NXDOMAIN), end.diagnosis


def test_what_was_waited_for_in_vain_is_told_with_how_long(running):
    silent = SLOW.replace("    sock.sendto", "    ()#")
    with program("second.vm2", sys.executable, "-c", silent):
        await_port("second.vm2", "udp", 53)
        end = proof(running, "vm1", "vm2", by="dns:www.example.com")
    assert end.end == (Verdict.DROPPED, "vm2", Cause.DNS_SILENT), end.diagnosis
    assert end.diagnosis.evidence.endswith("no answer within 5 s")


def test_what_a_first_look_explains_is_not_looked_at_twice(running):
    with (
        changed("second.vm2", *nft("ip", "input", "ip protocol icmp drop")),
        mock.patch.object(tracepoints, "_tracefs", side_effect=AssertionError),
    ):
        assert lab.trace(running, "vm1", "vm2").diagnosis.cause is Cause.FIREWALL
        assert lab.trace(running, "vm1", "internet").diagnosis.verdict is Verdict.ANSWERED
        assert measured(running).outcome.cause is Cause.FIREWALL


@contextmanager
def xdp(place: str, interface: str) -> Iterator[None]:
    """A program that drops every frame of an interface."""
    program_, flags = load_xdp_drop(), [("IFLA_XDP_FLAGS", XDP_FLAGS_SKB_MODE)]

    def attach(descriptor: int) -> None:
        attributes = [("IFLA_XDP_FD", descriptor), *flags]
        with NamespacePool(1) as pool:
            netlink = pool.netlink(place)
            body = {
                "index": netlink.index(interface),
                "attrs": [("IFLA_XDP", {"attrs": attributes})],
            }
            netlink.request(encode(ifinfmsg, body), RTM_NEWLINK)

    attach(program_)
    try:
        yield
    finally:
        attach(-1)
        os.close(program_)


@pytest.mark.parametrize("has_reasons", [True, False])
def test_a_program_that_sees_frames_before_anybody_listens(running, has_reasons):
    warm(False)
    with xdp("second.vm2", "eth0"), nullcontext() if has_reasons else without_reasons():
        end = proof(running, "vm1", "vm2")
    assert end.end == (Verdict.DROPPED, "vm2", Cause.XDP), end.diagnosis
    assert "prog/xdpgeneric" in end.diagnosis.evidence


def test_a_full_table_of_connections(running):
    """The limit is the whole machine's: it is only believed to be reached."""
    full = Obstacle(ObstacleKind.CONNTRACK_FULL, "nf_conntrack_max = 8", count=None)
    with (
        changed("second.vm2", *legacy("INPUT", "-p icmp -j DROP")),
        mock.patch("netlab.trace.second.obstacles", return_value=(full,)),
    ):
        end = proof(running, "vm1", "vm2")
    assert end.end == (Verdict.DROPPED, "vm2", Cause.CONNTRACK_FULL), end.diagnosis
