"""Rules of iptables in the words of nftables' JSON."""

from __future__ import annotations

import pytest

from netlab.kernel.nftables import xt
from netlab.kernel.nftables.iptables_save import parse
from tests.unit.kernel.iptables import DOCKER


def expressions(rule: str, tool: str = "iptables-legacy", chains: str = "") -> list:
    ruleset = parse(f"*filter\n:INPUT ACCEPT [0:0]\n{chains}\n-A INPUT {rule}\nCOMMIT", tool)
    (translated,) = [entry["rule"] for entry in xt.as_nftables([ruleset]) if "rule" in entry]
    return translated["expr"]


def match(left: dict, right: object, op: str = "==") -> dict:
    return {"match": {"op": op, "left": left, "right": right}}


def field(protocol: str, name: str) -> dict:
    return {"payload": {"protocol": protocol, "field": name}}


def meta(key: str) -> dict:
    return {"meta": {"key": key}}


def unknown(name: str) -> dict:
    return match({"xt": {"type": "match", "name": name}}, True)


PROTOCOL = match(meta("l4proto"), 6)
STATE = {"ct": {"key": "state"}}
MATCHES = {
    "-s 10.0.0.1/32": [match(field("ip", "saddr"), "10.0.0.1")],
    "! -d 10.0.0.0/8": [match(field("ip", "daddr"), {"prefix": {"addr": "10.0.0.0", "len": 8}}, "!=")],
    "-d 10.0.0.0/255.0.0.255": [unknown("-d")],
    "-i eth+": [match(meta("iifname"), "eth*")],
    "! -o docker0": [match(meta("oifname"), "docker0", "!=")],
    "-p 47": [match(meta("l4proto"), 47)],
    "-p nonsense": [unknown("-p")],
    "-f": [unknown("-f")],
    "-p tcp -m tcp --dport 80": [PROTOCOL, match(field("tcp", "dport"), 80)],
    "-p tcp -m tcp ! --sport 1024:": [
        PROTOCOL,
        match(field("tcp", "sport"), {"range": [1024, 65535]}, "!="),
    ],
    "-p tcp -m tcp --tcp-flags FIN,SYN,RST,ACK SYN": [
        PROTOCOL,
        match({"&": [field("tcp", "flags"), ["fin", "syn", "rst", "ack"]]}, "syn"),
    ],
    "-p tcp -m tcp --tcp-option 8": [PROTOCOL, unknown("tcp")],
    "-p tcp -m multiport --dports 80,90:99": [
        PROTOCOL,
        match(field("tcp", "dport"), {"set": [80, {"range": [90, 99]}]}),
    ],
    "-p tcp -m multiport ! --ports 80": [PROTOCOL, unknown("multiport")],
    "-p icmp -m icmp --icmp-type 8": [
        match(meta("l4proto"), 1),
        match(field("icmp", "type"), "echo-request"),
    ],
    "-p icmp -m icmp --icmp-type 3/4": [
        match(meta("l4proto"), 1),
        match(field("icmp", "type"), "destination-unreachable"),
        match(field("icmp", "code"), 4),
    ],
    "-p icmp -m icmp ! --icmp-type 3/4": [match(meta("l4proto"), 1), unknown("icmp")],
    "-m conntrack --ctstate RELATED,ESTABLISHED": [match(STATE, {"set": ["related", "established"]})],
    "-m state ! --state NEW": [match(STATE, "new", "!=")],
    "-m conntrack --ctstate DNAT": [match({"ct": {"key": "status"}}, "dnat")],
    "-m conntrack ! --ctstate ESTABLISHED,DNAT": [unknown("conntrack")],
    "-m conntrack --ctorigdst 10.0.0.9/32": [
        match({"ct": {"key": "ip daddr", "dir": "original"}}, "10.0.0.9")
    ],
    "-m addrtype --dst-type LOCAL": [match({"fib": {"result": "type", "flags": ["daddr"]}}, "local")],
    "-m addrtype --src-type LOCAL --limit-iface-out": [
        match({"fib": {"result": "type", "flags": ["saddr", "oif"]}}, "local")
    ],
    "-m comment --comment x": [],
    "-m tcp": [],
    "-m limit --limit 3/min": [unknown("limit")],
    "-m recent --set --name x --mask 255.255.255.255 --rsource": [],
    "-m recent --update --seconds 3 --name x": [unknown("recent")],
    "-m mark --mark 0x1/0xff": [match({"&": [meta("mark"), 255]}, 1)],
    "-m mac --mac-source 02:00:00:00:00:0A": [match(field("ether", "saddr"), "02:00:00:00:00:0a")],
    "-m set --match-set blocked src": [unknown("set")],
    "-m physdev --physdev-is-bridged": [unknown("physdev")],
    "-m hashlimit --hashlimit-upto 1/sec --hashlimit-name x": [unknown("hashlimit")],
    "-m rpfilter --invert": [
        match({"fib": {"result": "oif", "flags": ["saddr", "iif"]}}, False)
    ],
    "-m policy --dir in --pol none": [match(meta("secpath"), False)],
    "-m policy --dir in --pol ipsec --proto esp": [unknown("policy")],
    "-m iprange --src-range 10.0.0.1-10.0.0.9": [
        match(field("ip", "saddr"), {"range": ["10.0.0.1", "10.0.0.9"]})
    ],
    "-m ttl --ttl-lt 3": [match(field("ip", "ttl"), 3, "<")],
    "-m novelty": [unknown("novelty")],
}  # fmt: skip


@pytest.mark.parametrize("rule", MATCHES)
def test_a_match_has_nftables_words_or_is_not_known(rule):
    assert expressions(f"{rule} -j DROP") == [*MATCHES[rule], {"drop": None}]


@pytest.mark.parametrize(
    ("rule", "first", "second"),
    [
        (
            "-m conntrack --ctstate ESTABLISHED,DNAT",
            match(STATE, "established"),
            match({"ct": {"key": "status"}}, "dnat"),
        ),
        (
            "-m multiport --ports 80",
            match(field("th", "sport"), 80),
            match(field("th", "dport"), 80),
        ),
    ],
)
def test_one_or_the_other_are_two_rules_of_one_text(rule, first, second):
    ruleset = parse(
        f"*filter\n:INPUT ACCEPT [0:0]\n-A INPUT {rule} -j DROP\nCOMMIT", "iptables-nft"
    )
    rules = [entry["rule"] for entry in xt.as_nftables([ruleset]) if "rule" in entry]
    assert [one["expr"][0] for one in rules] == [first, second]
    assert {one["handle"] for one in rules} == {1}


EVERY_BIT = "0xffffffff"
TARGETS = {
    "": [],
    "-j ACCEPT": [{"accept": None}],
    "-j RETURN": [{"return": None}],
    "-j far": [{"jump": {"target": "far"}}],
    "-g far": [{"goto": {"target": "far"}}],
    "-j REJECT --reject-with icmp-port-unreachable": [
        {"reject": {"type": "icmp", "expr": "port-unreachable"}}
    ],
    "-j REJECT --reject-with tcp-reset": [{"reject": {"type": "tcp reset"}}],
    '-j LOG --log-prefix "[UFW BLOCK] "': [],
    "-j CHECKSUM --checksum-fill": [],
    "-j SNAT --to-source 192.0.2.1": [{"snat": {"addr": "192.0.2.1"}}],
    "-j DNAT --to-destination 10.0.0.2:80": [{"dnat": {"addr": "10.0.0.2", "port": 80}}],
    "-j DNAT --to-destination :80": [{"dnat": {"port": 80}}],
    "-j DNAT --to-destination 10.0.0.2-10.0.0.4 --random": [
        {"dnat": {"addr": {"range": ["10.0.0.2", "10.0.0.4"]}, "flags": "random"}}
    ],
    "-j DNAT --to-destination 10.0.0.2:80-90/8080": [{"xt": {"type": "target", "name": "DNAT"}}],
    "-j MASQUERADE": [{"masquerade": None}],
    "-j MASQUERADE --to-ports 1024-2047": [{"masquerade": {"port": {"range": [1024, 2047]}}}],
    "-j REDIRECT --to-ports 3128": [{"redirect": {"port": 3128}}],
    "-j MARK --set-xmark 0x1/0xffffffff": [{"mangle": {"key": meta("mark"), "value": 1}}],
    "-j MARK --set-xmark 0x1/0x1": [{"xt": {"type": "target", "name": "MARK"}}],
    f"-j CONNMARK --restore-mark --nfmask {EVERY_BIT} --ctmask {EVERY_BIT}": [
        {"mangle": {"key": meta("mark"), "value": {"ct": {"key": "mark"}}}}
    ],
    "-j TCPMSS --clamp-mss-to-pmtu": [
        {
            "mangle": {
                "key": {"tcp option": {"name": "maxseg", "field": "size"}},
                "value": {"rt": {"key": "mtu"}},
            }
        }
    ],
    "-j CT --notrack": [{"notrack": None}],
    "-j TPROXY --on-port 1": [{"xt": {"type": "target", "name": "TPROXY"}}],
}


@pytest.mark.parametrize("rule", TARGETS)
def test_a_target_has_nftables_words_or_is_not_known(rule):
    assert expressions(rule, chains=":far - [0:0]") == TARGETS[rule]


@pytest.mark.parametrize(
    ("rule", "wanted"),
    [
        ("-s fd00::/8", match(field("ip6", "saddr"), {"prefix": {"addr": "fd00::", "len": 8}})),
        ("-m icmp6 --icmpv6-type 135", match(field("icmpv6", "type"), "nd-neighbor-solicit")),
        ("-m hl --hl-eq 255", match(field("ip6", "hoplimit"), 255)),
    ],
)
def test_ipv6_has_its_own_words(rule, wanted):
    assert expressions(rule, "ip6tables-legacy") == [wanted]


def test_ipv6_destinations_with_a_port_are_in_brackets():
    target = "-j DNAT --to-destination [fd00::2]:80"
    assert expressions(target, "ip6tables-nft") == [{"dnat": {"addr": "fd00::2", "port": 80}}]
    target = "-j SNAT --to-source fd00::2"
    assert expressions(target, "ip6tables-nft") == [{"snat": {"addr": "fd00::2"}}]


def test_tables_and_chains_stand_where_the_kernel_calls_them():
    entries = xt.as_nftables([parse(DOCKER, "iptables-legacy")])
    chains = [entry["chain"] for entry in entries if "chain" in entry]
    assert {"family": "ip", "name": "iptables-legacy nat"} in [
        entry.get("table") for entry in entries
    ]
    assert {
        "family": "ip", "table": "iptables-legacy nat", "name": "POSTROUTING",
        "type": "nat", "hook": "postrouting", "prio": 100, "policy": "accept",
    } in chains  # fmt: skip
    assert {
        "family": "ip", "table": "iptables-legacy filter", "name": "FORWARD",
        "type": "filter", "hook": "forward", "prio": 0, "policy": "drop",
    } in chains  # fmt: skip
    assert {"family": "ip", "table": "iptables-legacy filter", "name": "DOCKER-USER"} in chains


def test_every_rule_has_its_text():
    ruleset = parse(DOCKER, "iptables-legacy")
    rules = [entry["rule"] for entry in xt.as_nftables([ruleset]) if "rule" in entry]
    words = xt.texts([ruleset])
    assert [
        words[rule["family"], rule["table"], rule["chain"], rule["handle"]] for rule in rules
    ] == [rule.text for rule in ruleset.rules]


def test_rules_of_iptables_nft_are_told_in_its_own_words():
    def nft(table: str, chain: str) -> list[dict]:
        owner = {"family": "ip", "table": table}
        return [
            {"chain": owner | {"name": chain, "hook": "input"}},
            {"rule": owner | {"chain": chain, "expr": [{"xt": {"type": "match", "name": "x"}}]}},
        ]

    text = "*filter\n:INPUT DROP [0:0]\n-A INPUT -m conntrack --ctstate NEW -j ACCEPT\nCOMMIT"
    document = [*nft("filter", "INPUT"), *nft("filter", "other"), *nft("mine", "INPUT")]
    told = xt.instead_of_xt(document, [parse(text, "iptables-nft")])
    assert told[:4] == [*nft("filter", "other"), *nft("mine", "INPUT")]
    assert [entry["rule"]["expr"] for entry in told[4:] if "rule" in entry] == [
        [match(STATE, "new"), {"accept": None}]
    ]
