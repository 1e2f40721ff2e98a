"""Records the journeys that the page's tests show, on a real lab: `python -m tests.page.record`, as root."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from netlab import lab
from netlab.kernel.nftables import nft
from netlab.report import data
from tests.machine import inside

RECORDED = Path(__file__).parents[1] / "golden" / "page"

_GUEST_FIREWALL = """table ip guest {
 chain input {
  type filter hook input priority 0
  icmp type echo-request drop comment "guest firewall"
 }
}"""


def answered(nat: lab.Lab) -> dict[str, Any]:
    """From vm1 to the Internet. Only vm1 has to ask for a MAC address: everybody would be too long."""
    lab.trace(nat, "vm1", "internet")
    inside(f"{nat.name}.vm1", "ip", "neigh", "flush", "all")
    return data.trace(lab.trace(nat, "vm1", "internet"), nat.name)


def dead(nat: lab.Lab) -> dict[str, Any]:
    """From vm1 to vm2, which has a firewall from now on."""
    nft.create(f"{nat.name}.vm2", _GUEST_FIREWALL)
    inside(f"{nat.name}.vm1", "ip", "neigh", "flush", "all")
    return data.trace(lab.trace(nat, "vm1", "vm2"), nat.name)


def bridged(modes: lab.Lab) -> dict[str, Any]:
    """The same question in another lab, where vm1 has an address of the LAN."""
    lab.trace(modes, "vm1", "internet")
    return data.trace(lab.trace(modes, "vm1", "internet"), modes.name)


def main() -> None:
    """Write all anew."""
    for scenario, journeys in (("nat", (answered, dead)), ("three-modes", (bridged,))):
        with lab.running(lab.prepare(lab.load(scenario))) as running:
            for journey in journeys:
                text = json.dumps(journey(running), ensure_ascii=False, separators=(",", ":"))
                lines = text.replace('{"part"', '\n{"part"').replace('"verdict":{', '\n"verdict":{')
                (RECORDED / f"{journey.__name__}.json").write_text(lines + "\n")


if __name__ == "__main__":
    main()
