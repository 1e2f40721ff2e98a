"""Rules as netlab reads them: no word depends on a file of the machine, or on a version of libnftables."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

import pytest

from netlab import lab
from netlab.diagnosis.verdict import Verdict
from netlab.kernel.nftables import nft
from netlab.kernel.rundir import RunDirectory
from netlab.plan.resources import Ruleset
from tests.kernel import faults
from tests.machine import NETLAB, inside
from tests.pace import HANG_SECONDS

pytestmark = pytest.mark.on_each_kernel

HIDDEN = """
for file in /etc/protocols /etc/services; do
    [ ! -e $file ] || mount --bind /dev/null $file || exit
done
exec "$@"
"""


@pytest.fixture(scope="module", autouse=True)
def running() -> Iterator[lab.Lab]:
    with lab.running(lab.prepare(lab.load("ipv6"), "rules")) as up:
        yield up


@pytest.mark.parametrize(
    ("words", "ends"),
    [
        ("explain vm2 internet", "✔ would be answered"),
        ("explain vm2 2001:db8:203:113::50", "✔ would be answered"),
        ("status rules", ""),
        ("show firewall", ""),
    ],
)
def test_a_machine_without_files_of_protocols_and_services_says_the_same(words, ends):
    """Debian has them from its package netbase only, and nftables takes its words from there."""
    here, there = (
        subprocess.run(
            [*before, *NETLAB, *words.split()], capture_output=True, text=True, timeout=HANG_SECONDS
        )
        for before in ([], ["unshare", "--mount", "sh", "-c", HIDDEN, "sh"])
    )
    assert (here.returncode, there.returncode) == (0, 0), there.stdout + there.stderr
    assert ends in here.stdout.splitlines()[-1]
    assert here.stdout == there.stdout


def test_rules_that_another_libnftables_wrote_otherwise_are_no_drift(running):
    record = RunDirectory("rules").ruleset("rules.vmnet8-nat")
    written = record.read_text()
    record.write_text(
        written.replace("meta l4proto { icmp, tcp, udp }", "meta l4proto { 1, 6, 17 }")
    )
    assert record.read_text() != written
    assert not lab.status(running).drift
    inside("rules.vmnet8-nat", "nft", "add rule ip nat_device forward udp dport 9 drop")
    assert [type(resource) for resource in lab.status(running).drift.missing] == [Ruleset]
    record.write_text(written)
    lab.repair(running)
    assert not lab.status(running).drift


WORDS = {
    "meta l4proto tcp accept": "meta l4proto tcp accept",
    "meta l4proto != 58 accept": "meta l4proto != icmpv6 accept",
    "ip protocol { 1, 47, udp } accept": "ip protocol { icmp, udp, 47 } accept",
    "meta l4proto 6-17 accept": "meta l4proto 6-17 accept",
    'tcp dport 22 accept comment "meta l4proto 6"': 'tcp dport 22 accept comment "meta l4proto 6"',
}


@pytest.mark.parametrize("rule", WORDS)
def test_protocols_are_shown_by_words_that_every_nft_takes(rule):
    with faults.rules("rules.vm1", "input", rule) as shown:
        assert shown == WORDS[rule]
        inside("rules.vm1", "nft", f"add rule ip extra c {shown}")
        listing = nft.read_with_handles("rules.vm1")
    assert listing.count(f"\t{shown} #") == 2


def test_a_table_that_is_switched_off_ends_nothing(running):
    rules = """
        set far {
            type ipv4_addr
            elements = { 192.0.2.1 }
        }
        chain c {
            type filter hook input priority 0; policy drop
            ip saddr @far accept
        }"""
    nft.create("rules.vm3", f"table inet off {{\nflags dormant\n{rules}\n}}\ntable ip on {{ }}\n")
    try:
        assert lab.explain(running, "vm2", "vm3").diagnosis.verdict is Verdict.ANSWERED
        assert lab.trace(running, "vm2", "vm3").diagnosis.verdict is Verdict.ANSWERED
        entries = nft.document("rules.vm3")
        assert {("table", "ip", "on"), ("chain", "inet", "c")} == {
            (kind, entry["family"], entry["name"])
            for one in entries
            for kind, entry in one.items()
            if "name" in entry
        }
    finally:
        nft.delete_table("rules.vm3", "inet", "off")
        nft.delete_table("rules.vm3", "ip", "on")
