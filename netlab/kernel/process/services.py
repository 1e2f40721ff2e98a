"""Programs inside namespaces: services and DHCP clients, started, watched and ended.

The file `pid` has a process's number and start time: together they mean that very
process. An environment variable marks the lab's processes, also when their namespace has
lost its name.
"""

from __future__ import annotations

import os
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from ipaddress import IPv4Address, IPv4Interface, ip_address
from pathlib import Path

from netlab.errors import KernelError, Missing
from netlab.kernel import files
from netlab.kernel.installed import remedy
from netlab.kernel.namespaces import enter, netns
from netlab.kernel.rundir import RunDirectory
from netlab.plan.names import node as node_of
from netlab.plan.resources import DhcpClient, Lease, Listening, Service

MARK = "NETLAB_SERVICE"
_PACKAGE = Path(__file__).parents[2]
SEARCH = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"))
"""PATH for the lab's programs: sudo's and a user's path may lack the system folders."""
_CLIENT_SCRIPT = _PACKAGE / "programs" / "dhcp-client.sh"
_TERM_SECONDS = 2.0
_KILL_SECONDS = 10.0
_POLL_SECONDS = 0.005


def start(run: RunDirectory, service: Service) -> None:
    """Start a service; a `Listening` resource waits until it is ready. Raises Missing."""
    directory = run.service(service.namespace, service.name)
    files.make_folder(directory)
    (directory / "noun").write_text(repr(service))
    if service.config:
        (directory / "config").write_text(service.config)
    paths = {
        "directory": directory,
        "etc": run.etc(service.namespace),
        "package": _PACKAGE,
        "python": sys.executable,
    }
    argv = [word.format(**paths) for word in service.argv]
    before = partial(enter.mount_etc, service.namespace) if service.asks_names else None
    _spawn(service.namespace, directory, argv, {}, before)


def start_client(run: RunDirectory, client: DhcpClient) -> None:
    """Start a DHCP client; a `Lease` resource waits for its success. Raises Missing."""
    directory = run.service(client.namespace, _client_name(client.interface))
    files.make_folder(directory)
    resolv = f"{run.etc(client.namespace)}/resolv.conf"
    if files.read(resolv) is None:  # There is no file, or a link that leads elsewhere.
        files.remove(resolv)
        files.write(resolv, "")
    argv = ["busybox", "udhcpc", "-f", "-i", client.interface, "-x", f"hostname:{client.host_name}"]
    if client.client_id:
        argv += ["-C", "-x", f"0x3d:{client.client_id.replace(':', '')}"]
    # Three questions, one a second, and again after a second, for ever.
    argv += ["-s", str(_CLIENT_SCRIPT), "-t", "3", "-T", "1", "-A", "1"]
    _forget_lease(run, client)  # A client before this one may have left it.
    _spawn(client.namespace, directory, argv, _client_variables(run, client))


def _client_variables(run: RunDirectory, client: DhcpClient) -> dict[str, str]:
    """Return the environment variables for the client's script."""
    return {
        "NETLAB_LEASE": str(run.lease(client.namespace, client.interface)),
        "NETLAB_RESOLV": f"{run.etc(client.namespace)}/resolv.conf",
        "NETLAB_METRIC": "" if client.metric is None else str(client.metric),
        "NETLAB_DNS": " ".join(map(str, client.name_servers)),
    }


def _forget_lease(run: RunDirectory, client: DhcpClient) -> None:
    files.remove(str(run.lease(client.namespace, client.interface)))
    files.remove(str(run.in_vain(client.namespace, client.interface)))


def stop(run: RunDirectory, resource: Service | DhcpClient) -> None:
    """End the resource's process, and forget it. Forgives absence."""
    directory = _directory(run, resource)
    # Without a number, the process is known by its mark: somebody may have removed the file.
    pids = [_pid(directory)] if _alive(directory) else _processes(set(), str(directory))
    started = {pid: _start_time(pid) for pid in pids}
    _end(pids, signal.SIGTERM, _TERM_SECONDS)
    remaining = [pid for pid in pids if started[pid] and _start_time(pid) == started[pid]]
    _end(remaining, signal.SIGKILL, _KILL_SECONDS)
    files.remove(f"{directory}/pid")  # A server's leases stay for its next start.
    if isinstance(resource, DhcpClient):
        _forget_lease(run, resource)


def deconfigure(run: RunDirectory, client: DhcpClient) -> None:
    """Take an interface the lease of a DHCP client that has ended, as the client's script does."""
    # As udhcpc names them: the event, and the interface.
    variables = {**_client_variables(run, client), "interface": client.interface}
    environment = {"PATH": SEARCH, "LC_ALL": "C", **variables}
    with netns.inside(client.namespace):
        subprocess.run([_CLIENT_SCRIPT, "deconfig"], env=environment, cwd="/", check=True)


def signal_client(run: RunDirectory, client: DhcpClient, number: int) -> bool:
    """Send a DHCP client a signal; return False if it does not live."""
    directory = run.service(client.namespace, _client_name(client.interface))
    if not _alive(directory):
        return False
    os.kill(_pid(directory), number)
    return True


def runs(run: RunDirectory, resource: Service | DhcpClient) -> bool:
    """Return whether the resource's process runs, unstopped; a service with other settings is another."""
    directory = _directory(run, resource)
    if not _alive(directory) or _status(_pid(directory))[:1] == ["T"]:
        return False
    return isinstance(resource, DhcpClient) or (
        files.read(f"{directory}/noun") == repr(resource)
        and (files.read(f"{directory}/config") or "") == resource.config
    )


def listens(run: RunDirectory, fact: Listening) -> bool:
    """Return whether the service has its socket open. Raises KernelError if it has ended."""
    from netlab.kernel.state.sockets import inodes_of, listening_entries

    directory = run.service(fact.namespace, fact.service)
    if not _alive(directory):
        raise KernelError(f"{fact.service} on {fact.namespace} has ended:\n{_log_tail(directory)}")
    port, inodes = f":{fact.port:04X}", inodes_of(_pid(directory))
    with netns.inside(fact.namespace):
        return any(
            entry[1].endswith(port) and entry[9] in inodes
            for entry in listening_entries(fact.protocol)
        )


def process(run: RunDirectory, service: Service) -> int | None:
    """Return the number of the service's process; None if it has ended."""
    directory = run.service(service.namespace, service.name)
    return _pid(directory) if _alive(directory) else None


def granted(run: RunDirectory, service: Service) -> list[tuple[int, str, str, str]]:
    """Return a DHCP server's leases: end in seconds since the epoch (0: never), MAC, address, name.

    They are as dnsmasq writes them down: a name is `*` if the client has sent none.
    """
    file = run.service(service.namespace, service.name) / "leases"
    try:
        lines = file.read_text(errors="replace").splitlines()
    except OSError:
        return []
    leases = []
    for line in lines:
        with suppress(ValueError):  # The line is being written, or damaged.
            end, mac, address, name, *_ = line.split()
            leases.append((ip_address(address), (int(end), mac, address, name)))
    return [lease for _, lease in sorted(leases)]


def lease(run: RunDirectory, fact: Lease) -> dict[str, str]:
    """Return an interface's lease as the client's script wrote it; empty without a readable lease."""
    try:
        text = run.lease(fact.namespace, fact.interface).read_text(errors="replace")
        fields = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
        IPv4Interface(fields["address"])
        if fields.get("router"):
            IPv4Address(fields["router"])
        for key in ("seconds", "obtained"):
            fields[key] = str(int(fields[key]))
    except (OSError, LookupError, ValueError):
        return {}
    return fields


def has_asked_in_vain(run: RunDirectory, fact: Lease | DhcpClient) -> bool:
    """Return whether a DHCP client has asked three times, and waited a second for a reply each time."""
    return run.in_vain(fact.namespace, fact.interface).exists()


def lives(run: RunDirectory, fact: Lease | DhcpClient) -> bool:
    """Return whether the DHCP client of an interface has not ended."""
    return _alive(run.service(fact.namespace, _client_name(fact.interface)))


def dhcp_complaints(run: RunDirectory) -> Callable[[str], dict[str, str]]:
    """Watch the DHCP servers' logs from now on.

    The result maps, for a MAC address, each node whose server has logged that it has no address for it to
    that line.
    """
    sizes = {log: log.stat().st_size for log in (run.path / "services").glob("*/log")}

    def complaints(mac: str) -> dict[str, str]:
        by_node = {}
        for log, size in sizes.items():
            fresh = log.read_bytes()[size:].decode(errors="replace").splitlines()
            for line in fresh:
                if mac in line and "no address" in line:
                    node = node_of(log.parent.name.rpartition(".")[0])
                    by_node[node] = line.partition(": ")[2] or line
        return by_node

    return complaints


def _log_tail(directory: Path) -> str:
    """Return the last lines of a service's log, indented."""
    log = directory / "log"
    lines = log.read_text(errors="replace").splitlines()[-5:] if log.is_file() else []
    return "\n".join(f"    {line}" for line in lines) or "    (it printed nothing)"


def end_all(run: RunDirectory, namespaces: Iterable[str]) -> None:
    """End every process of a lab, the users' shells among them: first kindly, then not."""
    _end_processes(namespaces, str(run.path))


def end_inside(namespace: str) -> None:
    """End every process in one namespace."""
    _end_processes([namespace], None)


def _end_processes(namespaces: Iterable[str], mark: str | None) -> None:
    """End the processes in the namespaces, and marked ones in namespaces that have lost their names."""
    inodes = {inode for name in namespaces if (inode := netns.inode(name)) is not None}
    residents = [pid for pid in _processes(inodes, mark) if not _is_visiting(pid, inodes)]
    _end(residents, signal.SIGTERM, _TERM_SECONDS)
    begun = time.monotonic()
    # Found again each time: a script may have started another one just now.
    while remaining := _processes(inodes, mark):
        waited = time.monotonic() - begun
        if waited > _KILL_SECONDS:
            raise KernelError(f"processes do not end: {', '.join(map(str, remaining))}")
        residents = [pid for pid in remaining if not _is_visiting(pid, inodes)]
        if residents or waited > _TERM_SECONDS:
            _end(residents or remaining, signal.SIGKILL, 1.0)
        else:
            time.sleep(_POLL_SECONDS)


def _end(pids: list[int], number: int, seconds: float) -> None:
    signalled = {pid: descriptor for pid in pids if (descriptor := _signal(pid, number))}
    _await_end(list(signalled.values()), seconds)
    _reap(signalled)


def _directory(run: RunDirectory, resource: Service | DhcpClient) -> Path:
    name = resource.name if isinstance(resource, Service) else _client_name(resource.interface)
    return run.service(resource.namespace, name)


def _client_name(interface: str) -> str:
    return f"dhcp-client-{interface}"


def _spawn(
    namespace: str,
    directory: Path,
    argv: list[str],
    variables: dict[str, str],
    before: Callable[[], None] | None = None,
) -> None:
    """Start a program in a namespace; `before` runs in the new process first. Raises Missing."""
    environment = {"PATH": SEARCH, "LC_ALL": "C", MARK: str(directory), **variables}
    try:
        with netns.inside(namespace), (directory / "log").open("wb") as log:
            process = subprocess.Popen(
                argv,
                env=environment,
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=before,
            )
    except FileNotFoundError:
        raise Missing(f"the program '{argv[0]}' is not installed", remedy(argv[0])) from None
    (directory / "pid").write_text(f"{process.pid} {_start_time(process.pid)}")
    # The program outlives this command on purpose; Popen would warn that nobody waited for it.
    process.returncode = 0


def _pid(directory: Path) -> int:
    """Return the number of the process that was started last; 0 if no file has it."""
    pid, _, _ = (files.read(f"{directory}/pid") or "").partition(" ")
    return int(pid) if re.fullmatch("[0-9]{1,9}", pid) else 0


def _alive(directory: Path) -> bool:
    """Return whether the process that was started still lives."""
    _, _, started = (files.read(f"{directory}/pid") or "").partition(" ")
    # A process that had ended before its start time could be read has none.
    return bool(started) and _start_time(_pid(directory)) == started


def _start_time(pid: int) -> str:
    """Return a process' start in clock ticks since boot; empty if it has ended."""
    status = _status(pid)
    return "" if not status or status[0] in "ZX" else status[19]


def _status(pid: int) -> list[str]:
    """Return the fields of /proc/PID/stat from the third on: state, … (see proc(5)); none if it has ended."""
    try:
        # The second field, the name, may hold spaces and brackets.
        return Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return []


def _processes(inodes: set[int], mark: str | None) -> list[int]:
    """Find processes that live in one of the namespaces, or bear the mark in another than this process'."""
    namespaces = {f"net:[{inode}]" for inode in inodes}
    current = os.readlink("/proc/self/ns/net")
    pids = []
    for entry in os.listdir("/proc"):
        if entry.isdecimal() and entry != str(os.getpid()):
            try:
                namespace = os.readlink(f"/proc/{entry}/ns/net")
                marked = mark is not None and namespace != current and _is_marked(entry, mark)
                if namespace in namespaces or marked:
                    pids.append(int(entry))
            except OSError:
                continue  # The process has just ended, or is a kernel thread or a zombie.
    return pids


def _is_visiting(pid: int, inodes: set[int]) -> bool:
    """Return whether a process keeps another namespace open: it is about to go back there.

    So do netlab's own commands that look at a lab, and programs that use netlab.
    """
    namespaces, targets = {f"net:[{inode}]" for inode in inodes}, set()
    with suppress(OSError):  # The process has just ended.
        for number in os.listdir(f"/proc/{pid}/fd"):
            with suppress(FileNotFoundError):  # The process has just closed it.
                targets.add(os.readlink(f"/proc/{pid}/fd/{number}"))
    return any(target.startswith("net:[") for target in targets - namespaces)


def _is_marked(pid: str, folder: str) -> bool:
    """Return whether a process bears the mark of a folder or one below.

    Processes in containers do not count: their mark is that of another lab by that name.
    """
    if os.readlink(f"/proc/{pid}/ns/pid") != os.readlink("/proc/self/ns/pid"):
        return False
    marks = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    return any((mark + b"/").startswith(f"{MARK}={folder}/".encode()) for mark in marks)


def _signal(pid: int, number: int) -> int | None:
    """Send a signal and return a descriptor that becomes readable when the process ends."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return None
    try:
        signal.pidfd_send_signal(descriptor, number)
        with suppress(ProcessLookupError):  # A stopped process gets the signal when it goes on.
            signal.pidfd_send_signal(descriptor, signal.SIGCONT)
    except ProcessLookupError:
        os.close(descriptor)
        return None
    return descriptor


def _reap(pids: Iterable[int]) -> None:
    """Reap processes that this very process started; init reaps the others."""
    for pid in pids:
        try:
            os.waitpid(pid, os.WNOHANG)
        except ChildProcessError:
            continue


def _await_end(descriptors: list[int], seconds: float) -> None:
    poll = select.poll()
    for descriptor in descriptors:
        poll.register(descriptor, select.POLLIN)
    deadline = time.monotonic() + seconds
    waiting = set(descriptors)
    while waiting and (remaining := deadline - time.monotonic()) > 0:
        for descriptor, _ in poll.poll(remaining * 1000):
            poll.unregister(descriptor)
            waiting.discard(descriptor)
    for descriptor in descriptors:
        os.close(descriptor)
