"""The verbs: the only place where the rooms meet, and the public Python API.

    from netlab import lab

    running = lab.prepare(lab.load("nat"))
    lab.up(running)
    results = lab.verify(running)
    lab.down(running.name)

Every function raises errors of `netlab.errors`. What needs the kernel or
packets is imported inside the verb that uses it.
"""

from netlab.lab.change import (
    Killed,
    Repair,
    apply,
    carry_out,
    change,
    mending,
    refuse_busy_ports,
    renew,
    repair,
)
from netlab.lab.edits import (
    assigned,
    keys,
    networks,
    targets,
    values,
    with_clone,
    with_forward,
    with_lease,
    with_vm,
    without_forward,
    without_lease,
    without_vm,
)
from netlab.lab.lifecycle import (
    Lab,
    attach,
    down,
    load,
    names,
    pick,
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
from netlab.lab.netmap import Following, owners, where
from netlab.lab.nodes import ensure_root, execute, place_of, places, unshare
from netlab.lab.packets import (
    audited_trace,
    explain,
    explaining,
    listening,
    pairs,
    passing,
    trace,
    verify,
    watching,
)
from netlab.lab.status import Interface, Machine, Status, status
from netlab.lab.unleased import Unleased

__all__ = [
    "Following",
    "Interface",
    "Killed",
    "Lab",
    "Machine",
    "Repair",
    "Status",
    "Unleased",
    "apply",
    "assigned",
    "attach",
    "audited_trace",
    "carry_out",
    "change",
    "down",
    "ensure_root",
    "execute",
    "explain",
    "explaining",
    "keys",
    "listening",
    "load",
    "mending",
    "names",
    "networks",
    "owners",
    "pairs",
    "passing",
    "pick",
    "place_of",
    "places",
    "prepare",
    "record",
    "records",
    "refuse_busy_ports",
    "renew",
    "repair",
    "require_root",
    "running",
    "status",
    "sweep",
    "targets",
    "trace",
    "undone_by_signals",
    "unshare",
    "up",
    "values",
    "verify",
    "warnings",
    "watching",
    "where",
    "with_clone",
    "with_forward",
    "with_lease",
    "with_vm",
    "without_forward",
    "without_lease",
    "without_vm",
]
