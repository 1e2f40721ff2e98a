"""What a firewall lets in: a blocked port, then exceptions, then whole protocols; in checks and in rules."""

from __future__ import annotations

import pytest

from netlab import lab
from netlab.errors import ScenarioError
from netlab.plan.resources import Ruleset
from netlab.scenario.firewall import Firewall
from netlab.scenario.loader import load_text

CASES = [
    # blocks, allows, what is let in of tcp:80, tcp:81, udp:80
    ([], [], (True, True, True)),
    (["all"], [], (False, False, False)),
    (["icmp"], [], (True, True, True)),
    (["tcp"], [], (False, False, True)),
    (["tcp:80"], [], (False, True, True)),
    (["all"], ["tcp:80"], (True, False, False)),
    (["all"], ["tcp"], (True, True, False)),
    (["udp", "tcp"], ["udp:80", "icmp"], (False, False, True)),
    (["tcp:80"], ["tcp:80", "tcp"], (False, True, True)),
    (["all", "tcp:80"], ["tcp"], (False, True, False)),
]
PORTS = (("tcp", 80), ("tcp", 81), ("udp", 80))
TEXT = """
host: {{nics: {{eth0: 192.168.1.100}}, firewall: {blocks}, allows: {allows}}}
vmnets:
  vmnet8:
    mode: nat
    subnet: 10.0.0.0/24
    nat: {{forwards: {{tcp: {{80: "vm1:80", 81: "vm1:81"}}, udp: {{80: "vm1:80"}}}}}}
vms: {{vm1: {{nics: [vmnet8]}}}}
expect: {{default: blocked}}
"""


@pytest.mark.parametrize(("blocks", "allows", "expected"), CASES, ids=str)
def test_what_is_let_in(blocks, allows, expected):
    """A warning and a rule for each forward that is not, and none for others."""
    firewall = Firewall(tuple(blocks), tuple(allows))
    assert tuple(firewall.lets_in(*port) for port in PORTS) == expected
    words = {True: blocks, False: allows}
    quoted = {key: f"[{', '.join(value)}]" for key, value in words.items()}
    source = load_text(TEXT.format(blocks=quoted[True], allows=quoted[False]).encode(), "x.yaml")
    warned = [
        any(f"does not let {protocol} {port} in" in warning.what for warning in source.warnings)
        for protocol, port in PORTS
    ]
    rules = next(
        resource.text
        for resource in lab.prepare(source).plan.resources
        if isinstance(resource, Ruleset) and resource.namespace == "x.host"
    )
    shut = [
        f"fib daddr type local {protocol} dport {port} drop" in rules for protocol, port in PORTS
    ]
    assert warned == shut == [not one for one in expected]


def test_rules_stand_in_the_order_in_which_they_count():
    text = TEXT.format(blocks="[tcp, icmp, tcp:81]", allows="[tcp:80, icmp]")
    rules = next(
        resource.text
        for resource in lab.prepare(load_text(text.encode(), "x.yaml")).plan.resources
        if isinstance(resource, Ruleset) and resource.namespace == "x.host"
    )
    _, _, chain = rules.partition("chain input {\n\t\ttype filter")
    assert chain.splitlines()[3:8] == [
        "\t\ttcp dport 81 drop",
        "\t\ttcp dport 80 accept",
        "\t\ticmp type echo-request accept",
        "\t\tmeta l4proto tcp drop",
        "\t\ticmp type echo-request drop",
    ]


@pytest.mark.parametrize("word", ["all", "on", "tcp:0", "gre", "tcp:"])
def test_an_exception_is_a_port_or_a_protocol(word):
    text = TEXT.format(blocks="on", allows=f"['{word}']")
    with pytest.raises(ScenarioError, match="must be icmp, tcp, udp, or a port like tcp:80"):
        load_text(text.encode(), "x.yaml")
