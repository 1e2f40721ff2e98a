"""VMs and their adapters as they are in a running lab: copies, firewalls, servers, bad links."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from netlab import lab
from netlab.probe.cause import Cause
from netlab.probe.verdict import Verdict
from tests.kernel.faults import proof, run
from tests.machine import netlab


@pytest.fixture
def running() -> Iterator[lab.Lab]:
    with lab.running(lab.prepare(lab.load("clones"), "copies")) as up:
        yield up


def now() -> lab.Lab:
    return lab.attach("copies")


def assign(target: str, **settings: str) -> None:
    lab.apply(now(), lab.assigned(now(), target, settings))
    assert not lab.status(now()).drift


def identity(node: str) -> tuple[str, str]:
    card, machine = run(
        f"copies.{node}",
        "cat /sys/class/net/eth0/address; cat /etc/machine-id",
    ).split()
    return card, machine


def test_who_shares_what(running):
    web, clone, moved = (identity(node) for node in ("web", "clone", "moved"))
    assert web == ("00:0c:29:6d:fa:dd", "564d6f5c0b2d8b4bde5d0a1b2c6dfadd")
    assert moved == web
    assert clone[0] != web[0]
    assert clone[1] == web[1]


def test_a_moved_copy_on_its_originals_switch_is_its_twin(running):
    assign("moved.eth0", network="vmnet8")
    for node in ("moved", "web"):
        assert "10.0.0.129" in run(f"copies.{node}", "ip -4 address show eth0"), (
            "one lease for both"
        )
    known = f"lladdr {identity('web')[0]} dev vmnet8 nud permanent"
    run("copies.host", f"ip neigh replace 10.0.0.129 {known}")
    speaks_last("moved")
    one = proof(now(), "host", "web")
    assert one.end == (Verdict.DEAD, "moved", Cause.DUPLICATE_IP), one.finding
    speaks_last("web")
    assert lab.trace(now(), "host", "web").finding.verdict is Verdict.ANSWERED


def speaks_last(node: str) -> None:
    """The switch learns the MAC at its port: by the second echo, for which nobody has to ask ARP."""
    run(f"copies.{node}", "ping -qc2 -i0.05 10.0.0.2 || ping -qc2 -i0.05 10.0.0.2")


def test_a_copy_of_a_guest_with_a_static_address_is_a_duplicate(running):
    static = {"address": "10.0.0.10", "gateway": "10.0.0.2"}
    assign("web.eth0", **static)
    done = netlab("clone", "web", "copy", "--as", "copied", "--lab", "copies")
    assert done.returncode == 0, done.stderr
    assert not lab.status(now()).drift
    run("copies.copy", "ping -qc1 10.0.0.2")
    theirs = {identity(node) for node in ("web", "copy")}
    assert len({card for card, _ in theirs}) == 2
    assert len({machine for _, machine in theirs}) == 1
    lladdr = identity("copy")[0]
    run("copies.host", f"ip neigh replace 10.0.0.10 lladdr {lladdr} dev vmnet8 nud reachable")
    one = proof(now(), "host", "web")
    assert one.end == (Verdict.DEAD, "copy", Cause.DUPLICATE_IP), one.finding
    both = lab.trace(now(), "host", "web", by="arp").found
    assert all(any(identity(node)[0] in line for line in both) for node in ("web", "copy"))
