"""The machine's capacity for a lab, examined before anything is built; shortages come with a remedy."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from netlab.errors import SystemRefused
from netlab.frozen import frozen
from netlab.kernel.host import neighbours
from netlab.kernel.netlink.pool import files_for
from netlab.plan.plan import Plan
from netlab.plan.resources import DhcpClient, Service

_MACHINE_BYTES = 600_000
"""Kernel memory of a namespace with its interfaces and settings; measured by `make bench`."""
_PROCESS_BYTES = 1_500_000
"""Memory of a DHCP client or server that shares its program with others."""
_NEIGHBOURS_EACH = 2
"""A machine that talks to its gateway, and the gateway to it."""


@frozen
class Capacity:
    """Free resources of a machine; None for no limit, or none that can be seen."""

    files: int | None
    """Open files of one process."""
    processes: int | None
    memory: int | None
    """Bytes."""
    neighbours: int | None
    """IP addresses whose MAC address the kernel remembers, in all namespaces together."""
    neighbours_taken: int = 0
    """Those that it remembers already, whoever asked for them."""


def require_room(plan: Plan) -> None:
    """Raise SystemRefused if the lab cannot be built here."""
    shortage = next(shortages(plan, _measure()), None)
    if shortage:
        raise shortage


def warnings(plan: Plan) -> list[str]:
    """Return a sentence about each bottleneck of a lab on this machine."""
    return list(bottlenecks(plan, _measure()))


def shortages(plan: Plan, room: Capacity) -> Iterator[SystemRefused]:
    """Yield an error for each resource that is too small for the lab, with a remedy."""
    machines, programs = len(plan.namespaces), _programs(plan)
    files = files_for(machines)
    lab = f"a lab of {machines:,} machines"
    if room.files is not None and room.files < files:
        yield SystemRefused(
            f"{lab} needs {files:,} open files, and a process may have {room.files:,}",
            f"raise the limit: `ulimit -Hn {files}` as root, or LimitNOFILE= of the service",
        )
    if room.processes is not None and room.processes < programs:
        yield SystemRefused(
            f"{lab} needs {programs:,} processes, and there is room for {room.processes:,} more",
            "raise kernel.pid_max, or pids.max (TasksMax=) of the control group;"
            " VMs with static addresses need no process",
        )
    memory = machines * _MACHINE_BYTES + programs * _PROCESS_BYTES
    if room.memory is not None and room.memory < memory:
        yield SystemRefused(
            f"{lab} needs some {memory // 10**6:,} MB of memory, and {room.memory // 10**6:,} MB are free",
            "use fewer VMs, or a machine with more memory",
        )


def bottlenecks(plan: Plan, room: Capacity) -> Iterator[str]:
    """Yield a sentence about each resource that does not suffice for all machines at once."""
    required = _NEIGHBOURS_EACH * len(plan.namespaces)
    if room.neighbours is None or room.neighbours - room.neighbours_taken >= required:
        return
    if room.neighbours < required:
        taken, remedy = "", 4 * required
    else:
        taken = f", {room.neighbours_taken:,} of them for others already"
        remedy = room.neighbours + 4 * required
    yield (
        f"the kernel remembers {room.neighbours:,} neighbours{taken}, and all machines talking at once"
        f" would need {required:,}: some would wait. `verify` takes that into account; for"
        f" programs of yours: sysctl -w net.ipv4.neigh.default.gc_thresh3={remedy}"
    )


def _programs(plan: Plan) -> int:
    return sum(isinstance(resource, Service | DhcpClient) for resource in plan.resources)


def _measure() -> Capacity:
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    return Capacity(
        None if hard == resource.RLIM_INFINITY else hard,
        min((*_processes_left(),), default=None),
        _free_memory(),
        neighbours.limit(),
        neighbours.taken(),
    )


def _processes_left() -> Iterator[int]:
    with suppress(OSError, ValueError):
        running = int(Path("/proc/loadavg").read_text().split()[3].split("/")[1])
        yield int(Path("/proc/sys/kernel/pid_max").read_text()) - running
    with suppress(OSError, ValueError):  # "max" is no number.
        group = Path("/proc/self/cgroup").read_text().rpartition("::")[2].strip()
        folder = Path(f"/sys/fs/cgroup{group}")
        limit = int((folder / "pids.max").read_text())
        yield limit - int((folder / "pids.current").read_text())


def _free_memory() -> int | None:
    with suppress(OSError):
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    return None
