"""What `explain` says of what lies on a packet's way, against the fate of a real ping."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

import pytest

from netlab import lab
from netlab.diagnosis.cause import Cause
from netlab.diagnosis.verdict import Verdict
from tests.kernel import faults
from tests.machine import inside

ADDRESSES = {"vm2": "10.0.0.129", "internet": "203.0.113.80"}


@pytest.fixture(scope="module", autouse=True)
def running() -> Iterator[lab.Lab]:
    with lab.running(lab.prepare(lab.load("nat"), "fate")) as up:
        yield up


class Fault(NamedTuple):
    """Something done to a node by an ordinary tool, and what `explain` says of a ping then."""

    node: str
    do: str
    undo: str
    at: str = ""
    """Empty: the ping is answered."""
    cause: Cause | None = None
    target: str = "vm2"
    warm: bool = False
    """The neighbours are known before."""


def port(settings: str, back: str, at: str = "", cause: Cause | None = None, warm: bool = False):
    change = "bridge link set dev {} {}"
    name = settings.split()[0]
    return Fault(
        "vmnet8",
        change.format(name, settings.removeprefix(name)),
        change.format(name, back),
        at,
        cause,
        warm=warm,
    )


def table(node: str, text: str, at: str = "", cause: Cause | None = None, target: str = "vm2"):
    family, name = text.split()[:2]
    chain = text.split("{", 1)[1]
    return Fault(
        node,
        f"nft 'table {family} {name} {{ chain c {{ {chain}; }}; }}'",
        f"nft delete table {family} {name}",
        at,
        cause,
        target,
    )


def sysctl(node: str, key: str, value: int, back: int, at: str = "", cause: Cause | None = None):
    return Fault(node, f"sysctl -qw {key}={value}", f"sysctl -qw {key}={back}", at, cause)


def legacy(node: str, rule: str, at: str = "", cause: Cause | None = None, target: str = "vm2"):
    undo = re.sub("-A", "-D", rule)
    return Fault(node, f"iptables-legacy {rule}", f"iptables-legacy {undo}", at, cause, target)


ARP_IGNORE = "net.ipv4.conf.eth0.arp_ignore"
BLOCKED, UNKNOWN, FIREWALL = Cause.PORT_BLOCKED, Cause.UNKNOWN, Cause.FIREWALL
CALLED = "sysctl -qw net.bridge.bridge-nf-call-iptables={} && "
SWITCHES = {
    "out-of-the-bridge": Fault(
        *("vmnet8", "ip link set vm2-eth0 nomaster", "ip link set vm2-eth0 master vmnet8"),
        *("vmnet8", BLOCKED),
    ),
    "bridge-down": Fault(
        *("vmnet8", "ip link set vmnet8 down", "ip link set vmnet8 up", "vmnet8", BLOCKED),
        warm=True,
    ),
    "blocking": port("vm2-eth0 state 1", "state 3", "vmnet8", BLOCKED),
    "no-learning": port("vm2-eth0 learning off", "learning on"),
    "no-flood": port("vm2-eth0 flood off", "flood on"),
    "no-flood-of-what-is-not-learnt": port(
        "vm2-eth0 learning off flood off", "learning on flood on", "vmnet8", BLOCKED
    ),
    "no-broadcasts": port("vm2-eth0 bcast_flood off", "bcast_flood on", "vmnet8", BLOCKED),
    "no-broadcasts-needed": port("vm2-eth0 bcast_flood off", "bcast_flood on", warm=True),
    "locked": port(
        "vm1-eth0 locked on learning off", "locked off learning on", "vmnet8", BLOCKED
    ),
    "one-isolated": port("vm2-eth0 isolated on", "isolated off"),
    "suppressing": port(
        "vm2-eth0 neigh_suppress on", "neigh_suppress off", "vmnet8", UNKNOWN
    ),
    "its-own-entry": Fault(
        "vmnet8",
        "bridge fdb replace $(bridge fdb | awk '/dev vm2-eth0 master/ && !/permanent/ {print $1}')"
        " dev vm2-eth0 master permanent",
        "bridge fdb show dev vm2-eth0 | awk '/^00:0c/ {print $1}'"
        " | xargs -n1 -I{} bridge fdb del {} dev vm2-eth0 master",
        *("vmnet8", BLOCKED),
        warm=True,
    ),
}  # fmt: skip
MACHINES = {
    "arp-off-there": Fault(
        *("vm2", "ip link set eth0 arp off", "ip link set eth0 arp on"),
        *("vm1", Cause.ARP_UNANSWERED),
    ),
    "arp-off-here": Fault(
        "vm1",
        "ip link set eth0 arp off",
        "ip link set eth0 arp on; ip route replace default via 10.0.0.2",
        *("vm1", Cause.ARP_OFF),
    ),
    "asks-nobody": sysctl(
        "vm1", "net.ipv4.neigh.eth0.mcast_solicit", 0, 3, "vm1", Cause.ARP_OFF
    ),
    **{f"arp-ignore-{value}": sysctl("vm2", ARP_IGNORE, value, 0) for value in (1, 2, 5)},
    "arp-ignore-3": sysctl("vm2", ARP_IGNORE, 3, 0, "vm2", UNKNOWN),
    "arp-ignore-8": sysctl("vm2", ARP_IGNORE, 8, 0, "vm1", Cause.ARP_UNANSWERED),
    "arp-filter": sysctl("vm2", "net.ipv4.conf.all.arp_filter", 1, 0),
    "arp-announce": sysctl("vm1", "net.ipv4.conf.all.arp_announce", 2, 0),
    "echo-ignored": sysctl(
        "vm2", "net.ipv4.icmp_echo_ignore_all", 1, 0, "vm2", Cause.ECHO_IGNORED
    ),
    "small-mtu": Fault(
        *("vmnet8", "ip link set vm2-eth0 mtu 68", "ip link set vm2-eth0 mtu 1500"),
        *("vmnet8", UNKNOWN),
    ),
    "queue": Fault(
        *("vm2", "tc qdisc add dev eth0 root pfifo limit 10", "tc qdisc del dev eth0 root"),
        *("vm2", UNKNOWN),
    ),
    "policy": Fault(
        *("vm2", "ip xfrm policy add dir in dst 10.0.0.129 action block", "ip xfrm policy flush"),
        *("vm2", UNKNOWN),
    ),
}  # fmt: skip
RULES = {
    "arp-in": table(
        "vm2", "arp f {type filter hook input priority 0; arp operation request drop", "vm2", FIREWALL
    ),
    "arp-out": table(
        "vm2", "arp f {type filter hook output priority 0; arp operation reply drop", "vm2", FIREWALL
    ),
    "arp-questions-of-one-who-was-asked": table(
        "vm2", "arp f {type filter hook output priority 0; arp operation request drop"
    ),
    "arp-of-another": table(
        "vm2", "arp f {type filter hook input priority 0; arp saddr ip 10.0.0.99 drop"
    ),
    "ingress": table(
        "vm2",
        "netdev f {type filter hook ingress device eth0 priority 0; icmp type echo-request drop",
        *("vm2", FIREWALL),
    ),
    "ingress-of-inet": table(
        "vm2", "inet f {type filter hook ingress device eth0 priority 0; ip ttl 64 drop", "vm2", FIREWALL
    ),
    "egress": table(
        "vm1",
        "netdev f {type filter hook egress device eth0 priority 0; ip daddr 10.0.0.129 drop",
        *("vm1", FIREWALL),
    ),
    "egress-of-another": table(
        "vm1", "netdev f {type filter hook egress device eth0 priority 0; ip daddr 10.0.0.130 drop"
    ),
    "egress-of-a-port": table(
        "vmnet8",
        "netdev f {type filter hook egress device vm2-eth0 priority 0; icmp type echo-request drop",
        *("vmnet8", FIREWALL),
    ),
    "forward-of-a-switch": table(
        "vmnet8", "bridge f {type filter hook forward priority 0; icmp type echo-reply drop",
        *("vmnet8", Cause.NO_RETURN_PATH),
    ),
    "arp-in-a-switch": table(
        "vmnet8", "bridge f {type filter hook postrouting priority 0; arp operation reply drop",
        *("vmnet8", FIREWALL),
    ),
    "input-of-a-switch": table(
        "vmnet8", "bridge f {type filter hook input priority 0; drop"
    ),
    "before-translation": table(
        "router", "ip f {type filter hook prerouting priority -300; ip daddr 203.0.113.1 drop",
        *("router", Cause.NO_RETURN_PATH, "internet"),
    ),
    "behind-translation": table(
        "router", "ip f {type filter hook prerouting priority -90; ip daddr 203.0.113.1 drop",
        target="internet",
    ),
    "before-tracking": table(
        "router", "ip f {type filter hook prerouting priority -300; ct state invalid drop",
        *("router", FIREWALL, "internet"),
    ),
    "untracked": table(
        "router", "ip f {type filter hook prerouting priority -300; icmp type echo-request notrack",
        *("router", Cause.NOT_TRANSLATED, "internet"),
    ),
    "untracked-too-late": table(
        "router", "ip f {type filter hook prerouting priority -150; icmp type echo-request notrack",
        target="internet",
    ),
    "both-ways-alike": table(
        "vm2", "ip f {type filter hook input priority 0; limit rate 1/second accept"
    ),
    "by-chance": table(
        "vm2", "ip f {type filter hook input priority 0; numgen random mod 2 0 drop", "vm2", UNKNOWN
    ),
    "legacy": legacy("vm2", "-A INPUT -p icmp -j DROP", "vm2", FIREWALL),
    "legacy-of-others": legacy("vm2", "-A INPUT -p tcp -j DROP"),
    "legacy-reply": legacy(
        "router", "-t raw -A PREROUTING -d 203.0.113.1 -j DROP",
        *("router", Cause.NO_RETURN_PATH, "internet"),
    ),
    "legacy-translation": legacy(
        "router", "-t nat -A PREROUTING -d 203.0.113.80 -j DNAT --to-destination 203.0.113.77",
        *("router", Cause.ARP_UNANSWERED, "internet"),
    ),
    "legacy-unknown-match": legacy(
        "vm2", "-A INPUT -m length --length 0:65535 -j DROP", "vm2", UNKNOWN
    ),
    "ebtables": Fault(
        "vmnet8",
        "ebtables-nft -A FORWARD -p IPv4 --ip-proto icmp -j DROP",
        "nft delete table bridge filter",
        *("vmnet8", FIREWALL),
    ),
    "called-by-a-switch": Fault(
        "vmnet8",
        CALLED.format(1)
        + "nft 'table ip f { chain c { type filter hook forward priority 0; iifname vmnet8 drop; }; }'",
        CALLED.format(0) + "nft delete table ip f",
        *("vmnet8", FIREWALL),
    ),
    "not-called-by-a-switch": Fault(
        "vmnet8",
        CALLED.format(0)
        + "nft 'table ip f { chain c { type filter hook forward priority 0; drop; }; }'",
        "nft delete table ip f",
    ),
}  # fmt: skip


@pytest.mark.parametrize(
    "fault",
    [pytest.param(fault, id=name) for name, fault in (SWITCHES | MACHINES | RULES).items()],
)
def test_it_meets_the_fate_that_was_foretold(running, fault):
    address = ADDRESSES[fault.target]
    for node in running.topology.nodes:
        inside(f"fate.{node}", "ip", "neigh", "flush", "all")
    if fault.warm:
        assert answered(address)
    with faults.changed(f"fate.{fault.node}", fault.do, fault.undo):
        if not fault.warm:
            inside("fate.vmnet8", "bridge", "fdb", "flush", "dev", "vmnet8", "dynamic")
        diagnosis = lab.explain(running, "vm1", fault.target).diagnosis
        assert (diagnosis.at if fault.at else "", diagnosis.cause) == (fault.at, fault.cause)
        if diagnosis.verdict is not Verdict.UNKNOWN:
            assert answered(address) is (diagnosis.verdict is Verdict.ANSWERED)


def answered(address: str) -> bool:
    return inside("fate.vm1", "ping", "-c1", "-W1", "-n", address).returncode == 0


def test_a_doubt_is_told_by_the_name_of_what_it_is_about(running):
    with faults.changed("fate.vm2", MACHINES["queue"].do, MACHINES["queue"].undo):
        diagnosis = lab.explain(running, "vm1", "vm2").diagnosis
    assert re.fullmatch(
        r"not certain, because tc eth0: qdisc pfifo \w+: root may end it", diagnosis.evidence
    )


SERVER = """
import socket, sys
def serve(address, port, device=b'', only=0, backlog=5, fill=0):
    s = socket.socket(socket.AF_INET6 if ':' in address else socket.AF_INET)
    if ':' in address:
        s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, only)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, device)
    s.bind((address, port))
    s.listen(backlog)
    clients = [socket.create_connection(('127.0.0.1', port)) for _ in range(fill)]
    print('ready', flush=True)
    sys.stdin.read()
"""


@pytest.mark.parametrize(
    ("options", "cause"),
    [
        ("'', 7000", None),
        ("'127.0.0.1', 7000", Cause.PORT_CLOSED),
        ("'', 7000, device=b'lo'", Cause.PORT_CLOSED),
        ("'::', 7000", None),
        ("'::', 7000, only=1", Cause.PORT_CLOSED),
        ("'', 7000, backlog=0, fill=1", Cause.QUEUE_FULL),
    ],
)
def test_a_port_is_open_where_a_program_listens(running, options, cause):
    with faults.program(
        "fate.vm2", "python3", "-c", f"{SERVER}\nserve({options})", output=-1
    ) as process:
        assert process.stdout
        assert process.stdout.readline() == b"ready\n"
        diagnosis = lab.explain(running, "vm1", "vm2", "tcp:7000").diagnosis
        reached = inside("fate.vm1", "nc", "-n", "-w1", "-z", "10.0.0.129", "7000").returncode == 0
    assert (diagnosis.cause, reached) == (cause, cause is None)
