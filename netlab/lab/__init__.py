"""The verbs: the only place where the rooms meet, and the public Python API.

    from netlab import lab

    running = lab.prepare(lab.load("nat"))
    lab.up(running)
    results = lab.verify(running)
    lab.down(running.name)

Every function raises errors of `netlab.errors`. What needs the kernel or
packets is imported inside the verb that uses it.
"""

from netlab.lab.changing.changes import (
    Killed,
    Repair,
    apply,
    apply_change,
    change,
    plan_repair,
    refuse_busy_ports,
    renew,
    repair,
)
from netlab.lab.changing.edits import (
    add_forward,
    add_vm,
    clone_vm,
    keys,
    networks,
    release_lease,
    remove_forward,
    remove_vm,
    renew_lease,
    set_targets,
    set_value,
    values,
)
from netlab.lab.lifecycle import (
    Lab,
    attach,
    down,
    find_lab,
    load,
    names,
    prepare,
    record,
    records,
    require_root,
    running,
    sweep,
    undone_by_signals,
    up,
    warnings,
)
from netlab.lab.nodes import ensure_root, execute, namespace_of, node_names, unshare
from netlab.lab.packets.network_map import LabWatcher, netmap, owners
from netlab.lab.packets.tracing import (
    audited_trace,
    capture,
    exchange_filter,
    explain,
    explainer,
    pairs,
    trace,
    verify,
    watching,
)
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
    "attach",
    "audited_trace",
    "capture",
    "change",
    "clone_vm",
    "down",
    "ensure_root",
    "exchange_filter",
    "execute",
    "explain",
    "explainer",
    "find_lab",
    "keys",
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
