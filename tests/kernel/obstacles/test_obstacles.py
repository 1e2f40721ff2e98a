"""Obstacles of every kind, provoked in a namespace with a cable to nobody and a switch."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from pyroute2.netlink.rtnl import RTM_NEWLINK
from pyroute2.netlink.rtnl.ifinfmsg import XDP_FLAGS_SKB_MODE, ifinfmsg

from netlab import lab
from netlab.errors import KernelError
from netlab.kernel.netlink.codec import encode
from netlab.kernel.netlink.objects import queues
from netlab.kernel.netlink.pool import NamespacePool
from netlab.kernel.nftables import nft
from netlab.kernel.obstacles import (
    Obstacle,
    ObstacleKind,
    connections,
    drop_counters,
    iptables,
)
from netlab.kernel.obstacles.read import grown, obstacles
from netlab.kernel.state import counters
from netlab.plan.resources import Queue
from tests.kernel.obstacles.programs import load_xdp_drop
from tests.machine import inside, ip

PLACE = "obstacles-test"
SILENT = "192.0.2.2"
"""A neighbour that takes every packet and answers none."""
LEGACY = ("iptables-legacy", "ip6tables-legacy", "arptables-legacy")


def run(command: str, *, may_fail: bool = False) -> str:
    done = inside(PLACE, "sh", "-c", command)
    assert may_fail or done.returncode == 0, done.stderr
    return done.stdout


def send() -> None:
    """Send two echo requests, which nobody answers."""
    run(f"ping -c 2 -i 0.2 -W 0.2 {SILENT}", may_fail=True)


@pytest.fixture
def pool() -> Iterator[NamespacePool]:
    """eth0 is a cable whose other end is port0 of the switch br0, which is as a plan's."""
    with NamespacePool(1) as opened:
        opened.create(PLACE)
        try:
            run(
                "ip link add eth0 type veth peer name port0; ip link add br0 type bridge;"
                "ip link set port0 master br0 up; ip link set br0 up; ip link set eth0 up;"
                "ip addr add 192.0.2.1/24 dev eth0;"
                "sysctl -qw net.bridge.bridge-nf-call-iptables=0 net.bridge.bridge-nf-call-ip6tables=0"
                " net.bridge.bridge-nf-call-arptables=0;"
                f"ip neigh add {SILENT} lladdr 02:00:00:00:00:02 dev eth0"
            )
            yield opened
        finally:
            ip("netns", "del", PLACE)


def texts(pool: NamespacePool, kind: ObstacleKind) -> list[str]:
    return [obstacle.text for obstacle in obstacles(PLACE, pool) if obstacle.kind is kind]


def only(pool: NamespacePool) -> Obstacle:
    (obstacle,) = obstacles(PLACE, pool)
    return obstacle


def test_there_are_none_by_themselves(pool):
    assert obstacles(PLACE, pool) == ()


def test_a_namespace_that_has_gone_is_an_error(pool):
    with pytest.raises(KernelError, match="gone"):
        obstacles("obstacles-gone", pool)
    with pytest.raises(KernelError, match="gone"):
        drop_counters.read("obstacles-gone", pool)


@pytest.mark.parametrize(
    "scenario", ["nat", "ipv6", "slow-link", "wifi", "forward-firewall", "one-way-ping"]
)
def test_no_plan_has_any(scenario):
    """Its queues, rules and settings are netlab's own."""
    with lab.running(lab.prepare(lab.load(scenario), "obstacles")) as running:
        names = list(running.plan.namespaces)
        with NamespacePool(len(names)) as opened:
            assert {name: obstacles(name, opened) for name in names} == dict.fromkeys(names, ())


# iptables


def test_rules_and_policies_of_legacy_tables_have_their_counts(pool):
    run(
        "iptables-legacy -N DOCKER; iptables-legacy -A OUTPUT -j DOCKER;"
        "iptables-legacy -A DOCKER -o eth0 -p icmp -m comment --comment 'a b' -j DROP;"
        "iptables-legacy -t nat -A POSTROUTING -o eth0 -j MASQUERADE;"
        "iptables-legacy -P FORWARD DROP; iptables-legacy -A INPUT -i eth0 -j REJECT;"
        "iptables-legacy -A INPUT -j LOG; iptables-legacy -A INPUT -s 192.0.2.9 -j ACCEPT;"
        "iptables-legacy -N nobody; iptables-legacy -A nobody -j DROP"
    )
    before = obstacles(PLACE, pool)
    drop = Obstacle(
        ObstacleKind.IPTABLES,
        'iptables-legacy filter DOCKER: -o eth0 -p icmp -m comment --comment "a b" -j DROP',
        "eth0", "output", 4, 0,
    )  # fmt: skip
    reject = Obstacle(
        ObstacleKind.IPTABLES,
        "iptables-legacy filter INPUT: -i eth0 -j REJECT --reject-with icmp-port-unreachable",
        "eth0", "input", 4, 0, rejects=True,
    )  # fmt: skip
    policy = Obstacle(
        ObstacleKind.IPTABLES, "iptables-legacy filter FORWARD: policy DROP", "", "forward", 4, 0
    )
    assert set(before) == {drop, reject, policy}
    send()
    (met,) = grown(before, obstacles(PLACE, pool))
    assert (met.text, met.count) == (drop.text, 2)


def test_rules_of_ipv6_and_arp_are_of_their_own_tools(pool):
    run(
        "ip6tables-legacy -A INPUT -p tcp -j DROP;"
        "arptables-legacy -A INPUT -s 192.0.2.9 -j DROP; arptables-legacy -P OUTPUT DROP"
    )
    found = {(obstacle.text, obstacle.version) for obstacle in obstacles(PLACE, pool)}
    assert found == {
        ("ip6tables-legacy filter INPUT: -p tcp -j DROP", 6),
        ("arptables-legacy filter INPUT: -j DROP -s 192.0.2.9", None),
        ("arptables-legacy filter OUTPUT: policy DROP", None),
    }


def test_arp_that_is_dropped_is_counted(pool):
    run(f"ip neigh del {SILENT} dev eth0; arptables-legacy -A OUTPUT -d {SILENT} -j DROP")
    before = obstacles(PLACE, pool)
    send()
    (met,) = grown(before, obstacles(PLACE, pool))
    assert met.text.startswith("arptables-legacy filter OUTPUT:")


def test_tables_without_rules_are_none(pool):
    run("iptables-legacy -L; iptables-legacy -t nat -L; arptables-legacy -L")
    assert obstacles(PLACE, pool) == ()


@pytest.mark.parametrize("tool", LEGACY)
def test_without_the_tool_only_the_tables_are_known(pool, monkeypatch, tool):
    run(f"{tool} -A INPUT -j DROP")
    monkeypatch.setattr("netlab.kernel.process.output.SEARCH", "/nonexistent")
    obstacle = only(pool)
    package = tool.partition("-")[0].replace("ip6", "ip")
    assert obstacle.text == f"{tool} filter: its rules are shown by the package {package}"
    assert obstacle.count is None
    assert iptables.legacy(PLACE, pool) == ()


def test_rules_are_read_for_whom_evaluates_them(pool):
    run(
        "iptables-legacy -A INPUT -m limit --limit 3/min -j ACCEPT; ip6tables-legacy -P INPUT DROP;"
        "iptables-nft -A INPUT -m addrtype --dst-type LOCAL -j ACCEPT"
    )
    read = {
        one.tool: one for one in iptables.legacy(PLACE, pool) + iptables.of_nftables(PLACE, pool)
    }
    assert [rule.text for rule in read["iptables-legacy"].rules] == [
        "-m limit --limit 3/min -j ACCEPT"
    ]
    assert [rule.text for rule in read["iptables-nft"].rules] == [
        "-m addrtype --dst-type LOCAL -j ACCEPT"
    ]
    assert "DROP" in [chain.policy for chain in read["ip6tables-legacy"].chains]


LISTING_OF_FRAMES = """\
Bridge table: filter

Bridge chain: INPUT, entries: 0, policy: ACCEPT

Bridge chain: FORWARD, entries: 1, policy: DROP
-p IPv4 -i port0 --ip-proto icmp -j DROP , pcnt = 3 -- bcnt = 252

Bridge chain: OUTPUT, entries: 0, policy: ACCEPT

Bridge chain: mine, entries: 1, policy: RETURN
-j CONTINUE , pcnt = 0 -- bcnt = 0
"""


def test_ebtables_listing_is_read_where_its_modules_are(pool, monkeypatch):
    """Not every kernel has them."""
    monkeypatch.setattr(iptables, "tables_of_frames", lambda: ["filter"])
    monkeypatch.setattr(iptables, "output", lambda _: LISTING_OF_FRAMES)
    assert {(obstacle.text, obstacle.count) for obstacle in obstacles(PLACE, pool)} == {
        ("ebtables-legacy filter FORWARD: policy DROP", None),
        ("ebtables-legacy filter FORWARD: -p IPv4 -i port0 --ip-proto icmp -j DROP", 3),
    }


# traffic control

DROP_ICMP = "'4,48 0 0 23,21 0 1 1,6 0 0 2,6 0 0 4294967295'"


def test_a_filter_that_drops_has_its_queue_s_count(pool):
    run(
        "tc qdisc add dev eth0 clsact;"
        f"tc filter add dev eth0 egress protocol ip bpf da bytecode {DROP_ICMP}"
    )
    before = obstacles(PLACE, pool)
    send()
    (met,) = grown(before, obstacles(PLACE, pool))
    assert re.fullmatch(r"tc eth0 egress: filter protocol ip pref \d+ bpf direct-action", met.text)
    assert (met.interface, met.hook, met.version) == ("eth0", "egress", 4)
    assert met.count
    assert met.count >= 2


def test_of_several_filters_nobody_knows_which_dropped(pool):
    run(
        "tc qdisc add dev eth0 clsact;"
        f"tc filter add dev eth0 egress protocol ip bpf da bytecode {DROP_ICMP};"
        "tc filter add dev eth0 ingress protocol arp bpf da bytecode '1,6 0 0 2'"
    )
    before = obstacles(PLACE, pool)
    assert {(one.hook, one.count) for one in before} == {
        ("egress", None),
        ("ingress", None),
        ("", 0),
    }
    send()
    (met,) = grown(before, obstacles(PLACE, pool))
    assert met.text == "tc eth0: qdisc clsact ffff:"


def test_a_filter_that_only_classifies_or_copies_is_none(pool):
    run(
        "tc qdisc add dev eth0 ingress;"
        "tc filter add dev eth0 parent ffff: protocol ip u32 match ip protocol 1 0xff"
        " action mirred egress mirror dev port0;"
        "tc filter add dev eth0 parent ffff: protocol ip u32 match ip protocol 2 0xff flowid 1:1"
    )
    assert obstacles(PLACE, pool) == ()


def test_a_filter_that_leads_elsewhere_is_one(pool):
    run(
        "tc qdisc add dev eth0 ingress;"
        "tc filter add dev eth0 parent ffff: protocol ip u32 match ip protocol 1 0xff"
        " action mirred egress redirect dev port0"
    )
    assert only(pool).text.endswith("u32 action mirred stolen")


@pytest.mark.parametrize(
    ("command", "text"),
    [
        ("root tbf rate 8bit burst 30 limit 40", r"tc eth0: qdisc tbf \w+: root"),
        ("root handle 7: pfifo limit 1", "tc eth0: qdisc pfifo 7: root"),
    ],
)
def test_a_queue_by_hand_is_one(pool, command, text):
    run(f"tc qdisc add dev eth0 {command}")
    obstacle = only(pool)
    assert re.fullmatch(text, obstacle.text)
    assert (obstacle.hook, obstacle.interface) == ("egress", "eth0")


def test_a_starved_queue_counts_what_it_drops(pool):
    run("tc qdisc add dev eth0 root tbf rate 8bit burst 30 limit 40")
    before = obstacles(PLACE, pool)
    send()
    (met,) = grown(before, obstacles(PLACE, pool))
    assert met.count
    assert met.count >= 2


@pytest.mark.parametrize("rate", [8_000, 100_000, 10_000_000, 1_000_000_000])
def test_a_planned_queue_is_none(pool, rate):
    queues.put(pool.netlink(PLACE), Queue(PLACE, "eth0", rate))
    assert obstacles(PLACE, pool) == ()


# interfaces


@pytest.fixture
def xdp(pool) -> Iterator[None]:
    program = load_xdp_drop()
    netlink = pool.netlink(PLACE)
    attached = [("IFLA_XDP_FD", program), ("IFLA_XDP_FLAGS", XDP_FLAGS_SKB_MODE)]
    body = {"index": netlink.index("eth0"), "attrs": [("IFLA_XDP", {"attrs": attached})]}
    netlink.request(encode(ifinfmsg, body), RTM_NEWLINK)
    yield
    os.close(program)


def test_a_program_before_everything_else_is_one(pool, xdp):
    obstacle = only(pool)
    assert re.fullmatch(r"eth0: prog/xdpgeneric id \d+", obstacle.text)
    assert (obstacle.kind, obstacle.interface, obstacle.hook) == (
        ObstacleKind.XDP,
        "eth0",
        "ingress",
    )


def test_an_interface_without_arp_is_one(pool):
    run("ip link set eth0 arp off; ip link add dummy0 type dummy", may_fail=True)
    obstacle = only(pool)
    assert (obstacle.kind, obstacle.interface) == (ObstacleKind.ARP_OFF, "eth0")


# IPsec


def test_a_policy_that_blocks_has_the_count_of_its_direction(pool):
    run(
        f"ip xfrm policy add dir out dst {SILENT} proto icmp action block;"
        f"ip xfrm policy add dir out dst {SILENT} proto tcp dport 80 action allow"
    )
    before = obstacles(PLACE, pool)
    send()
    (met,) = grown(before, obstacles(PLACE, pool))
    assert met.text == (
        f"xfrm policy src 0.0.0.0/0 dst {SILENT}/32 proto 1 dir out action block priority 0"
    )
    assert (met.hook, met.version, met.count) == ("postrouting", 4, 2)


def test_a_policy_that_demands_a_tunnel_is_one(pool):
    run(
        "ip xfrm policy add dir in src fd00::/64 dst fd01::/64 proto tcp dport 80 priority 7"
        " tmpl src fd00::1 dst fd01::1 proto esp mode tunnel;"
        "ip xfrm policy add dir fwd src 198.51.100.0/24 action block"
    )
    assert {(one.text, one.hook, one.version, one.count) for one in obstacles(PLACE, pool)} == {
        (
            "xfrm policy src fd00::/64 dst fd01::/64 proto 6 dport 80 dir in tmpl priority 7",
            "input", 6, None,
        ),
        (
            "xfrm policy src 198.51.100.0/24 dst 0.0.0.0/0 dir fwd action block priority 0",
            "forward", 4, None,
        ),
    }  # fmt: skip


def test_a_default_that_blocks_is_one(pool):
    run("ip xfrm policy setdefault fwd block")
    assert only(pool).text == "xfrm policy default fwd block"


# switches


@pytest.mark.parametrize(
    ("setting", "text"),
    [
        ("learning off", "learning off of port port0"),
        ("flood off", "flood off of port port0"),
        ("mcast_flood off", "mcast_flood off of port port0"),
        ("bcast_flood off", "bcast_flood off of port port0"),
        ("hairpin on", "hairpin on of port port0"),
        ("isolated on", "isolated on of port port0"),
        ("neigh_suppress on", "neigh_suppress on of port port0"),
        ("state 1", "state listening of port port0"),
        ("state 0", "state disabled of port port0"),
    ],
)
def test_a_setting_of_a_port_is_one(pool, setting, text):
    run(f"bridge link set dev port0 {setting}")
    obstacle = only(pool)
    assert (obstacle.kind, obstacle.text, obstacle.interface) == (
        ObstacleKind.BRIDGE_PORT, text, "port0",
    )  # fmt: skip


def test_a_locked_port_is_one(pool):
    run("bridge link set dev port0 learning off locked on")
    assert texts(pool, ObstacleKind.BRIDGE_PORT) == [
        "learning off of port port0",
        "locked on of port port0",
    ]


def test_a_switch_that_is_down_is_one(pool):
    run("ip link set br0 down")
    assert texts(pool, ObstacleKind.BRIDGE_PORT) == ["bridge br0 is down"]


RULES = "table ip mine { chain c { type filter hook forward priority 0; policy drop; }; }"


def test_frames_are_handed_to_rules_where_there_are_any(pool):
    run("sysctl -qw net.bridge.bridge-nf-call-iptables=1")
    assert obstacles(PLACE, pool) == ()
    run(f"nft '{RULES}'")
    obstacle = only(pool)
    assert obstacle.text == "net.bridge.bridge-nf-call-iptables = 1: nft ip mine c"
    assert (obstacle.kind, obstacle.version) == (ObstacleKind.BRIDGE_NETFILTER, 4)
    run("ip link del br0")
    assert obstacles(PLACE, pool) == ()


def test_frames_are_handed_to_legacy_rules(pool):
    run("sysctl -qw net.bridge.bridge-nf-call-iptables=1; iptables-legacy -L")
    assert obstacles(PLACE, pool) == ()
    run("iptables-legacy -P FORWARD DROP")
    assert texts(pool, ObstacleKind.BRIDGE_NETFILTER) == [
        "net.bridge.bridge-nf-call-iptables = 1: iptables-legacy filter"
    ]


# nftables before and beside IP

CHAINS = {
    "table netdev a { chain c { type filter hook ingress device eth0 priority 0; drop; }; }": (
        "netdev a c", "eth0", "ingress",
    ),
    "table netdev a { chain c { type filter hook egress device eth0 priority 0; drop; }; }": (
        "netdev a c", "eth0", "egress",
    ),
    "table inet a { chain c { type filter hook ingress device eth0 priority 0; drop; }; }": (
        "inet a c", "eth0", "ingress",
    ),
    "table arp a { chain c { type filter hook input priority 0; policy drop; }; }": (
        "arp a c", "", "input",
    ),
}  # fmt: skip


@pytest.mark.parametrize("rules", CHAINS)
def test_a_chain_that_sees_frames_is_one(pool, rules):
    run(f"nft '{rules}'")
    obstacle = only(pool)
    assert (obstacle.text, obstacle.interface, obstacle.hook) == CHAINS[rules]
    assert obstacle.kind is ObstacleKind.NETDEV_RULES


def test_a_chain_of_several_interfaces_is_one_of_each(pool):
    hook = "type filter hook ingress devices = { eth0, port0 } priority 0"
    run(f"nft 'table netdev a {{ chain c {{ {hook}; drop; }}; }}'")
    assert {one.interface for one in obstacles(PLACE, pool)} == {"eth0", "port0"}


@pytest.mark.parametrize(
    "rules",
    [
        "table arp a { chain c { type filter hook input priority 0; }; }",
        "table arp a { flags dormant; chain c { type filter hook input priority 0; drop; }; }",
        "table ip a { chain c { type filter hook input priority 0; drop; }; }",
        "table arp a { chain c { drop; }; }",
    ],
)
def test_a_chain_that_does_nothing_there_is_none(pool, rules):
    nft.create(PLACE, rules.replace("; }; }", "; }\n}").replace("{ ", "{\n"))
    assert obstacles(PLACE, pool) == ()


# settings


@pytest.mark.parametrize(
    ("setting", "interface", "version"),
    [
        ("net.ipv4.icmp_echo_ignore_all = 1", "", 4),
        ("net.ipv6.icmp.echo_ignore_all = 1", "", 6),
        ("net.ipv4.conf.eth0.arp_ignore = 8", "eth0", 4),
        ("net.ipv4.conf.all.arp_ignore = 1", "", 4),
        ("net.ipv4.conf.eth0.arp_filter = 1", "eth0", 4),
        ("net.ipv4.icmp_ratelimit = 6000000", "", 4),
        ("net.ipv4.icmp_ratemask = 6169", "", 4),
        ("net.ipv4.ip_default_ttl = 2", "", 4),
        ("net.ipv6.conf.eth0.hop_limit = 2", "eth0", 6),
        ("net.ipv4.neigh.eth0.mcast_solicit = 0", "eth0", 4),
        ("net.ipv4.tcp_abort_on_overflow = 1", "", None),
    ],
)
def test_a_setting_that_silences_is_one(pool, setting, interface, version):
    run(f"sysctl -qw '{setting.replace(' = ', '=')}'")
    obstacle = only(pool)
    assert (obstacle.kind, obstacle.text) == (ObstacleKind.SYSCTL, setting)
    assert (obstacle.interface, obstacle.version) == (interface, version)
    assert obstacle.rejects == ("abort" in setting)


@pytest.mark.parametrize(
    "setting",
    ["net.ipv4.icmp_ratelimit=0", "net.ipv4.icmp_ratemask=0", "net.ipv4.ip_default_ttl=128"],
)
def test_a_setting_that_lets_more_through_is_none(pool, setting):
    run(f"sysctl -qw {setting}")
    assert obstacles(PLACE, pool) == ()


# connections


@pytest.mark.parametrize(("count", "most", "full"), [(8, 8, True), (7, 8, False), (8, 0, False)])
def test_a_full_table_is_one(pool, count, most, full):
    """The limit is the whole machine's: no test lowers it."""
    values = {"nf_conntrack_count": str(count), "nf_conntrack_max": str(most)}
    site: Any = SimpleNamespace(
        values=lambda *keys: {key: values[key.rpartition(".")[2]] for key in keys}
    )
    with pool.inside(PLACE):
        found = list(connections.read(site))
    text = f"nf_conntrack_count = {count}, nf_conntrack_max = {most}"
    assert found == ([Obstacle(ObstacleKind.CONNTRACK_FULL, text, count=0)] if full else [])


# counts


def test_only_what_has_grown_was_met():
    rule = Obstacle(ObstacleKind.IPTABLES, "a", count=1)
    uncounted = Obstacle(ObstacleKind.SYSCTL, "b")
    fresh = Obstacle(ObstacleKind.IPTABLES, "c", count=1)
    more = Obstacle(ObstacleKind.IPTABLES, "a", count=2)
    assert grown([rule, uncounted], [rule, uncounted]) == ()
    assert grown([rule], [more, fresh]) == (more, fresh)
    assert grown([more, rule], [more, more]) == (more,)


def test_drops_are_counted(pool):
    run(
        f"ip xfrm policy add dir out dst {SILENT} proto icmp action block;"
        "nft 'table ip t { chain c { type filter hook output priority 0; ct state new; }; }'"
    )
    before = drop_counters.read(PLACE, pool)
    assert before["conntrack.drop"] == before["eth0.rx_dropped"] == 0
    send()
    assert counters.grown(before, drop_counters.read(PLACE, pool)) == {"XfrmOutPolBlock": 2}
