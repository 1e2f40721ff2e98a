"""A network mode is one file in `plan/` and one line in `build`: here is one that nobody ships."""

from __future__ import annotations

import re

import pytest

from netlab import lab
from netlab.errors import ScenarioError
from netlab.plan import build
from netlab.plan.modes import hostonly
from netlab.plan.resources import Service
from netlab.plan.services import dhcp
from netlab.report.topology import drawing
from netlab.scenario import mode
from netlab.scenario.loader import load_text
from netlab.scenario.model import json_schema

LAST_ADDRESS = mode.Mode(
    "backwards",
    "the other way round",
    onward="ends at the last address",
    host_adapter=lambda subnet: subnet[-2],
    dhcp_server=lambda subnet: subnet[1],
    pool=lambda subnet: (subnet[7], subnet[9]),
    router=lambda subnet: subnet[-2],
)

TEXT = b"""
vmnets: {vmnet5: {mode: backwards, subnet: 10.5.5.0/24}}
vms: {vm1: {nics: [vmnet5]}}
expect: {default: blocked}
"""


@pytest.fixture
def backwards(monkeypatch):
    """What the mode's own file and its line in `build` would say."""
    monkeypatch.setitem(build.MODES, LAST_ADDRESS, hostonly.network)


def test_a_mode_is_complete_with_its_facts_and_its_line(backwards):
    planned = lab.prepare(load_text(TEXT, "x.yaml"))
    network = planned.topology.networks["vmnet5"]
    assert (
        str(planned.topology.nodes["host"].named_adapters["host@vmnet5"].address) == "10.5.5.254/24"
    )
    assert str(planned.topology.nodes["vmnet5-dhcp"].primary.address) == "10.5.5.1/24"
    assert "vmnet5-nat" not in planned.topology.nodes
    assert str(dhcp.options(planned.topology, network)["router"]) == "10.5.5.254"
    served = next(
        resource.config for resource in planned.plan.resources if isinstance(resource, Service)
        if resource.namespace == "x.vmnet5-dhcp"
    )  # fmt: skip
    assert ",10.5.5.7,10.5.5.9,255.255.255.0,1800s" in served
    assert "dhcp-host=id:ff:" in served and ",10.5.5.7\n" in served
    drawn = drawing.draw(planned.topology, {})
    assert "vmnet5 · the other way round" in drawn and "↳ ends at the last address" in drawn
    assert "backwards" in json_schema()["$defs"]["Vmnet"]["properties"]["mode"]["enum"]


def test_its_addresses_are_taken(backwards):
    text = TEXT.replace(b"[vmnet5]", b"[{network: vmnet5, address: 10.5.5.254}]")
    (warning,) = load_text(text, "x.yaml").warnings
    assert "taken twice: by the host adapter of vmnet5 and by vm1" in warning.what


def test_its_pool_ends(backwards):
    text = TEXT.replace(
        b"{vm1: {nics: [vmnet5]}}", b"{vm1: {nics: [%s]}}" % b", ".join([b"vmnet5"] * 4)
    )
    pool, adapter = load_text(text, "x.yaml").warnings
    assert re.search(r"4 adapters ask DHCP .* leases 3 addresses", pool.what)
    assert adapter.what == (
        "DHCP gives vm1 no address on eth3: the DHCP server of vmnet5 has no address left"
    )


def test_an_unknown_mode_is_told_those_there_are():
    with pytest.raises(ScenarioError, match=r"'backwards' is not possible here.*'bridged', 'nat'"):
        load_text(TEXT, "x.yaml")
