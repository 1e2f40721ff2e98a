"""Leases given back and asked for anew, and clients that follow a changed DHCP server."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator

import pytest

from netlab import lab
from netlab.diagnosis.cause import Cause
from netlab.diagnosis.verdict import Verdict
from netlab.errors import Interrupted, KernelError, ScenarioError, UsageError
from netlab.kernel.process import leases, services
from netlab.kernel.rundir import RunDirectory
from netlab.plan.resources import DhcpClient, Service
from netlab.scenario.loader import load_text
from tests.kernel.connection import unbroken_connection
from tests.machine import inside, netlab

SCENARIO = """
lan: {peers: {pc: {}}}
host: {nics: {eth0: {}}}
vmnets:
  vmnet0: {mode: bridged}
  vmnet8: {mode: nat, subnet: 10.0.0.0/24}
vms:
  vm1: {nics: [vmnet8]}
  vm2: {nics: [vmnet8]}
  vm3: {nics: [vmnet0]}
  vm4: {nics: [{network: vmnet8, address: 10.0.0.5}]}
expect: {default: blocked}
"""


@pytest.fixture(autouse=True)
def running() -> Iterator[lab.Lab]:
    with lab.running(lab.prepare(load_text(SCENARIO.encode(), "l.yaml"), "live")) as up:
        yield up


def now() -> lab.Lab:
    return lab.attach("live")


def assign(target: str, **settings: str) -> None:
    lab.apply(now(), lab.set_value(now(), target, settings))
    assert not lab.status(now()).drift


def addresses(node: str) -> tuple[str, ...]:
    machine = next(one for one in lab.status(now()).machines if one.name == node)
    return machine.interfaces[0].addresses


def lease(node: str) -> dict[str, str]:
    machine = next(one for one in lab.status(now()).machines if one.name == node)
    return machine.interfaces[0].lease


def given() -> set[str]:
    """The addresses that VMware's server has on its list."""
    resources = [resource for resource in now().plan.resources if isinstance(resource, Service)]
    server = next(resource for resource in resources if resource.namespace == "live.vmnet8-dhcp")
    return {address for _, _, address, _ in services.granted(RunDirectory("live"), server)}


def test_released_and_renewed(running):
    assert given() == {"10.0.0.128", "10.0.0.129"}
    with unbroken_connection("live.vm4", "live.vm2", "10.0.0.129"):
        done = netlab("dhcp", "release", "vm1")
        assert (done.returncode, done.stderr) == (0, "")
        assert given() == {"10.0.0.129"}, "the server was told"
        assert addresses("vm1") == ()
        assert not inside("live.vm1", "ip", "route").stdout
        assert "nameserver" not in inside("live.vm1", "cat", "/etc/resolv.conf").stdout
        assert lab.trace(now(), "vm1", "vm2").diagnosis.cause is Cause.NO_ADDRESS
        told = netlab("status")
        assert told.returncode == 0
        assert "no drift" in told.stdout
        assert "vm1          eth0     vmnet8   up     released" in told.stdout
        assert "DHCP, released" in netlab("show", "addresses", "vm1").stdout
        done = netlab("dhcp", "renew", "vm1.eth0", "--json")
        (machine,) = json.loads(done.stdout)["nodes"]
        assert machine["interfaces"][0]["addresses"] == ["10.0.0.128/24"]
    assert now().plan == running.plan
    assert lab.trace(now(), "vm1", "internet").diagnosis.verdict is Verdict.ANSWERED


def test_renewed_is_asked_for_again_without_losing_the_address(running):
    before = lease("vm1")
    log = RunDirectory("live").service("live.vmnet8-dhcp", "dhcp") / "log"
    length = len(log.read_text())
    with unbroken_connection("live.vm4", "live.vm1", "10.0.0.128"):
        lab.renew(now(), "vm1")
    said = log.read_text()[length:]
    assert "DHCPACK(eth0) 10.0.0.128" in said
    assert "DISCOVER" not in said
    assert lease("vm1")["address"] == before["address"]
    assert int(lease("vm1")["obtained"]) >= int(before["obtained"])


@pytest.mark.parametrize("machine", ["host", "pc", "vm3"])
def test_everybody_with_a_client_may_renew(machine):
    lab.renew(now(), machine)
    assert not lab.status(now()).drift


def test_a_client_that_somebody_ended_is_started_again():
    client = DhcpClient("live.vm1", "eth0", "vm1", now().topology.networks["vmnet8"].subnet)
    assert services.signal_client(RunDirectory("live"), client, signal.SIGKILL)
    inside("live.vm1", "ip", "address", "flush", "dev", "eth0")
    assert "missing" in str(lab.status(now()).drift)
    lab.renew(now(), "vm1")
    assert not lab.status(now()).drift


def test_who_gets_no_answer_is_told_so():
    assign("vmnet8", stopped="[dhcp]")
    done = netlab("dhcp", "renew", "vm1", "--wait", "0.5")
    assert done.returncode == 3
    assert "vm1 gets no lease on eth0: at vmnet8, nobody on this network offers" in done.stderr


def test_a_released_vm_comes_up_without_an_address(running):
    lab.down("live")
    text = SCENARIO.replace(
        "vm1: {nics: [vmnet8]}", "vm1: {nics: [{network: vmnet8, released: true}]}"
    )
    lab.up(lab.prepare(load_text(text.encode(), "l.yaml"), "live"))
    assert addresses("vm1") == ()
    assert "nameserver" not in inside("live.vm1", "cat", "/etc/resolv.conf").stdout
    assert not lab.status(now()).drift
    lab.renew(now(), "vm1")
    assert addresses("vm1") == ("10.0.0.128/24",)
    assert not lab.status(now()).drift


def test_what_cannot_be_given_back_is_refused():
    for wrong, said in (
        (("release", "vm4"), "is static"),
        (("release", "pc"), "is no VM"),
        (("renew", "vm77"), "no machine 'vm77'"),
        (("renew", "vm1.eth3"), "no adapter 'vm1.eth3'"),
    ):
        done = netlab("dhcp", *wrong)
        assert (done.returncode, said in done.stderr) == (2, True), done.stderr
    with pytest.raises(ScenarioError, match="no lease that could be given back"):
        lab.set_value(now(), "vm4.eth0", {"released": "true"})


def test_a_dry_run_releases_nothing():
    done = netlab("dhcp", "release", "vm1", "--dry-run")
    assert "- lease live.vm1/eth0" in done.stdout
    assert addresses("vm1") == ("10.0.0.128/24",)
    netlab("dhcp", "release", "vm1")
    assert "+ lease live.vm1/eth0" in netlab("dhcp", "renew", "vm1", "--dry-run").stdout
    assert addresses("vm1") == ()


def test_clients_follow_a_reservation_and_nobody_else_is_touched(running):
    with unbroken_connection("live.vm4", "live.vm2", "10.0.0.129"):
        assign("vmnet8", dhcp="{reservations: {vm1: 10.0.0.150}}")
        assert addresses("vm1") == ("10.0.0.150/24",)
        lab.renew(now(), "vm2")
    lab.apply(now(), running.source)
    assert addresses("vm1") == ("10.0.0.128/24",)


def test_two_clients_change_places():
    """The server remembers whom it gave an address, and would not give it to another."""
    assign("vmnet8", dhcp="{reservations: {vm1: 10.0.0.129, vm2: 10.0.0.128}}")
    assert (addresses("vm1"), addresses("vm2")) == (("10.0.0.129/24",), ("10.0.0.128/24",))
    assert given() == {"10.0.0.128", "10.0.0.129"}


def test_clients_follow_a_range_its_options_and_its_times():
    assign("vmnet8", dhcp="{range: [10.0.0.20, 10.0.0.30], domain: lab.example, lease: 600}")
    assert lease("vm1")["address"] == "10.0.0.20/24"
    assert (lease("vm1")["domain"], lease("vm1")["seconds"]) == ("lab.example", "600")
    assign("vmnet8", nat="{gateway: 10.0.0.10}")
    assert lease("vm1")["router"] == "10.0.0.10"


def test_the_host_follows_its_lan_s_dhcp_and_a_bridged_vm_does_not():
    before = addresses("vm3")
    assign("lan", dhcp="{range: [192.168.1.20, 192.168.1.30]}")
    assert addresses("host")[0].startswith("192.168.1.2")
    assert addresses("vm3") == before, "nobody tells it"
    lab.renew(now(), "vm3")
    assert addresses("vm3") != before
    assert not lab.status(now()).drift


@pytest.mark.parametrize("fault", [KernelError("a fault"), Interrupted("a signal")])
def test_a_release_that_fails_is_taken_back(running, monkeypatch, fault):
    give_back = leases.give_back

    def faulty(*arguments):
        give_back(*arguments)
        raise fault

    monkeypatch.setattr(leases, "give_back", faulty)
    with pytest.raises(type(fault)):
        lab.apply(now(), lab.release_lease(now(), "vm1"))
    monkeypatch.undo()
    assert now().plan == running.plan
    assert addresses("vm1") == ("10.0.0.128/24",)
    assert not lab.status(now()).drift
    lab.apply(now(), lab.release_lease(now(), "vm1"))
    assert addresses("vm1") == ()


def test_no_lease_without_a_client(running):
    with pytest.raises(UsageError):
        lab.renew(now(), "router")
