"""A running lab changed: only what differs is touched, and a change that fails leaves no trace."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Iterator

import pytest

from netlab import lab
from netlab.diagnosis.cause import Cause
from netlab.diagnosis.verdict import Verdict
from netlab.errors import Interrupted, KernelError, ScenarioError, SystemRefused, UsageError
from netlab.kernel.namespaces import netns
from netlab.kernel.netlink.objects import links
from netlab.kernel.nftables import nft
from netlab.kernel.process import services
from netlab.kernel.resources.create import Moment
from netlab.kernel.rundir import RunDirectory
from netlab.plan.resources import DhcpClient, Resource, Ruleset, Service
from netlab.scenario.loader import LoadedScenario, load_text
from tests.kernel.connection import unbroken_connection
from tests.machine import forked, inside, netlab


@pytest.fixture
def running() -> Iterator[lab.Lab]:
    with lab.running(lab.prepare(lab.load("three-modes"), "live")) as up:
        yield up


def now() -> lab.Lab:
    return lab.attach("live")


def assign(target: str, **settings: str) -> None:
    lab.apply(now(), lab.set_value(now(), target, settings))
    assert not lab.status(now()).drift


def end(source: str, target: str) -> tuple[str, Cause | None]:
    found = lab.trace(now(), source, target).diagnosis
    return found.at, found.cause


CHANGES = [
    ("vm2.eth0", {"connected": "false"}),
    ("vm2.eth0", {"network": "vmnet1"}),
    ("vmnet8", {"adapter": "off"}),
    ("vmnet8", {"stopped": "[nat, dhcp]"}),
    ("vmnet8", {"subnet": "10.7.0.0/24"}),
    ("host.eth0", {"address": "192.168.1.101"}),
    ("host", {"firewall": "[icmp]"}),
    ("vm2", {"firewall": "on", "listens": "[tcp:80]"}),
    ("vm2.eth0", {"incoming": "{bandwidth: 1mbit, loss: 5}", "outgoing": "{bandwidth: 2mbit}"}),
]


@pytest.mark.parametrize(("target", "settings"), CHANGES, ids=lambda v: str(v))
def test_there_and_back_while_others_talk(running, target, settings):
    before = now().source.scenario
    with unbroken_connection("live.vm4", "live.vm5", "172.16.78.129"):
        assign(target, **settings)
        changed = now().plan
        assert changed != running.plan
        lab.apply(now(), running.source)
    assert now().source.scenario == before
    assert not lab.status(now()).drift
    assert all(result.passed for result in lab.verify(now()))


def test_a_vm_that_comes_and_goes(running):
    with unbroken_connection("live.vm4", "live.vm5", "172.16.78.129"):
        lab.apply(now(), lab.add_vm(now(), "vm9", ["vmnet8", "vmnet1"]))
        assert not lab.status(now()).drift
        assert lab.trace(now(), "vm9", "internet").diagnosis.verdict is Verdict.ANSWERED
        assert lab.trace(now(), "vm9", "vm4").diagnosis.verdict is Verdict.ANSWERED
        lab.apply(now(), lab.remove_vm(now(), "vm9"))
    assert "vm9" not in lab.node_names("live")
    assert not netns.inode("live.vm9")
    assert not lab.status(now()).drift


def test_a_vm_that_the_rules_name_goes_with_them(running):
    lab.apply(now(), lab.remove_vm(now(), "vm2"))
    assert not lab.status(now()).drift
    assert all(result.passed for result in lab.verify(now()))
    lab.apply(now(), running.source)
    assert all(result.passed for result in lab.verify(now()))


def test_a_pulled_cable_is_found_at_once_and_the_address_goes(running):
    assign("vm2.eth0", connected="false")
    assert end("vm2", "internet") == ("vm2", Cause.NIC_DOWN)
    assert "10.0.0.128" not in inside("live.vm2", "ip", "-4", "addr").stdout
    assign("vm2.eth0", connected="true")
    assert "10.0.0.128" in inside("live.vm2", "ip", "-4", "addr").stdout
    assert lab.trace(now(), "vm2", "internet").diagnosis.verdict is Verdict.ANSWERED


def test_a_disabled_vmnet8_leaves_the_internet(running):
    """Article 004's claim: the NAT device hangs on the switch, not on the host's adapter."""
    assign("vmnet8", adapter="off")
    assert lab.trace(now(), "vm2", "internet").diagnosis.verdict is Verdict.ANSWERED
    assert lab.trace(now(), "vm2", "vm3").diagnosis.verdict is Verdict.ANSWERED
    assert end("vm2", "10.0.0.1") == ("vm2", Cause.ARP_UNANSWERED)


@pytest.mark.parametrize("settings", [{"adapter": "none"}, {"adapter": "{state: none}"}])
def test_a_host_adapter_that_goes_takes_the_rules_with_it_that_name_it(running, settings):
    """As the editor's check mark "Connect a host virtual adapter" does; the NAT device stays."""
    assert "host@vmnet8" in now().source.text.decode()
    assign("vmnet8", **settings)
    assert "host@vmnet8" not in now().source.text.decode()
    assert not inside("live.host", "ip", "link", "show", "vmnet8").stdout
    assert lab.trace(now(), "vm2", "internet").diagnosis.verdict is Verdict.ANSWERED
    failed = [result.expectation for result in lab.verify(now()) if not result.passed]
    # They still reach it, by the NAT device, and are seen as the host itself.
    assert {(one.source.name, one.target.name) for one in failed} == {
        ("vm2", "host"),
        ("vm3", "host"),
    }
    lab.apply(now(), running.source)
    assert all(result.passed for result in lab.verify(now()))


def test_a_vm_that_moves_takes_the_rules_with_it_that_name_its_adapter(running):
    text = running.source.text.replace(
        b"as: host@vmnet8", b"as: host@vmnet8}\n    - {from: vm2@vmnet8, to: vm3"
    )
    lab.apply(now(), load_text(text, "x.yaml"))
    assign("vm2.eth0", network="vmnet1")
    assert "vm2@vmnet8" not in now().source.text.decode()


def test_a_stopped_nat_service_leaves_neighbours_and_host(running):
    assign("vmnet8", stopped="[nat]")
    inside("live.vm2", "ip", "neigh", "flush", "all")
    assert end("vm2", "internet") == ("vm2", Cause.ARP_UNANSWERED)
    assert lab.trace(now(), "vm2", "host").diagnosis.verdict is Verdict.ANSWERED


def test_without_the_dhcp_service_a_new_vm_gets_nothing(running):
    assign("vmnet8", stopped="[dhcp]")
    lab.apply(now(), lab.add_vm(now(), "vm9", ["vmnet8"]))
    found = lab.trace(now(), "vm9", by="dhcp").diagnosis
    assert (found.verdict, found.cause) == (Verdict.DROPPED, Cause.DHCP_NO_OFFER)


@pytest.mark.parametrize("victim", ["create_cable", "delete_interface", "switch_cable"])
def test_a_fault_on_the_way_is_taken_back(running, monkeypatch, victim):
    calls = []
    real = getattr(links, victim)

    def faulty(*arguments):
        calls.append(arguments)
        if len(calls) == 1:
            raise KernelError("a fault")
        return real(*arguments)

    monkeypatch.setattr(links, victim, faulty)
    settings = {"connected": "false"} if victim == "switch_cable" else {"network": "vmnet1"}
    wanted = lab.set_value(now(), "vm2.eth0", settings)
    with (
        unbroken_connection("live.vm4", "live.vm5", "172.16.78.129"),
        pytest.raises(KernelError, match="a fault"),
    ):
        lab.apply(now(), wanted)
    assert calls
    assert now().source.scenario == running.source.scenario
    assert not lab.status(now()).drift
    assert all(result.passed for result in lab.verify(now()))


def test_a_service_that_does_not_start_is_taken_back(running, monkeypatch):
    start = services.start
    failed = []

    def once(*arguments):
        if not failed:
            failed.append(arguments)
            raise KernelError("it does not start")
        start(*arguments)

    monkeypatch.setattr(services, "start", once)
    with pytest.raises(KernelError):
        lab.apply(now(), lab.add_vm(now(), "vm9", ["vmnet8"]))
    assert "vm9" not in lab.node_names("live")
    assert not lab.status(now()).drift


def test_a_signal_on_the_way_is_taken_back(running):
    def progress(resource, moment):
        if type(resource).__name__ == "Cable" and moment == "after":
            os.kill(os.getpid(), 15)

    with pytest.raises(Interrupted):
        lab.apply(now(), lab.add_vm(now(), "vm9", ["vmnet8"]), progress)
    assert not lab.status(now()).drift
    assert "vm9" not in lab.node_names("live")


STEPS_BETWEEN_KILLS = 6


@pytest.mark.parametrize("wanted", ["hostonly", "three-modes"])
def test_repair_after_a_change_that_was_killed_at_any_step(wanted):
    before, after = lab.prepare(lab.load("nat"), "live"), lab.load(wanted)
    _, change = lab.change(before, after)
    steps = len(change.removed) + len(change.altered) + len(change.created)
    with lab.running(before):
        for number in range(1, steps, STEPS_BETWEEN_KILLS):
            left = iter(range(number, 0, -1))
            killed_after(lambda resource, left=left: next(left) == 1, after)
            told = lab.repair(now()).killed
            assert told == lab.Killed(wanted=wanted, now="nat", done=False), number
            assert not lab.status(now()).drift, number
        assert all(result.passed for result in lab.verify(now()))


def test_a_change_that_is_killed_when_all_is_done_is_the_lab_s(running, monkeypatch):
    monkeypatch.setattr(RunDirectory, "write", die_at_second_call(RunDirectory.write))
    assert killed(lambda: lab.apply(now(), lab.load("nat")))
    monkeypatch.undo()
    assert lab.repair(now()).killed == lab.Killed(wanted="nat", now="nat", done=True)
    assert lab.record("live").scenario == "nat"
    assert now().source.text == lab.load("nat").text
    assert not lab.status(now()).drift


def test_after_a_kill_no_other_change_is_accepted_before_a_repair_which_tells(running):
    def is_ruleset(resource: Resource) -> bool:
        return isinstance(resource, Ruleset)

    killed_after(is_ruleset, lab.set_value(now(), "vm2", {"firewall": "on"}))
    assert lab.status(now()).drift
    with pytest.raises(SystemRefused, match="cut off"):
        lab.apply(now(), lab.set_value(now(), "vmnet8", {"adapter": "off"}))
    told = netlab("repair")
    assert told.returncode == 0
    assert "had been killed before its end: the lab is what it was before" in told.stdout
    assert "killed" not in netlab("repair").stdout
    assign("vmnet8", adapter="off")


def killed_after(last: Callable[[Resource], bool], wanted: LoadedScenario) -> None:
    """Begin a change in another process, which ends without a chance to take anything back."""

    def progress(resource: Resource, moment: Moment) -> None:
        if moment is Moment.AFTER and last(resource):
            os.kill(os.getpid(), signal.SIGKILL)

    assert killed(lambda: lab.apply(now(), wanted, progress))


def killed(action: Callable[[], None]) -> bool:
    """Do it in another process; whether that was killed."""
    return forked(action) == -signal.SIGKILL


def die_at_second_call(real: Callable[..., None]) -> Callable[..., None]:
    calls = []

    def dying(*arguments: object) -> None:
        calls.append(arguments)
        if len(calls) == 2:
            os.kill(os.getpid(), signal.SIGKILL)
        real(*arguments)

    return dying


def test_what_a_killed_change_has_left_is_repaired(running):
    killed_after(
        lambda resource: isinstance(resource, DhcpClient), lab.add_vm(now(), "vm9", ["vmnet8"])
    )
    assert "live.vm9" in {resource.namespace for resource in lab.status(now()).drift.unplanned}
    with pytest.raises(SystemRefused, match="cut off"):
        lab.apply(now(), lab.set_value(now(), "vmnet8", {"adapter": "off"}))
    lab.repair(now())
    assert not lab.status(now()).drift
    assert netns.inode("live.vm9") is None
    lab.apply(now(), lab.add_vm(now(), "vm9", ["vmnet8"]))
    assert not lab.status(now()).drift


def test_a_killed_change_s_service_is_no_service_of_this_scenario(running):
    def is_new(resource):
        return isinstance(resource, Service) and "10.7.0." in resource.config

    killed_after(is_new, lab.set_value(now(), "vmnet8", {"subnet": "10.7.0.0/24"}))
    assert any(isinstance(resource, Service) for resource in lab.status(now()).drift.missing)
    lab.repair(now())
    assert not lab.status(now()).drift


def test_a_change_that_another_command_has_overtaken_is_refused(running):
    wanted = lab.add_vm(running, "vm9", ["vmnet8"])
    assign("vmnet8", adapter="off")
    with pytest.raises(SystemRefused, match="meanwhile"):
        lab.apply(running, wanted)
    with pytest.raises(SystemRefused, match="meanwhile"):
        lab.repair(running)
    assert not lab.status(now()).drift


def test_rules_are_replaced_at_once(running, monkeypatch):
    """A subnet's change rewrites the NAT device's rules: no packet meets none."""
    seen = []
    replace = nft.replace
    monkeypatch.setattr(nft, "replace", lambda *a: seen.append(a[0]) or replace(*a))
    assign("vmnet8", subnet="10.7.0.0/24")
    assert "live.vmnet8-nat" in seen


def test_what_is_no_scenario_any_more_changes_nothing(running):
    with pytest.raises(ScenarioError):
        lab.set_value(now(), "vmnet8", {"subnet": "10.7.0.1"})
    with pytest.raises(UsageError):
        lab.set_value(now(), "vm77", {"connected": "false"})
    with pytest.raises(UsageError):
        lab.remove_vm(now(), "vm77")
    for nics in ("", "~", "[{}]", "2020-01-01"):
        with pytest.raises(ScenarioError):
            lab.set_value(now(), "vm2", {"nics": nics})
    assert not lab.status(running).drift


def test_the_commands(running):
    dry = netlab("set", "vm2.eth0", "connected=false", "--dry-run", "--json")
    assert json.loads(dry.stdout)["altered"]
    assert not lab.status(running).drift
    done = netlab("set", "vm2.eth0", "connected=false")
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "2 removed, 1 altered, 1 made")
    assert "connected: false" in RunDirectory("live").scenario.read_text()
    again = netlab("set", "vm2.eth0", "connected=false")
    assert again.stdout.strip() == "nothing differs: the lab is as wanted"
    assert netlab("set", "vm2.eth0", "nonsense").returncode == 2
    assert netlab("set", "vm2.eth0", "colour=red").returncode == 2
    for port in ("٣", "9" * 5000):
        assert netlab("forward", "add", port, "vm2:80").returncode == 2
    assert netlab("apply", "three-modes").returncode == 0
    assert not lab.status(running).drift
