"""Programs inside namespaces: services and DHCP clients, started, watched and ended.

`pid` has a process's number and start time: together they mean that very
process. An environment mark says whose it is, also when its namespace has
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
from netlab.plan.names import metric
from netlab.plan.names import node as node_of
from netlab.plan.resources import DhcpClient, Lease, Listening, Service

MARK = "NETLAB_SERVICE"
_PACKAGE = Path(__file__).parents[2]
SEARCH = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"))
"""Where programs are looked for: sudo's and a user's path may lack the system folders."""
_CLIENT_SCRIPT = _PACKAGE / "programs" / "dhcp-client.sh"
_TERM_SECONDS = 2.0
_KILL_SECONDS = 10.0
_LOOK_SECONDS = 0.005


def start(run: RunDirectory, service: Service) -> None:
    """Start a service; `Listening` nouns await its readiness."""
    directory = run.service(service.namespace, service.name)
    files.make_folder(directory)
    (directory / "noun").write_text(repr(service))
    if service.config:
        (directory / "config").write_text(service.config)
    places = {"directory": directory, "package": _PACKAGE, "python": sys.executable}
    argv = [word.format(**places) for word in service.argv]
    before = partial(enter.mount_etc, service.namespace) if service.asks_names else None
    _spawn(service.namespace, directory, argv, {}, before)


def start_client(run: RunDirectory, client: DhcpClient) -> None:
    """Start a DHCP client; a `Lease` noun awaits its success."""
    directory = run.service(client.namespace, _client_name(client.interface))
    files.make_folder(directory)
    resolv = f"{run.etc(client.namespace)}/resolv.conf"
    if files.read(resolv) is None:  # There is none, or something that leads elsewhere.
        files.remove(resolv)
        files.write(resolv, "")
    argv = ["busybox", "udhcpc", "-f", "-i", client.interface, "-x", f"hostname:{client.host_name}"]
    # Three questions, one a second, and again after a second, for ever.
    argv += ["-s", str(_CLIENT_SCRIPT), "-t", "3", "-T", "1", "-A", "1"]
    _forget_lease(run, client)  # A client before this one may have left it.
    _spawn(client.namespace, directory, argv, _client_variables(run, client))


def _client_variables(run: RunDirectory, client: DhcpClient) -> dict[str, str]:
    """What the client's script is told besides."""
    return {
        "NETLAB_LEASE": str(run.lease(client.namespace, client.interface)),
        "NETLAB_RESOLV": f"{run.etc(client.namespace)}/resolv.conf",
        "NETLAB_METRIC": str(metric(client.interface)),
        "NETLAB_DNS": " ".join(map(str, client.name_servers)),
    }


def _forget_lease(run: RunDirectory, client: DhcpClient) -> None:
    files.remove(str(run.lease(client.namespace, client.interface)))
    files.remove(str(run.in_vain(client.namespace, client.interface)))


def stop(run: RunDirectory, resource: Service | DhcpClient) -> None:
    """End the noun's process, and forget it. Forgives absence."""
    directory = _directory(run, resource)
    # Who has no number is known by its mark: somebody may have removed the file.
    pids = [_pid(directory)] if _alive(directory) else _found(set(), str(directory))
    started = {pid: _start_time(pid) for pid in pids}
    _end(pids, signal.SIGTERM, _TERM_SECONDS)
    left = [pid for pid in pids if started[pid] and _start_time(pid) == started[pid]]
    _end(left, signal.SIGKILL, _KILL_SECONDS)
    files.remove(f"{directory}/pid")  # A server's leases stay for its next start.
    if isinstance(resource, DhcpClient):
        _forget_lease(run, resource)


def deconfigure(run: RunDirectory, client: DhcpClient) -> None:
    """What a DHCP client does that loses its lease, done for one that has ended."""
    # As udhcpc names them: the event, and the interface.
    variables = {**_client_variables(run, client), "interface": client.interface}
    environment = {"PATH": SEARCH, "LC_ALL": "C", **variables}
    with netns.inside(client.namespace):
        subprocess.run([_CLIENT_SCRIPT, "deconfig"], env=environment, cwd="/", check=True)


def tell_client(run: RunDirectory, client: DhcpClient, number: int) -> bool:
    """Send a DHCP client a signal; false if it does not live."""
    directory = run.service(client.namespace, _client_name(client.interface))
    if not _alive(directory):
        return False
    os.kill(_pid(directory), number)
    return True


def runs(run: RunDirectory, resource: Service | DhcpClient) -> bool:
    """Whether the noun's process runs, and is not stopped; a service with other settings is another."""
    directory = _directory(run, resource)
    if not _alive(directory) or _status(_pid(directory))[:1] == ["T"]:
        return False
    return isinstance(resource, DhcpClient) or (
        files.read(f"{directory}/noun") == repr(resource)
        and (files.read(f"{directory}/config") or "") == resource.config
    )


def listens(run: RunDirectory, fact: Listening) -> bool:
    """Whether the service lives and has its socket open. Raises KernelError if it has died."""
    from netlab.kernel.state.sockets import inodes_of, waiting

    directory = run.service(fact.namespace, fact.service)
    if not _alive(directory):
        raise KernelError(f"{fact.service} on {fact.namespace} has ended:\n{_log_tail(directory)}")
    port, own = f":{fact.port:04X}", inodes_of(_pid(directory))
    with netns.inside(fact.namespace):
        return any(row[1].endswith(port) and row[9] in own for row in waiting(fact.protocol))


def process(run: RunDirectory, service: Service) -> int | None:
    """The number of the service's process; None if it has ended."""
    directory = run.service(service.namespace, service.name)
    return _pid(directory) if _alive(directory) else None


def granted(run: RunDirectory, service: Service) -> list[tuple[int, str, str, str]]:
    """What a DHCP server has given: the end in seconds since the epoch (0: never), MAC, address, name.

    As dnsmasq writes it down; a name is `*` if the client has told none.
    """
    file = run.service(service.namespace, service.name) / "leases"
    try:
        rows = [row.split() for row in file.read_text(errors="replace").splitlines()]
    except OSError:
        return []
    found = []
    for row in rows:
        with suppress(ValueError, IndexError):  # It is being written, or damaged.
            found.append((ip_address(row[2]), (int(row[0]), row[1], row[2], row[3])))
    return [lease for _, lease in sorted(found)]


def lease(run: RunDirectory, fact: Lease) -> dict[str, str]:
    """The lease of an interface as the client's script wrote it; empty if there is none that can be read."""
    try:
        text = run.lease(fact.namespace, fact.interface).read_text(errors="replace")
        fields = dict(row.split("=", 1) for row in text.splitlines() if "=" in row)
        IPv4Interface(fields["address"])
        if fields.get("router"):
            IPv4Address(fields["router"])
        for number in ("seconds", "obtained"):
            fields[number] = str(int(fields[number]))
    except (OSError, LookupError, ValueError):
        return {}
    return fields


def has_asked_in_vain(run: RunDirectory, fact: Lease | DhcpClient) -> bool:
    """Whether a DHCP client has asked three times, and waited a second for an answer each time."""
    return run.in_vain(fact.namespace, fact.interface).exists()


def lives(run: RunDirectory, fact: Lease | DhcpClient) -> bool:
    """Whether the DHCP client of an interface has not ended."""
    return _alive(run.service(fact.namespace, _client_name(fact.interface)))


def dhcp_complaints(run: RunDirectory) -> Callable[[str], dict[str, str]]:
    """From now on, which node's DHCP server logs that it has no address for a MAC: node to that line."""
    sizes = {log: log.stat().st_size for log in (run.path / "services").glob("*/log")}

    def complaints(mac: str) -> dict[str, str]:
        found = {}
        for log, size in sizes.items():
            fresh = log.read_bytes()[size:].decode(errors="replace").splitlines()
            for line in fresh:
                if mac in line and "no address" in line:
                    node = node_of(log.parent.name.rpartition(".")[0])
                    found[node] = line.partition(": ")[2] or line
        return found

    return complaints


def _log_tail(directory: Path) -> str:
    """The last lines of a service's log, indented."""
    log = directory / "log"
    lines = log.read_text(errors="replace").splitlines()[-5:] if log.is_file() else []
    return "\n".join(f"    {line}" for line in lines) or "    (it printed nothing)"


def end_all(run: RunDirectory, namespaces: Iterable[str]) -> None:
    """End every process of a lab, the users' shells among them: first kindly, then not."""
    _end_those(namespaces, str(run.path))


def end_inside(namespace: str) -> None:
    """End every process in one namespace."""
    _end_those([namespace], None)


def _end_those(namespaces: Iterable[str], mark: str | None) -> None:
    """Processes in the namespaces, and those with the mark in namespaces that have lost their names."""
    inodes = {inode for name in namespaces if (inode := netns.inode(name)) is not None}
    residents = [pid for pid in _found(inodes, mark) if not _is_visiting(pid, inodes)]
    _end(residents, signal.SIGTERM, _TERM_SECONDS)
    begun = time.monotonic()
    while left := _found(inodes, mark):  # Again: a script may have started one more just now.
        waited = time.monotonic() - begun
        if waited > _KILL_SECONDS:
            raise KernelError(f"processes do not end: {', '.join(map(str, left))}")
        residents = [pid for pid in left if not _is_visiting(pid, inodes)]
        if residents or waited > _TERM_SECONDS:
            _end(residents or left, signal.SIGKILL, 1.0)
        else:
            time.sleep(_LOOK_SECONDS)


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
    """Start a program in a namespace; `before` is done in the new process first."""
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
    # It outlives this command on purpose; Popen would warn that nobody waited for it.
    process.returncode = 0


def _pid(directory: Path) -> int:
    """The number of the process that was started last; 0 if nobody knows of one."""
    pid, _, _ = (files.read(f"{directory}/pid") or "").partition(" ")
    return int(pid) if re.fullmatch("[0-9]{1,9}", pid) else 0


def _alive(directory: Path) -> bool:
    """Whether the process of that number is still the one that was started."""
    _, _, started = (files.read(f"{directory}/pid") or "").partition(" ")
    # One that had ended before its start time could be read has none.
    return bool(started) and _start_time(_pid(directory)) == started


def _start_time(pid: int) -> str:
    """In clock ticks since boot; empty for a process that has ended."""
    status = _status(pid)
    return "" if not status or status[0] in "ZX" else status[19]


def _status(pid: int) -> list[str]:
    """The fields of /proc/PID/stat from the third on: state, … (see proc(5)); none if it is gone."""
    try:
        # The second field, the name, may hold spaces and brackets.
        return Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return []


def _found(inodes: set[int], mark: str | None) -> list[int]:
    """Processes that live in one of the namespaces, or bear the mark in another than our own."""
    wanted = {f"net:[{inode}]" for inode in inodes}
    own = os.readlink("/proc/self/ns/net")
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdecimal() and entry != str(os.getpid()):
            try:
                place = os.readlink(f"/proc/{entry}/ns/net")
                marked = mark is not None and place != own and _is_marked(entry, mark)
                if place in wanted or marked:
                    found.append(int(entry))
            except OSError:
                continue  # It has just ended, or is a kernel thread or a zombie.
    return found


def _is_visiting(pid: int, inodes: set[int]) -> bool:
    """Whether a process keeps the way to another namespace open: it is about to go back there.

    So do netlab's own commands that look at a lab, and programs that use netlab.
    """
    lab, kept = {f"net:[{inode}]" for inode in inodes}, set()
    with suppress(OSError):  # It has just ended.
        for number in os.listdir(f"/proc/{pid}/fd"):
            with suppress(FileNotFoundError):  # It has just closed this one.
                kept.add(os.readlink(f"/proc/{pid}/fd/{number}"))
    return any(target.startswith("net:[") for target in kept - lab)


def _is_marked(pid: str, folder: str) -> bool:
    """Whether it bears the mark of a folder or one below; in a container is a lab of its own by that name."""
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
        with suppress(ProcessLookupError):  # A stopped one hears it when it goes on.
            signal.pidfd_send_signal(descriptor, signal.SIGCONT)
    except ProcessLookupError:
        os.close(descriptor)
        return None
    return descriptor


def _reap(pids: Iterable[int]) -> None:
    """Collect those that this very process started; init collects the others."""
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
    while waiting and (left := deadline - time.monotonic()) > 0:
        for descriptor, _ in poll.poll(left * 1000):
            poll.unregister(descriptor)
            waiting.discard(descriptor)
    for descriptor in descriptors:
        os.close(descriptor)
