"""Matrices of some size: no false verdict, and the cause of every blocked pair."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from netlab import lab
from netlab.diagnosis import observer
from netlab.diagnosis.verdict import Verdict
from netlab.kernel.host import neighbours
from netlab.kernel.netlink.channel import Overflow
from netlab.kernel.nftables import nft
from netlab.kernel.nftables.nftrace import Hit, RuleTrace
from netlab.packets.tap import Tap
from netlab.verify import rounds, unanswered
from tests.bench.scenarios import full, half_blocked
from tests.kernel import faults
from tests.machine import inside
from tests.pace import HANG_SECONDS


@contextmanager
def running(tmp_path: Path, name: str, text: str) -> Iterator[lab.Lab]:
    file = tmp_path / f"{name}.yaml"
    file.write_text(text)
    with lab.running(lab.prepare(lab.load(str(file)))) as up:
        yield up


def test_half_of_380_pairs_blocked_each_with_its_cause(tmp_path):
    with running(tmp_path, "half", half_blocked()) as up:
        results = lab.verify(up)
        assert [result.failure for result in results if not result.passed] == []
        assert len(results) == 380
        blocked = Counter((r.outcome.at, r.outcome.cause) for r in results if r.outcome.cause)
        assert sum(blocked.values()) == sum(not r.expectation.reachable for r in results)
        assert ("host", "not-forwarding") in blocked
        quick = lab.verify(up, replies_only=True)
        assert [r.outcome.verdict for r in quick] == [r.outcome.verdict for r in results]
        assert not lab.status(up).drift


def test_64_vms_do_not_overflow_the_neighbour_table(tmp_path, monkeypatch):
    """4,032 pairs of neighbours, and room for 1,024 of them."""
    monkeypatch.setattr(neighbours, "limit", lambda: neighbours.STOCK_ROOM)
    batches = []
    once = rounds._Batch.measure
    monkeypatch.setattr(
        rounds._Batch, "measure", lambda batch: batches.append(batch) or once(batch)
    )
    with running(tmp_path, "full", full(64)) as up:
        results = lab.verify(up)
        assert [result.failure for result in results if not result.passed] == []
        assert len(results) == 4422
        assert len(batches) > 3
        # With answers only too, the next one finds a table that nobody's neighbours are left in.
        quick = lab.verify(up, replies_only=True)
        assert [result.failure for result in quick if not result.passed] == []
        for place in up.plan.namespaces:
            assert "lladdr" not in inside(place, "ip", "neigh").stdout


@pytest.fixture(scope="module")
def modes() -> Iterator[lab.Lab]:
    with lab.running(lab.prepare(lab.load("three-modes"), "matrix")) as up:
        yield up


def verdicts(results):
    return [(r.outcome.verdict, r.outcome.at, r.outcome.cause, r.outcome.seen_as) for r in results]


def test_the_same_again_and_again_on_a_busy_machine(modes):
    busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(4)]
    try:
        first = verdicts(lab.verify(modes))
        assert all(verdicts(lab.verify(modes)) == first for _ in range(5))
    finally:
        for one in busy:
            one.kill()
            one.wait()


def test_the_questions_of_arp_come_at_their_usual_pace_again(modes):
    read = ("sh", "-c", "cat /proc/sys/net/ipv4/neigh/*/retrans_time_ms")
    before = inside("matrix.vm1", *read).stdout
    lab.verify(modes)
    assert inside("matrix.vm1", *read).stdout == before


def test_a_pair_that_fails_is_told_with_where_and_why(modes):
    drop = "icmp type echo-request drop"
    rule = f"table ip extra {{ chain c {{ type filter hook input priority 0;\n {drop}\n }}\n }}"
    nft.create("matrix.pc", rule)
    try:
        failed = [r for r in lab.verify(modes) if not r.passed]
    finally:
        nft.delete_table("matrix.pc", "ip", "extra")
    assert {(r.outcome.at, r.outcome.cause) for r in failed} == {("pc", "firewall")}
    assert "extra c: icmp type echo-request drop" in failed[0].failure


def test_what_taps_have_lost_makes_silence_unknown(modes, monkeypatch):
    monkeypatch.setattr(Tap, "lost", lambda self: 1)
    found = {r.outcome.verdict for r in lab.verify(modes)}
    assert found == {Verdict.ANSWERED, Verdict.UNKNOWN}


def test_rules_that_were_not_heard_in_full_make_silence_unknown(modes, monkeypatch):
    heard = RuleTrace.hits

    def overrun(machine: RuleTrace) -> Iterator[Hit]:
        list(heard(machine))  # Or its socket would stay readable.
        raise Overflow

    monkeypatch.setattr(RuleTrace, "hits", overrun)
    found = {r.outcome.verdict for r in lab.verify(modes)}
    assert found == {Verdict.ANSWERED, Verdict.UNKNOWN}


def test_what_nat_remembers_of_a_probe_carries_no_other_one(modes):
    """The router lets through what it knows, and nothing new: each probe is new to it."""
    asked = lab.pairs(modes, ["vm2"], ["internet"])
    (before,) = lab.verify(modes, expectations=asked)
    with faults.rules("matrix.router", "forward", "ct state new drop"):
        (after,) = lab.verify(modes, expectations=asked)
    assert before.outcome.verdict is Verdict.ANSWERED
    assert (after.outcome.at, after.outcome.cause) == ("router", "firewall")


def test_rules_are_heard_while_probes_are_under_way(modes, monkeypatch):
    """The kernel's buffer for them holds those of some hundred probes."""
    known = []
    told = unanswered.LossAnalyzer.losses
    monkeypatch.setattr(
        unanswered.LossAnalyzer,
        "losses",
        lambda self: known.append(len(self._drops)) or told(self),
    )
    lab.verify(modes)
    assert known[0]


def test_a_count_that_tells_of_fewer_packets_proves_nothing(modes, monkeypatch):
    grown = observer.LabObserver.evidence

    def by_one_only(*arguments):
        lab_evidence = grown(*arguments)
        counts = {node: dict.fromkeys(found, 1) for node, found in lab_evidence.counts.items()}
        return replace(lab_evidence, counts=counts)

    monkeypatch.setattr(observer.LabObserver, "evidence", by_one_only)
    found = [r.outcome for r in lab.verify(modes)]
    assert {one.verdict for one in found} == {Verdict.ANSWERED, Verdict.DROPPED, Verdict.UNKNOWN}
    assert not [one for one in found if "grew by" in one.why]


def test_the_command_tells_where_and_why(modes):
    done = subprocess.run(
        [sys.executable, "-m", "netlab", "verify", "matrix", "--json"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    cells = json.loads(done.stdout)["cells"]
    blocked = [cell for cell in cells if cell["expected"] == "blocked"]
    assert blocked
    assert all(cell["at"] and cell["cause"] for cell in blocked)


def settings() -> str:
    read = "cat /proc/sys/net/ipv4/neigh/eth0/retrans_time_ms; nft list tables"
    return inside("matrix.host", "sh", "-c", read).stdout


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_leaves_nothing_behind(modes, number):
    before = settings()
    process = subprocess.Popen(
        [sys.executable, "-m", "netlab", "verify", "matrix"],
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    while settings() == before:
        assert process.poll() is None, "it was over before the signal came"
    process.send_signal(number)
    _, complaint = process.communicate(timeout=HANG_SECONDS)
    assert (process.returncode, settings()) == (130, before), complaint


def test_several_at_once_put_back_what_was_there(modes):
    before = settings()
    several = [
        subprocess.Popen(
            [sys.executable, "-m", "netlab", "verify", "matrix"], stdout=subprocess.PIPE
        )
        for _ in range(3)
    ]
    assert all(b"80 of 80" in one.communicate(timeout=HANG_SECONDS)[0] for one in several)
    assert settings() == before


def test_what_cannot_send_proves_nothing_about_being_blocked(modes):
    inside("matrix.vm3", "ip", "link", "set", "eth0", "down")
    try:
        results = lab.verify(modes)
    finally:
        inside("matrix.vm3", "ip", "link", "set", "eth0", "up")
        inside("matrix.vm3", "ip", "route", "replace", "default", "via", "10.0.0.2")
    own = [r for r in results if r.expectation.source.name == "vm3"]
    assert {(r.outcome.verdict, r.outcome.cause) for r in own} == {(Verdict.DROPPED, "nic-down")}
    assert not any(r.passed for r in own)
    blocked = [r.failure for r in own if not r.expectation.reachable]
    assert blocked and all("but the source sends nothing: " in failure for failure in blocked)
