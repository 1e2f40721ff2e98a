"""The verbs: the only place where the rooms meet, and the public Python API.

    from netlab import lab

    running = lab.prepare(lab.load("nat"))
    lab.up(running)
    results = lab.verify(running)
    lab.down(running.name)

What may be imported is in `__all__`:

* a lab as planned: `load` a scenario and `prepare` a `Lab`; `warnings`
* a lab's life: `up`, `undone_by_signals`, `running` (for a block), `down`, `sweep`
* labs that exist: `names`, `find_lab`, `record`, `records`, `attach`
* a lab as it is: `status` (`Status`, `NodeStatus`, `AdapterStatus`, `Unleased`), `netmap`, `owners`,
  `LabWatcher`
* its machines: `execute`, `node_names`, `namespace_of`
* its state: the `facts` that its scenario expects
* packets: `verify` the `pairs` of its matrix, `trace`, `ask_dhcp`, `explain`
  (many times: `explainer`), `capture`, `watching`, `exchange_filter`
* leases that do not come: `explain_leases`, `lease_reasons`
* its scenario edited: `set_value`, `add_vm`, `clone_vm`, `remove_vm`, `add_forward`, `remove_forward`,
  `release_lease`, `renew_lease`; what can be set: `set_targets`, `keys`, `values`, `networks`
* brought to another scenario: `apply`, or `change` and `apply_change`; `refuse_busy_ports`, `renew`
* brought back to its own: `repair` (`Repair`, `Killed`), `plan_repair`
* root: `require_root`, `ensure_root`, `unshare`

Every function raises errors of `netlab.errors`. A verb's module is imported when the verb is first used
(PEP 562), for a quick start. No module has the name of a verb: imported, it would take the verb's place.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from netlab.lazy import submodule
from netlab.scenario import causes, mode

if TYPE_CHECKING:
    from netlab.lab.attaching import attach
    from netlab.lab.changing.applying import apply, apply_change
    from netlab.lab.changing.busy_ports import refuse_busy_ports
    from netlab.lab.changing.changes import change
    from netlab.lab.changing.edits import (
        add_forward,
        add_vm,
        clone_vm,
        release_lease,
        remove_forward,
        remove_vm,
        renew_lease,
        set_value,
    )
    from netlab.lab.changing.proposals import keys, networks, set_targets, values
    from netlab.lab.changing.renewing import renew
    from netlab.lab.changing.repairing import Killed, Repair, plan_repair, repair
    from netlab.lab.ending import down, sweep
    from netlab.lab.labs import Lab, prepare
    from netlab.lab.lifecycle import running, undone_by_signals, up, warnings
    from netlab.lab.loading import load
    from netlab.lab.nodes import execute, namespace_of, node_names, unshare
    from netlab.lab.packets.address_owners import owners
    from netlab.lab.packets.capturing import capture
    from netlab.lab.packets.checking import facts
    from netlab.lab.packets.exchanges import exchange_filter, watching
    from netlab.lab.packets.explaining import explain, explainer
    from netlab.lab.packets.missing_leases import explain_leases, lease_reasons
    from netlab.lab.packets.network_map import netmap
    from netlab.lab.packets.tracing import ask_dhcp, trace
    from netlab.lab.packets.verifying import pairs, verify
    from netlab.lab.packets.watcher import LabWatcher
    from netlab.lab.privileges import ensure_root, require_root
    from netlab.lab.registry import find_lab, names, record, records
    from netlab.lab.state import AdapterStatus, NodeStatus, Status, status
    from netlab.lab.unleased import Unleased

__all__ = [
    "AdapterStatus",
    "Killed",
    "Lab",
    "LabWatcher",
    "NodeStatus",
    "Repair",
    "Status",
    "Unleased",
    "add_forward",
    "add_vm",
    "apply",
    "apply_change",
    "ask_dhcp",
    "attach",
    "capture",
    "change",
    "clone_vm",
    "down",
    "ensure_root",
    "exchange_filter",
    "execute",
    "explain",
    "explain_leases",
    "explainer",
    "facts",
    "find_lab",
    "keys",
    "lease_reasons",
    "load",
    "names",
    "namespace_of",
    "netmap",
    "networks",
    "node_names",
    "owners",
    "pairs",
    "plan_repair",
    "prepare",
    "record",
    "records",
    "refuse_busy_ports",
    "release_lease",
    "remove_forward",
    "remove_vm",
    "renew",
    "renew_lease",
    "repair",
    "require_root",
    "running",
    "set_targets",
    "set_value",
    "status",
    "sweep",
    "trace",
    "undone_by_signals",
    "unshare",
    "up",
    "values",
    "verify",
    "warnings",
    "watching",
]

_NAMES_IN = {
    "attaching": ("attach",),
    "changing.applying": ("apply", "apply_change"),
    "changing.busy_ports": ("refuse_busy_ports",),
    "changing.changes": ("change",),
    "changing.edits": (
        *("add_forward", "add_vm", "clone_vm", "release_lease", "remove_forward", "remove_vm"),
        *("renew_lease", "set_value"),
    ),
    "changing.proposals": ("keys", "networks", "set_targets", "values"),
    "changing.renewing": ("renew",),
    "changing.repairing": ("Killed", "Repair", "plan_repair", "repair"),
    "ending": ("down", "sweep"),
    "labs": ("Lab", "prepare"),
    "lifecycle": ("running", "undone_by_signals", "up", "warnings"),
    "loading": ("load",),
    "nodes": ("execute", "namespace_of", "node_names", "unshare"),
    "packets.address_owners": ("owners",),
    "packets.capturing": ("capture",),
    "packets.checking": ("facts",),
    "packets.exchanges": ("exchange_filter", "watching"),
    "packets.explaining": ("explain", "explainer"),
    "packets.missing_leases": ("explain_leases", "lease_reasons"),
    "packets.network_map": ("netmap",),
    "packets.tracing": ("ask_dhcp", "trace"),
    "packets.verifying": ("pairs", "verify"),
    "packets.watcher": ("LabWatcher",),
    "privileges": ("ensure_root", "require_root"),
    "registry": ("find_lab", "names", "record", "records"),
    "state": ("AdapterStatus", "NodeStatus", "Status", "status"),
    "unleased": ("Unleased",),
}
_SUBMODULE_OF = {name: submodule for submodule, names in _NAMES_IN.items() for name in names}

if not TYPE_CHECKING:  # Else a misspelt name would be an object of any type.

    def __getattr__(name: str) -> object:
        """Import a name's submodule; the name is then a global of this module."""
        globals()[name] = value = getattr(submodule(__name__, _SUBMODULE_OF, name), name)
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def _modes() -> Iterable[mode.Mode]:
    # Only who reads a scenario needs them, and they come with all that builds networks of them.
    from netlab.plan.build import MODES

    return MODES


mode.known_by(_modes)


def _causes() -> Iterable[str]:
    from netlab.diagnosis.cause import Cause

    return Cause


causes.known_by(_causes)
