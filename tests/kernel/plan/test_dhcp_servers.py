"""Two DHCP servers on one network: the scenario says who answers first, and clients take that."""

from __future__ import annotations

import pytest

from netlab import lab
from netlab.kernel.process import services
from netlab.kernel.rundir import RunDirectory
from netlab.plan.resources import Lease
from netlab.scenario.loader import load_text

NAME = "servers"
TEXT = """
vmnets: {{vmnet1: {{mode: hostonly, subnet: 10.1.0.0/24{network}}}}}
vms:
  other: {{nics: [{{network: vmnet1, address: 10.1.0.3}}], dhcp_server: true{vm}}}
  vm1: {{nics: [vmnet1]}}
  vm2: {{nics: [vmnet1]}}
  vm3: {{nics: [vmnet1]}}
expect: {{default: blocked}}
"""


@pytest.mark.parametrize(
    ("network", "vm", "server"),
    [(", dhcp: {delay: 1}", "", "10.1.0.3"), ("", ", dhcp_delay: 1", "10.1.0.254")],
)
def test_who_is_late_gives_nobody_an_address(network, vm, server):
    planned = lab.prepare(load_text(TEXT.format(network=network, vm=vm).encode(), "x.yaml"), NAME)
    with lab.running(planned) as running:
        leases = [
            services.lease(RunDirectory(NAME), Lease(f"{NAME}.{node}", "eth0"))
            for node in ("vm1", "vm2", "vm3")
        ]
        assert {lease["server"] for lease in leases} == {server}
        found = lab.trace(running, "vm1", by="dhcp").found
        assert found[-1] == "2 servers answered", "the late one is awaited"
