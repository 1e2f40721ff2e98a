"""Rules of routing: the rule and the route that decide, worked out, and what the kernel answers."""

from __future__ import annotations

import random
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from ipaddress import ip_address
from shutil import which

import pytest

from netlab.kernel.netlink.objects import links, rules
from netlab.kernel.netlink.pool import NamespacePool
from netlab.kernel.obstacles import marking
from netlab.kernel.rows import RouteRow
from netlab.kernel.state.policy import RouteLookup
from netlab.kernel.state.routing import UNCERTAIN, MarkSource, RouteLookups
from tests.machine import ip

pytestmark = pytest.mark.on_each_kernel

PLACE = "policy"
BASE = """
ip link set lo up
for n in 0 1; do
    ip link add eth$n type veth peer name far$n
    ip link set eth$n up; ip link set far$n up
    ip address add 10.0.$n.1/24 dev eth$n
    ip -6 address add fd00:$n::1/64 dev eth$n nodad
    sysctl -qw net.ipv4.conf.eth$n.rp_filter=0
done
sysctl -qw net.ipv4.conf.all.rp_filter=0 net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
for v in 4 6; do
    ip -$v route add default via $([ $v = 4 ] && echo 10.0.0.2 || echo fd00:0::2)
    ip -$v route add default via $([ $v = 4 ] && echo 10.0.1.2 || echo fd00:1::2) table 100
    ip -$v route add blackhole default table 101
    ip -$v route add unreachable default table 102
    ip -$v route add prohibit default table 103
    ip -$v route add throw default table 104
done
ip route add 8.0.0.0/8 nexthop via 10.0.0.3 nexthop via 10.0.1.3
ip -6 route add fd08::/64 nexthop via fd00:0::3 nexthop via fd00:1::3
ip route add blackhole 9.9.9.8 tos 0x10
"""
TARGET = {4: "9.9.9.9", 6: "fd09::9"}
SOURCE = {4: "10.0.0.9", 6: "fd00::9"}
HOME = {4: "10.0.0.1", 6: "fd00::1"}
ICMP = {4: 1, 6: 58}


def shell(command: str) -> None:
    done = subprocess.run(
        ["ip", "netns", "exec", PLACE, "sh", "-ec", command], capture_output=True, text=True
    )
    assert done.returncode == 0, f"{command}: {done.stderr}"


@pytest.fixture(scope="module", autouse=True)
def place() -> Iterator[None]:
    ip("netns", "add", PLACE)
    try:
        shell(BASE)
        yield
    finally:
        ip("netns", "del", PLACE)


@pytest.fixture
def version(request) -> Iterator[int]:
    """A version of IP; afterwards, the rules are a new namespace's again."""
    yield request.param
    for word in ("-4", "-6"):
        shell(f"ip {word} rule flush; ip {word} rule add pref 32766 lookup main")
    shell("ip rule add pref 32767 lookup default")


both = pytest.mark.parametrize("version", [4, 6], indirect=True)


def packet(version: int, **changed: object) -> RouteLookup:
    """A UDP datagram of netlab's own, of which everything is known."""
    known = RouteLookup(
        ip_address(TARGET[version]),
        ip_address(HOME[version]),
        mark=0,
        tos=0,
        protocol=17,
        source_port=1000,
        target_port=53,
        uid=0,
    )
    return replace(known, **changed)


def came(version: int, **changed: object) -> RouteLookup:
    """The same, as it comes in."""
    return packet(version, source=ip_address(SOURCE[version]), came_in="eth0", uid=None, **changed)


def lookups_of(pool: NamespacePool, names: dict[int, str]) -> RouteLookups:
    """The decisions for packets whose marks nftables' trace tells."""
    return RouteLookups(pool, lambda _: names, partial(marking.read, pool), {MarkSource.RULES})


def asked(*questions: RouteLookup) -> list[str]:
    """What decides about each: the route, the rule; or what is not known, or the errno."""
    with NamespacePool(1) as pool:
        names = {link.index: link.name for link in links.read(pool.netlink(PLACE))}
        lookups = lookups_of(pool, names)
        return [_decided(lookups, question) for question in questions]


def _decided(lookups: RouteLookups, question: RouteLookup) -> str:
    result, entry = lookups.ask(PLACE, question), lookups.entry(PLACE, question)
    if result.why:
        assert result.error == UNCERTAIN and entry is None
        return f"{result.why.field}? {result.why.rule}"
    if not result.error:
        assert isinstance(entry, RouteRow)
        hops = [hop.interface for hop in entry.hops]
        assert result.kind == "local" or result.interface in hops
    return f"{result.error}: {entry}"


def main(version: int) -> str:
    return f"0: default via {ip_address({4: '10.0.0.2', 6: 'fd00::2'}[version])} dev eth0" + (
        " metric 1024" if version == 6 else ""
    )


def other(version: int) -> str:
    gateway = {4: "10.0.1.2", 6: "fd00:1::2"}[version]
    return f"0: default via {gateway} dev eth1 table 100" + " metric 1024" * (version == 6)


SELECTORS = {
    "fwmark 0x7": {"mark": 7},
    "fwmark 0x1/0x1": {"mark": 7},
    "tos 0x10": {"tos": 0x10},
    "ipproto tcp": {"protocol": 6},
    "sport 5-9": {"source_port": 7},
    "dport 80": {"target_port": 80},
    "uidrange 5-9": {"uid": 6},
}


@both
@pytest.mark.parametrize("selector", SELECTORS)
def test_a_rule_by_everything_that_a_packet_has(version, selector):
    shell(f"ip -{version} rule add pref 100 {selector} lookup 100")
    fits = SELECTORS[selector]
    unknown = dict.fromkeys(fits)
    known = asked(packet(version), packet(version, **fits))
    assert known == [main(version), other(version)]
    (doubt,) = asked(packet(version, **unknown))
    if "mark" in fits:  # Nothing on this machine sets one.
        assert doubt == main(version)
    else:
        assert doubt == f"{selector.split()[0]}? ip rule 100: from all {selector} lookup 100"
    if "uid" not in fits:
        assert asked(came(version), came(version, **fits)) == [main(version), other(version)]


@both
def test_what_came_in_counts_as_roots(version):
    shell(f"ip -{version} rule add pref 100 uidrange 0-0 lookup 100")
    assert asked(came(version)) == [other(version)]


@both
def test_ports_of_a_protocol_without_ports_are_none(version):
    shell(f"ip -{version} rule add pref 100 sport 1-65534 lookup 100")
    echo = {"protocol": ICMP[version], "source_port": None, "target_port": None}
    assert asked(packet(version, **echo), came(version, **echo)) == [main(version)] * 2


@both
@pytest.mark.parametrize(
    ("action", "number", "by"),
    [
        ("blackhole", 22, "ip rule 100: from all fwmark 0x7 blackhole"),
        ("unreachable", 101, "ip rule 100: from all fwmark 0x7 unreachable"),
        ("prohibit", 13, "ip rule 100: from all fwmark 0x7 prohibit"),
        ("lookup 101", 22, "blackhole default"),
        ("lookup 102", 113, "unreachable default"),
        ("lookup 103", 13, "prohibit default"),
    ],
)
def test_what_stops_a_packet_is_named(version, action, number, by):
    shell(f"ip -{version} rule add pref 100 fwmark 7 {action}")
    for question in (packet(version, mark=7), came(version, mark=7)):
        (told,) = asked(question)
        assert told.startswith(f"{number}: {by}"), told
        assert ("table" in told) == ("lookup" in action)
    assert asked(packet(version), came(version)) == [main(version)] * 2


@both
def test_a_rule_that_comes_too_late_or_has_no_route_leaves_no_doubt(version):
    shell(
        f"ip -{version} rule add pref 100 lookup 100;"
        f"ip -{version} rule add pref 50 sport 5 lookup 200;"
        f"ip -{version} rule add pref 200 sport 5 prohibit"
    )
    assert asked(packet(version, source_port=None)) == [other(version)]
    (local,) = asked(packet(version, target=ip_address(HOME[version]), source_port=None))
    assert local.startswith(f"0: local {HOME[version]}")


@both
@pytest.mark.parametrize("end", ["sport", "dport"])
def test_a_port_that_is_yet_to_be_chosen(version, end):
    shell(f"ip -{version} rule add pref 100 {end} 100-199 lookup 100")
    name = {"sport": "source_port", "dport": "target_port"}[end]
    ranges = (range(100, 200), range(200, 300), range(150, 250))
    inside, outside, across = asked(*(packet(version, **{name: ports}) for ports in ranges))
    assert (inside, outside) == (other(version), main(version))
    assert across.startswith(f"{end}? ip rule 100: ")


@both
def test_a_question_by_arp_is_of_no_protocol(version):
    for word in ("udp", "tcp"):
        shell(f"ip -{version} rule add pref 100 ipproto {word} prohibit")
    question = came(version, protocol=0, source_port=None, target_port=None)
    assert asked(question) == [main(version)]
    shell(f"ip -{version} rule add pref 100 ipproto {ICMP[version]} prohibit")
    assert asked(question) == ["ipproto? ip rule 100: from all ipproto udp prohibit"]
    home = replace(question, target=ip_address(HOME[version]))
    (told,) = asked(home)  # The local table comes first.
    assert told.startswith(f"0: local {HOME[version]}")


@both
def test_a_protocol_that_the_kernel_cannot_be_asked_for(version):
    shell(f"ip -{version} rule add pref 100 ipproto gre lookup 100")
    assert asked(packet(version)) == [main(version)]
    (doubt,) = asked(packet(version, protocol=47))
    assert doubt == "ipproto? ip rule 100: from all ipproto gre lookup 100"


@both
def test_a_tunnels_number_is_not_known(version):
    shell(f"ip -{version} rule add pref 100 tun_id 5 lookup 100")
    assert asked(packet(version)) == ["tun_id? ip rule 100: from all tun_id lookup 100"]


@both
def test_each_next_hop_of_a_route(version):
    (told,) = asked(packet(version, target=ip_address({4: "8.8.8.8", 6: "fd08::8"}[version])))
    assert [word for word in told.split() if word == "nexthop"] == ["nexthop"] * 2


@both
def test_rules_are_written_as_iproute2_writes_them(version):
    shell(
        f"ip -{version} rule add not from {SOURCE[version]} to {TARGET[version]} fwmark 7/0xff iif lo "
        "ipproto tcp sport 10-20 dport 53 uidrange 0-9 lookup 101 suppress_prefixlength 0;"
        f"ip -{version} rule add tos 0x10 goto 32766;"
        f"ip -{version} rule add oif eth0 nop"
    )
    lines = ip("-n", PLACE, f"-{version}", "rule").splitlines()
    with NamespacePool(1) as pool:
        read = rules.read(pool.netlink(PLACE))
    shown = [str(rule) for rule in read if rule.key.version == version]
    assert shown == [f"ip rule {line.strip()}".replace(":\t", ": ") for line in lines]


class TestMarks:
    """A mark of which the trace of rules tells nothing is known only where nothing sets any."""

    QUESTIONS = (packet(4, mark=None), packet(4, mark=0))
    DOUBT = "fwmark? ip rule 100: from all fwmark 0x7 lookup 100"

    def told(self, do: str, undo: str) -> list[str]:
        shell(f"ip rule add pref 100 fwmark 7 lookup 100; {do}")
        try:
            return asked(*self.QUESTIONS)
        finally:
            shell(f"ip rule del pref 100; {undo}")

    def test_rules_that_set_none(self):
        chain = "chain c { type filter hook prerouting priority -150; meta mark 7 drop; }"
        assert self.told(f"nft 'table ip t {{ {chain}; }}'", "nft flush ruleset") == [main(4)] * 2

    def test_rules_that_are_traced(self):
        chain = "chain c { type filter hook prerouting priority -150; meta mark set 7; }"
        told = self.told(f"nft 'table ip t {{ {chain}; }}'", "nft flush ruleset")
        assert told == [self.DOUBT, main(4)]

    def test_rules_at_an_interface(self):
        chain = "chain c { type filter hook ingress device eth0 priority 0; meta mark set 7; }"
        told = self.told(f"nft 'table netdev t {{ {chain}; }}'", "nft flush ruleset")
        assert told == [self.DOUBT] * 2

    def test_a_mark_that_replies_inherit(self):
        reflect = "sysctl -qw net.ipv4.fwmark_reflect="
        assert self.told(f"{reflect}1", f"{reflect}0") == [self.DOUBT] * 2

    def test_a_program_at_ingress(self):
        passes = "ingress protocol ip bpf da bytecode '1,6 0 0 4294967295'"
        told = self.told(
            f"tc qdisc add dev eth0 clsact; tc filter add dev eth0 {passes}",
            "tc qdisc del dev eth0 clsact",
        )
        assert told == [self.DOUBT] * 2
        told = self.told("tc qdisc add dev eth0 clsact", "tc qdisc del dev eth0 clsact")
        assert told == [main(4)] * 2

    @pytest.mark.skipif(not which("iptables-legacy"), reason="no iptables-legacy")
    @pytest.mark.parametrize(
        ("target", "told"), [("MARK --set-mark 7", [DOUBT] * 2), ("ACCEPT", [main(4)] * 2)]
    )
    def test_a_rule_of_a_legacy_table(self, target, told):
        rule = f"iptables-legacy -t mangle -{{}} PREROUTING -j {target}"
        assert self.told(rule.format("A"), rule.format("D")) == told


WANTED = (
    *(
        "fwmark 7",
        "fwmark 7/0xf",
        "tos 0x10",
        "sport 10-20",
        "dport 53",
        "ipproto tcp",
        "ipproto udp",
    ),
    *("uidrange 0-0", "uidrange 5-9", "iif eth0", "iif lo", "from {source}", "to {target}"),
)
EFFECTS = (
    *("lookup 100", "lookup 101", "lookup 102", "lookup 103", "lookup 104", "lookup 200"),
    *("prohibit", "blackhole", "unreachable", "nop", "goto 32766"),
    *("lookup 100 suppress_prefixlength 0", "lookup main suppress_prefixlength 0"),
)


@both
def test_any_rules_and_packets(version):
    """Whatever is worked out must be what the kernel says, with its route."""
    dice = random.Random(version)
    for _ in range(20):
        for _ in range(dice.randint(1, 4)):
            chosen = {wanted.split()[0]: wanted for wanted in dice.choices(WANTED, k=2)}
            words = " ".join(chosen.values()).format(source=SOURCE[version], target=TARGET[version])
            inverted = dice.choice(("", "not "))
            shell(f"ip -{version} rule add {inverted}{words} {dice.choice(EFFECTS)} || true")
        with NamespacePool(1) as pool:
            netlink = pool.netlink(PLACE)
            names = {link.index: link.name for link in links.read(netlink)}
            lookups = lookups_of(pool, names)
            for _ in range(10):
                _must_agree(lookups, _any_packet(dice, version))
        shell(f"ip -{version} rule flush; ip -{version} rule add pref 32766 lookup main")


def _any_packet(dice: random.Random, version: int) -> RouteLookup:
    protocol = dice.choice((6, 17, ICMP[version]))
    ports = (dice.choice((5, 15)), dice.choice((53, 80))) if protocol in (6, 17) else (None, None)
    make = dice.choice((packet, came))
    return make(
        version,
        target=ip_address(dice.choice((TARGET[version], {4: "8.8.8.8", 6: "fd08::8"}[version]))),
        mark=dice.choice((0, 7, 0x17)),
        tos=dice.choice((0, 0x10)),
        protocol=protocol,
        source_port=ports[0],
        target_port=ports[1],
        **({"uid": dice.choice((0, 6))} if make is packet else {}),
    )


def _must_agree(lookups: RouteLookups, question: RouteLookup) -> None:
    result, entry = lookups.ask(PLACE, question), lookups.entry(PLACE, question)
    led = lookups._decide(PLACE, question)
    shown = ip("-n", PLACE, f"-{question.target.version}", "rule")
    if result.error:
        assert (entry is None) == (led is None), f"{question}\n{shown}"
        return
    assert led and led.route and isinstance(entry, RouteRow), f"{question}\n{shown}"
    worked_out = led.route.destination, led.route.table
    assert worked_out == (entry.destination, int(entry.table or 254)), f"{question}\n{shown}"
