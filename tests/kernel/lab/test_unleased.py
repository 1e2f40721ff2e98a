"""Machines that get no address: the lab comes up all the same, and says why."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import pytest

from netlab import lab
from netlab.diagnosis.cause import Cause
from netlab.diagnosis.verdict import Verdict
from netlab.errors import KernelError
from netlab.kernel.netlink.objects import links
from netlab.kernel.resources.base import FACT_SECONDS
from netlab.lab import ask_dhcp
from netlab.plan.resources import Lease
from netlab.probes.dhcp import DhcpProbe
from netlab.scenario.loader import load_text
from netlab.scenario.topology import Adapter
from tests.kernel.faults import proof, run
from tests.machine import inside, netlab
from tests.pace import HANG_SECONDS

NAME = "unleased"
FIREWALL = """
vmnets: {vmnet8: {mode: nat, subnet: 10.0.0.0/24}}
segments: {seg: {subnet: 10.9.0.0/24}, other: {}}
vms:
  server: {nics: [{network: seg, address: 10.9.0.1}], dhcp_server: true, firewall: on}
  c1: {nics: [seg]}
  c2: {nics: [seg]}
  served: {nics: [vmnet8]}
expect: {default: blocked}
"""
DROPPED = "at server, a firewall rule dropped it (firewall: firewall input: drop)"
FORESEEN = """
host: {nics: {eth0: 192.168.1.100, eth1: {address: 192.168.1.101, connected: false}}}
vmnets:
  internal: {mode: vbox-internal, subnet: 10.2.0.0/24}
  vmnet8: {mode: nat, subnet: 10.0.0.0/24, stopped: [dhcp]}
  vmnet0: {mode: bridged, promiscuous: false}
  vmnet3: {mode: bridged, nic: eth1}
  vmnet4: {mode: hostonly, subnet: 10.4.0.0/24, dhcp: {range: [10.4.0.50, 10.4.0.50]}}
segments: {seg: {}, inner: {}, unserved: {subnet: 10.9.0.0/24}}
vms:
  bridge: {nics: [{network: vmnet0, address: 192.168.1.90}, inner], bridges: true}
  behind: {nics: [inner]}
  early: {nics: [vmnet4]}
  late: {nics: [vmnet4]}
  nobody: {nics: [seg]}
  on-internal: {nics: [internal]}
  stopped: {nics: [vmnet8]}
  unlinked: {nics: [vmnet3]}
  unplugged: {nics: [{network: vmnet8, connected: false}]}
  server: {nics: [{network: unserved, address: 10.9.0.1, connected: false}], dhcp_server: true}
  client: {nics: [unserved]}
expect: {default: blocked}
"""


def prepared(text: str) -> lab.Lab:
    return lab.prepare(load_text(text.encode(), "x.yaml"), NAME)


def now() -> lab.Lab:
    return lab.attach(NAME)


def await_address(node: str, start: str) -> None:
    """Until a machine has an address, by its own doing."""
    deadline = time.monotonic() + HANG_SECONDS
    while f"inet {start}" not in inside(f"{NAME}.{node}", "ip", "addr", "show", "eth0").stdout:
        assert time.monotonic() < deadline, f"{node} gets no address"
        time.sleep(0.05)


@pytest.fixture
def hasty(monkeypatch) -> None:
    """No server here pings before it offers."""
    patience = property(lambda probe: 0.5)
    monkeypatch.setattr(DhcpProbe, "patience", patience)


@pytest.fixture
def down() -> Iterator[None]:
    yield
    lab.down(NAME)


def test_a_lab_whose_dhcp_a_firewall_eats(tmp_path, hasty, down):
    (tmp_path / "x.yaml").write_text(FIREWALL)
    began = time.monotonic()
    done = netlab("up", str(tmp_path / "x.yaml"), "--name", NAME)
    assert time.monotonic() - began < FACT_SECONDS / 2
    warnings = [f"warning: c{number} has no address on eth0: {DROPPED}" for number in (1, 2)]
    assert (done.returncode, done.stderr.splitlines()) == (0, warnings)
    assert f"\nc1 has no address on eth0: {DROPPED}\n" in done.stdout
    status = json.loads(netlab("status", NAME, "--json").stdout)
    assert status["drift"] == {"missing": [], "unplanned": []}
    assert [one["node"] for one in status["unleased"]] == ["c1", "c2"]
    told = netlab("status", NAME).stdout
    assert "c1 has no address on eth0: its client asks, and gets no reply; `netlab" in told
    assert "no drift: nothing was changed by hand" in told
    served = next(one for one in status["nodes"] if one["name"] == "served")
    assert served["interfaces"][0]["addresses"] == ["10.0.0.128/24"]

    added = netlab("add", "c3", "seg", "--json")
    assert added.returncode == 0
    assert json.loads(added.stdout)["unleased"] == [
        {"node": "c3", "interface": "eth0", "why": DROPPED}
    ]
    renewed = netlab("dhcp", "renew", "c1")
    assert (renewed.returncode, renewed.stdout) == (3, "")
    assert renewed.stderr == f"netlab: c1 gets no lease on eth0: {DROPPED}\n"

    assert not lab.status(now()).drift.unplanned
    lab.apply(now(), lab.set_value(now(), "server", {"firewall": "off"}))
    for client in ("c1", "c2", "c3"):
        await_address(client, "10.9.0.")
    assert not lab.status(now()).unleased


def test_repair_says_it_too_and_a_change_is_taken_back_soon(monkeypatch, hasty, down):
    found: list[lab.Unleased] = []
    lab.up(prepared(FIREWALL), unleased=found.append)
    assert [(one.node, one.why) for one in found] == [("c1", DROPPED), ("c2", DROPPED)]
    found.clear()
    for pid in run(f"{NAME}.c1", f"ip netns pids {NAME}.c1").split():
        inside(f"{NAME}.c1", "kill", "-9", pid)
    assert lab.status(now()).drift
    lab.repair(now(), unleased=found.append)
    assert [(one.node, one.why) for one in found] == [("c1", DROPPED)]
    assert not lab.status(now()).drift

    def faulty(*_: object) -> None:
        raise KernelError("a fault")

    wanted = lab.set_value(now(), "c1.eth0", {"network": "other"})
    monkeypatch.setattr(links, "create_cable", faulty)
    began = time.monotonic()
    with pytest.raises(KernelError, match="a fault"):
        lab.apply(now(), wanted)
    assert time.monotonic() - began < FACT_SECONDS / 2


def test_run_warns_too(tmp_path, hasty):
    (tmp_path / "x.yaml").write_text(FIREWALL)
    done = netlab("run", str(tmp_path / "x.yaml"))
    assert f"warning: c1 has no address on eth0: {DROPPED}" in done.stderr


@pytest.fixture
def foreseen() -> Iterator[lab.Lab]:
    with lab.running(prepared(FORESEEN)) as up:
        yield up


def in_vain(running: lab.Lab) -> list[Adapter]:
    """The adapters of which the scenario knows that they get nothing."""
    return [
        adapter
        for node in running.topology.nodes.values()
        for adapter in node.adapters
        if adapter.in_vain
    ]


def test_what_is_foreseen_is_what_a_probe_finds(foreseen):
    adapters = in_vain(foreseen)
    names = {adapter.node for adapter in adapters}
    assert names == {
        *("behind", "late", "nobody", "on-internal", "stopped", "unlinked", "unplugged", "client")
    }
    found = ask_dhcp(foreseen, adapters)
    causes = {adapter.node: adapter.in_vain.cause for adapter in adapters if adapter.in_vain}
    assert {adapter.node: one.cause for adapter, one in zip(adapters, found, strict=True)} == causes
    assert {one.verdict for one in found} == {Verdict.DROPPED}
    leased = {
        resource.namespace for resource in foreseen.plan.resources if isinstance(resource, Lease)
    }
    assert leased.isdisjoint(f"{NAME}.{name}" for name in names), "nobody waits for these"
    warned = {one.what.split()[2] for one in foreseen.source.warnings if "DHCP gives" in one.what}
    assert warned == names
    status = lab.status(foreseen)
    assert not status.drift
    assert {one.node for one in status.unleased} == names


def test_an_offer_dies_where_the_client_s_would(foreseen):
    """VMware's DHCP server answers to the client's own MAC address, and so it is asked."""
    one = proof(foreseen, "behind", by="dhcp")
    assert one.end == (Verdict.DROPPED, "vmnet0", Cause.NO_RETURN_PATH)
    assert "not permitted to enter promiscuous mode" in one.diagnosis.evidence
    assert one.found("1 server answered, 1 in vain")


def test_what_was_in_the_way_goes(foreseen):
    """What a change lets through is waited for; a server whose cable is plugged in serves at once."""
    lab.apply(now(), lab.set_value(now(), "server.eth0", {"connected": "true"}))
    lab.apply(now(), lab.set_value(now(), "bridge.eth0", {"promiscuous": "true"}))
    lab.apply(now(), lab.set_value(now(), "vmnet8", {"stopped": ""}))
    lab.apply(now(), lab.set_value(now(), "unplugged.eth0", {"connected": ""}))
    left = {one.node for one in lab.status(now()).unleased}
    assert left == {"late", "nobody", "on-internal", "unlinked"}
