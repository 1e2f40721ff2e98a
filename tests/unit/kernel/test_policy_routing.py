"""The rule of routing that decides about a packet, and what is not known about it: without a kernel."""

from __future__ import annotations

import errno
from dataclasses import replace
from ipaddress import ip_address, ip_network

import pytest
from pyroute2.netlink.rtnl.fibmsg import FR_ACT_NAMES

from netlab.kernel.netlink.codec import FAMILIES, HEADER, encode
from netlab.kernel.netlink.missing import rule_msg
from netlab.kernel.netlink.objects import rules
from netlab.kernel.netlink.objects.routes import KernelHop, KernelRoute
from netlab.kernel.netlink.objects.rules import Bits, KernelRule
from netlab.kernel.rows import NextHop, RouteRow
from netlab.kernel.state import policy
from netlab.kernel.state.policy import Decider, Doubt, RouteLookup

NOBODYS = ip_network("0.0.0.0/0")
HOP = (KernelHop(ip_address("10.0.0.2"), 2),)


def rule(
    priority: int, table: int = 254, action: str = "FR_ACT_TO_TBL", **more: object
) -> KernelRule:
    """A rule of IPv4, as the kernel would send it: attributes by their names, others are fields."""
    attributes = {"FRA_PRIORITY": priority, **{n: v for n, v in more.items() if n.isupper()}}
    fields = {name: value for name, value in more.items() if name.islower()}
    body = encode(
        rule_msg,
        {
            "family": FAMILIES[4],
            "table": table,
            "action": FR_ACT_NAMES[action],
            **fields,
            "attrs": list(attributes.items()),
        },
    )
    decoded = rules.decode(HEADER.pack(HEADER.size + len(body), 32, 0, 0, 0) + body)
    assert decoded
    return decoded


def route(to: str = "0.0.0.0/0", table: int = 254, kind: str = "unicast", **more) -> KernelRoute:
    usual = KernelRoute(
        ip_network(to), HOP, table, kind, "boot", "global", None, 0, False, False, 0, b""
    )
    return replace(usual, **more)


MAIN, OTHER = route(), route(table=100)
PACKET = RouteLookup(
    ip_address("9.9.9.9"),
    ip_address("10.0.0.1"),
    mark=0,
    tos=0,
    protocol=6,
    source_port=1000,
    target_port=80,
    uid=0,
)


def decided(
    *of_rules: KernelRule, packet: RouteLookup = PACKET, table: tuple = (MAIN, OTHER)
) -> str:
    """The table that decides, or the rule; the field in doubt."""
    found = policy.decide([*of_rules, rule(32766)], table, packet)
    match found:
        case Doubt():
            return f"{found.field}?"
        case Decider():
            return str(found.route.table) if found.route else found.rule.action
    return "nothing"


@pytest.mark.parametrize(
    ("wanted", "fits", "text"),
    [
        ({"FRA_FWMARK": 7, "FRA_FWMASK": 0xFFFFFFFF}, {"mark": 7}, "fwmark 0x7"),
        ({"FRA_FWMASK": 1}, {"mark": 6}, "fwmark 0x0/0x1"),
        ({"tos": 0x10}, {"tos": 0x10}, "tos 0x10"),
        ({"FRA_DSCP": 10}, {"tos": 0x29}, "dscp 10"),
        ({"FRA_DSCP": 8, "FRA_DSCP_MASK": 8}, {"tos": 0xA8}, "dscp 8/0x8"),
        ({"FRA_UID_RANGE": "5:9"}, {"uid": 9}, "uidrange 5-9"),
        ({"FRA_IP_PROTO": 17}, {"protocol": 17}, "ipproto udp"),
        ({"FRA_SPORT_RANGE": "5:9"}, {"source_port": 5}, "sport 5-9"),
        ({"FRA_DPORT_RANGE": "80:80"}, {"target_port": 80}, "dport 80"),
        ({"FRA_DPORT_RANGE": "80:80", "FRA_DPORT_MASK": 0xFFF0}, {"target_port": 95}, "dport 80/0xfff0"),
    ],
)  # fmt: skip
def test_everything_that_a_packet_has(wanted, fits, text):
    wants = rule(100, 100, **wanted)
    assert str(wants) == f"ip rule 100: from all {text} lookup 100"
    (name,) = fits
    other = 5 if name == "mark" else 4
    assert decided(wants, packet=replace(PACKET, **fits)) == "100"
    assert decided(wants, packet=replace(PACKET, **{name: other})) == "254"
    assert decided(wants, packet=replace(PACKET, **{name: None})) == f"{text.split()[0]}?"
    inverted = replace(wants, selector=replace(wants.selector, inverted=True))
    assert decided(inverted, packet=replace(PACKET, **fits)) == "254"
    assert decided(inverted, packet=replace(PACKET, **{name: other})) == "100"


def test_addresses_and_interfaces():
    to = rule(100, 100, FRA_DST="9.9.9.0", dst_len=24)
    assert (decided(to), decided(to, packet=replace(PACKET, target=ip_address("8.8.8.8")))) == (
        "100",
        "254",
    )
    whose = rule(100, 100, FRA_SRC="10.0.0.1", src_len=32)
    assert decided(whose) == "100"
    assert decided(whose, packet=replace(PACKET, source=None)) == "254"  # It has not chosen one.
    own = rule(100, 100, FRA_IIFNAME="lo")
    assert decided(own) == "100"
    assert decided(own, packet=replace(PACKET, came_in="eth0")) == "254"
    assert decided(rule(100, 100, FRA_OIFNAME="eth0")) == "254"  # Its socket is bound to none.


def test_a_doubt_matters_only_where_it_may_decide():
    picky = rule(100, 100, FRA_FWMARK=7)
    unmarked = replace(PACKET, mark=None)
    assert decided(picky, packet=unmarked) == "fwmark?"
    assert decided(picky, packet=unmarked, table=(MAIN,)) == "254"  # Its table has no route.
    assert decided(rule(50), picky, packet=unmarked) == "254"  # Another one comes first.
    both = rule(100, 100, FRA_FWMARK=7, FRA_IP_PROTO=17)
    assert decided(both, packet=unmarked) == "254"  # It is no UDP.
    assert decided(rule(100, 100, FRA_TUN_ID=5)) == "tun_id?"


def test_ports_of_icmp_are_none_and_those_of_an_unknown_protocol_are_not_known():
    ports = rule(100, 100, FRA_SPORT_RANGE="5:9")
    echo = replace(PACKET, protocol=1, source_port=None, target_port=None)
    assert decided(ports, packet=echo) == "254"
    assert decided(ports, packet=replace(echo, protocol=None)) == "sport?"


@pytest.mark.parametrize(
    ("wanted", "told"), [("5:9", "254"), ("1000:2000", "100"), ("1:1100", "sport?"), ("1100:1100", "sport?")]
)  # fmt: skip
def test_a_port_that_is_yet_to_be_chosen(wanted, told):
    chosen_later = replace(PACKET, source_port=range(1000, 1200))
    assert decided(rule(100, 100, FRA_SPORT_RANGE=wanted), packet=chosen_later) == told


def test_a_packet_that_came_in_counts_as_roots():
    of_root = rule(100, 100, FRA_UID_RANGE="0:0")
    assert decided(of_root, packet=replace(PACKET, came_in="eth0", uid=None)) == "100"


@pytest.mark.parametrize(
    ("action", "error"),
    [
        ("FR_ACT_BLACKHOLE", errno.EINVAL),
        ("FR_ACT_UNREACHABLE", errno.ENETUNREACH),
        ("FR_ACT_PROHIBIT", errno.EACCES),
    ],
)
def test_a_rule_that_stops_packets(action, error):
    found = policy.decide([rule(100, 0, action)], [MAIN], PACKET)
    assert isinstance(found, Decider) and found.route is None
    assert found.closes(error) and not found.closes(errno.EHOSTUNREACH)


def test_a_route_that_stops_packets():
    found = policy.decide([rule(1)], [route(kind="unreachable"), MAIN], PACKET)
    assert isinstance(found, Decider) and found.closes(errno.EHOSTUNREACH)
    assert not found.closes(errno.ENETUNREACH)


def test_which_route_of_a_table():
    near = route("9.9.9.0/24")

    def chosen(*table: KernelRoute, packet: RouteLookup = PACKET) -> KernelRoute | None:
        found = policy.decide([rule(1)], table, packet)
        return found.route if isinstance(found, Decider) else None

    assert chosen(MAIN, near) == near
    assert chosen(MAIN, replace(near, dead=True)) == MAIN
    assert chosen(replace(MAIN, metric=1), replace(MAIN, metric=0)) == MAIN
    served = replace(near, tos=0x10)
    assert chosen(MAIN, served) == MAIN
    assert chosen(near, served, packet=replace(PACKET, tos=0x10)) == served
    assert chosen(MAIN, route("fd00::/8")) == MAIN
    assert chosen(route(kind="throw")) is None


def test_what_leads_on_to_the_next_rule():
    assert decided(rule(100, 100), table=(route(table=100, kind="throw"), MAIN)) == "254"
    assert decided(rule(100, 0, "FR_ACT_NOP")) == "254"
    suppressed = rule(100, 100, FRA_SUPPRESS_PREFIXLEN=0)
    assert str(suppressed) == "ip rule 100: from all lookup 100 suppress_prefixlength 0"
    assert decided(suppressed) == "254"
    assert decided(suppressed, table=(route("9.0.0.0/8", 100), MAIN)) == "100"
    jump, passed = rule(100, 0, "FR_ACT_GOTO", FRA_GOTO=200), rule(150, 100)
    assert decided(jump, passed, rule(200, 0, "FR_ACT_PROHIBIT")) == "prohibit"
    assert decided(jump, passed) == "nothing"
    assert decided(rule(100, 0, FRA_L3MDEV=1)) == "nothing"  # It may have led to a VRF's table.


def test_another_protocol_stands_in_that_no_rule_tells_from_it():
    gre = replace(PACKET, protocol=47)
    udp, tcp, icmp = (rule(100, 100, FRA_IP_PROTO=number) for number in (17, 6, 1))
    assert policy.askable([], PACKET) == PACKET
    assert policy.askable([udp], gre) == replace(gre, protocol=6)
    assert policy.askable([udp, tcp, icmp], gre) == Doubt(udp, "ipproto")
    assert decided(rule(100, 100, FRA_IP_PROTO=47), packet=gre) == "ipproto?"


def test_bits():
    assert Bits(7, 0xF).fits(0x17) and not Bits(7, 0xF).fits(0x18)


def test_routes_are_written_as_iproute2_writes_them():
    hops = (NextHop(ip_address("10.0.0.2"), "eth0"), NextHop(None, "eth1", dead=True))
    row = RouteRow(NOBODYS, hops[:1], table="100", tos=0x10, protocol="static", metric=5)
    assert str(row) == "default tos 0x10 via 10.0.0.2 dev eth0 table 100 proto static metric 5"
    several = RouteRow(NOBODYS, hops, table="local")
    assert str(several) == (
        "default table local nexthop via 10.0.0.2 dev eth0 nexthop dev eth1 dead"
    )
