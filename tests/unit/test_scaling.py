"""What is made of a scenario takes work in proportion to its VMs: twice as many, twice the work."""

from __future__ import annotations

import json
from typing import Any

import pytest

from netlab.plan.build import build
from netlab.plan.diff import diff
from netlab.scenario import loader
from netlab.scenario.text.document import Document
from netlab.scenario.topology import resolve
from netlab.verify.batches import PairProbe, batches, pairs
from tests.unit.scaling import counted, flat

FEW, MANY = 100, 200


def addresses(vms: int) -> dict[str, Any]:
    data = flat(vms)
    for number, vm in enumerate(data["vms"].values()):
        vm["nics"] = [{"network": "vmnet8", "address": f"10.1.1.{number + 3}"}]
    return data


def bridged(vms: int) -> dict[str, Any]:
    data = flat(vms)
    data["lan"]["ipv6"] = "2001:db8:1::/64"
    data["vmnets"] = {"vmnet0": {"mode": "bridged"}}
    for vm in data["vms"].values():
        vm["nics"] = ["vmnet0"]
    return data


def reserved(vms: int) -> dict[str, Any]:
    data = flat(vms)
    given = {f"vm{number}": f"10.1.1.{number + 3}" for number in range(vms)}
    data["vmnets"]["vmnet8"]["dhcp"] = {"reservations": given}
    return data


def forwarded(vms: int) -> dict[str, Any]:
    data = flat(vms)
    ports = {8000 + number: f"vm{number}:80" for number in range(vms)}
    data["vmnets"]["vmnet8"]["nat"] = {"forwards": {"tcp": ports}}
    return data


def copied(vms: int) -> dict[str, Any]:
    data = flat(vms)
    for number in range(1, vms):
        data["vms"][f"vm{number}"]["copy_of"] = f"vm{number - 1}"
    return data


def calls(data: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> int:
    """How many calls it takes to check a scenario and to plan its lab."""
    document = Document("flat.yaml", data)
    monkeypatch.setattr(loader, "parse", lambda *_: document)
    return counted(lambda: build("flat", resolve(loader.load_text(b"", "flat.yaml").scenario)))


@pytest.mark.parametrize("scenario", [flat, addresses, bridged, reserved, forwarded, copied])
def test_twice_as_many_vms_are_twice_the_work(scenario, monkeypatch):
    calls(scenario(1), monkeypatch)  # Some things are worked out once for all labs.
    few, many = (calls(scenario(vms), monkeypatch) for vms in (FEW, MANY))
    assert many < 2.1 * few


def every_vm_changed(vms: int) -> int:
    """Calls that it takes to change each VM of a lab: its text, and what comes of it."""
    source = loader.load_text(json.dumps(flat(vms), indent=1).encode(), "flat.yaml")
    data = json.loads(json.dumps(source.data))
    for number in range(vms):
        data["vms"][f"vm{number}"]["firewall"] = ["icmp"]
    data["vmnets"]["vmnet8"]["mtu"] = 1400  # Each cable goes, and what stands on it.
    after = loader.edited(source, data)
    plans = [build("flat", loaded.topology) for loaded in (source, after)]
    return counted(lambda: diff(*plans)) + counted(lambda: loader.edited(source, data))


def test_twice_as_many_changes_are_twice_the_work():
    few, many = map(every_vm_changed, (FEW, MANY))
    assert many < 2.1 * few


def test_twice_as_many_pairs_are_twice_the_work():
    def plan(vms: int) -> None:
        names = [f"vm{number}" for number in range(vms)]
        probes = [PairProbe(a, b, b, direct=True) for a in names for b in names if a != b]
        list(batches(pairs(probes, 960), 960, 100_000))

    few, many = (counted(lambda vms=vms: plan(vms)) for vms in (FEW, MANY))
    assert many < 4.1 * few, "four times as many pairs"
