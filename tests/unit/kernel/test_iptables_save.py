"""Rules as iptables-save writes them: nothing gets lost."""

from __future__ import annotations

import pytest

from netlab.kernel.nftables.iptables_save import XtMatch, XtOption, XtRule, parse
from tests.unit.kernel.iptables import DOCKER, FIREWALLD, UFW


def rule(text: str) -> XtRule:
    (parsed,) = parse(f"*filter\n{text}\nCOMMIT\n", "iptables-legacy").rules
    return parsed


def test_a_rule_is_taken_apart():
    text = (
        "-s 10.0.0.0/24 ! -i eth0 -p tcp -m tcp ! --dport 80"
        " -m conntrack --ctstate NEW -j LOG --log-level 7"
    )
    assert rule(f"[3:180] -A FORWARD {text}") == XtRule(
        "filter",
        "FORWARD",
        (
            XtMatch(
                "",
                (
                    XtOption("-s", "10.0.0.0/24"),
                    XtOption("-i", "eth0", True),
                    XtOption("-p", "tcp"),
                ),
            ),
            XtMatch("tcp", (XtOption("--dport", "80", True),)),
            XtMatch("conntrack", (XtOption("--ctstate", "NEW"),)),
        ),
        "LOG",
        False,
        (XtOption("--log-level", "7"),),
        3,
        text,
    )


def test_a_rule_without_counters_or_target_is_one():
    parsed = rule("-A INPUT -m rpfilter")
    assert (parsed.packets, parsed.target, parsed.matches) == (None, "", (XtMatch("rpfilter"),))


@pytest.mark.parametrize(
    ("written", "comment"),
    [
        ('"it\\\'s \\"mine\\" -j ACCEPT"', 'it\'s "mine" -j ACCEPT'),
        ("-j", "-j"),
        ("!", "!"),
        ('"-A INPUT"', "-A INPUT"),
    ],
)
def test_a_comment_may_look_like_anything(written, comment):
    parsed = rule(f"-A INPUT -m comment --comment {written} -j DROP")
    assert parsed.matches == (XtMatch("comment", (XtOption("--comment", comment),)),)
    assert parsed.target == "DROP"


def test_options_may_have_several_words_or_none():
    parsed = rule(
        "-A INPUT -p tcp -m tcp ! --tcp-flags FIN,SYN,RST,ACK SYN -m addrtype --limit-iface-in -g far"
    )
    assert parsed.matches[1:] == (
        XtMatch("tcp", (XtOption("--tcp-flags", "FIN,SYN,RST,ACK SYN", True),)),
        XtMatch("addrtype", (XtOption("--limit-iface-in"),)),
    )
    assert (parsed.target, parsed.goto) == ("far", True)


def test_chains_have_hooks_and_policies():
    chains = {(chain.table, chain.name): chain for chain in parse(DOCKER, "iptables-legacy").chains}
    forward, user = chains["filter", "FORWARD"], chains["filter", "DOCKER"]
    assert (forward.hook, forward.policy, forward.packets) == ("forward", "DROP", 7)
    assert (user.hook, user.policy) == ("", "")


@pytest.mark.parametrize(
    ("table", "chain", "hooks"),
    [
        ("nat", "DOCKER", {"prerouting", "output"}),
        ("filter", "DOCKER-ISOLATION-STAGE-2", {"forward"}),
        ("filter", "INPUT", {"input"}),
        ("filter", "nowhere", set()),
    ],
)
def test_the_hooks_of_a_chain_are_those_of_its_callers(table, chain, hooks):
    assert parse(DOCKER, "iptables-legacy").hooks(table, chain) == hooks


def test_chains_that_call_each_other_have_an_end():
    text = "*filter\n:a - [0:0]\n:b - [0:0]\n-A a -j b\n-A b -j a\nCOMMIT"
    assert parse(text, "iptables-legacy").hooks("filter", "a") == frozenset()


@pytest.mark.parametrize("text", [DOCKER, UFW, FIREWALLD])
def test_every_line_of_a_rule_is_a_rule(text):
    lines = [line.partition(" -A ")[2] for line in text.splitlines() if " -A " in line]
    parsed = parse(text, "iptables-legacy").rules
    assert [f"{one.chain} {one.text}" for one in parsed] == lines
    assert all(one.target for one in parsed if " -j " in one.text or " -g " in one.text)


@pytest.mark.parametrize(
    ("tool", "version"),
    [("iptables-legacy", 4), ("ip6tables-nft", 6), ("arptables-legacy", None)],
)
def test_the_tool_tells_the_version(tool, version):
    assert parse("", tool).version == version
