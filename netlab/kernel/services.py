"""Programs inside namespaces: services and DHCP clients, started, watched and ended.

Each carries an environment mark that says whose it is; its number in `pid`
counts only if the process bears the mark.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import time
from collections.abc import Iterable
from pathlib import Path

from netlab.errors import KernelError, Missing
from netlab.kernel import netns
from netlab.kernel.rundir import RunDirectory
from netlab.plan.nouns import DhcpClient, Lease, Listening, Service

MARK = "NETLAB_SERVICE"
_PACKAGE = Path(__file__).parent.parent
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_TERM_SECONDS = 2.0
_KILL_SECONDS = 10.0
_SOCKETS = {"tcp": "0A", "udp": "07"}
"""The state in /proc/net that means: a socket is open here."""


def start(run: RunDirectory, service: Service) -> None:
    """Start a service; `Listening` nouns await its readiness."""
    directory = run.service(service.namespace, service.name)
    directory.mkdir()
    if service.config:
        (directory / "config").write_text(service.config)
    argv = [word.format(directory=directory, package=_PACKAGE) for word in service.argv]
    _spawn(service.namespace, directory, argv, {})


def start_client(run: RunDirectory, client: DhcpClient) -> None:
    """Start a DHCP client; a `Lease` noun awaits its success."""
    directory = run.service(client.namespace, _client_name(client.interface))
    directory.mkdir()
    resolv = netns.ETC / client.namespace / "resolv.conf"
    resolv.parent.mkdir(parents=True, exist_ok=True)
    resolv.touch()
    argv = ["busybox", "udhcpc", "-f", "-i", client.interface, "-x", f"hostname:{client.host_name}"]
    # One question a second, and again after a second without an answer, for ever.
    argv += ["-s", str(_PACKAGE / "programs" / "dhcp-client.sh"), "-t", "5", "-T", "1", "-A", "1"]
    lease = run.lease(client.namespace, client.interface)
    variables = {"NETLAB_LEASE": str(lease), "NETLAB_RESOLV": str(resolv)}
    _spawn(client.namespace, directory, argv, variables)


def runs(run: RunDirectory, noun: Service | DhcpClient) -> bool:
    """Whether the noun's process is alive."""
    name = noun.name if isinstance(noun, Service) else _client_name(noun.interface)
    return _alive(run.service(noun.namespace, name))


def listens(run: RunDirectory, fact: Listening) -> bool:
    """Whether the service lives and has its socket open. Raises KernelError if it has died."""
    directory = run.service(fact.namespace, fact.service)
    if not _alive(directory):
        raise KernelError(f"{fact.service} on {fact.namespace} has ended:\n{log_tail(directory)}")
    with netns.inside(fact.namespace):
        table = Path(f"/proc/thread-self/net/{fact.protocol}").read_text()
    wanted = f"{fact.port:04X}"
    rows = (row.split() for row in table.splitlines()[1:])
    return any(row[1].endswith(f":{wanted}") and row[3] == _SOCKETS[fact.protocol] for row in rows)


def lease(run: RunDirectory, fact: Lease) -> dict[str, str]:
    """The lease of an interface as the client's script wrote it; empty if there is none."""
    try:
        text = run.lease(fact.namespace, fact.interface).read_text()
    except FileNotFoundError:
        return {}
    return dict(row.split("=", 1) for row in text.splitlines())


def client_log(run: RunDirectory, fact: Lease) -> str:
    """The last words of the DHCP client."""
    return log_tail(run.service(fact.namespace, _client_name(fact.interface)))


def log_tail(directory: Path) -> str:
    """The last lines of a service's log, indented."""
    lines = (directory / "log").read_text(errors="replace").splitlines()[-5:]
    return "\n".join(f"    {line}" for line in lines) or "    (it printed nothing)"


def end_all(run: RunDirectory, namespaces: Iterable[str]) -> None:
    """End every process of a lab, the users' shells among them: first kindly, then not."""
    inodes = {inode for name in namespaces if (inode := netns.inode(name)) is not None}
    for number, seconds in ((signal.SIGTERM, _TERM_SECONDS), (signal.SIGKILL, _KILL_SECONDS)):
        signalled = {pid: file for pid in _of_lab(run, inodes) if (file := _signal(pid, number))}
        _await_end(list(signalled.values()), seconds)
        _reap(signalled)
    if left := _of_lab(run, inodes):
        raise KernelError(f"processes do not end: {', '.join(map(str, left))}")


def _client_name(interface: str) -> str:
    return f"dhcp-client-{interface}"


def _spawn(namespace: str, directory: Path, argv: list[str], variables: dict[str, str]) -> None:
    environment = {"PATH": _PATH, "LC_ALL": "C", MARK: str(directory), **variables}
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
            )
    except FileNotFoundError:
        raise Missing(
            f"the program '{argv[0]}' is not installed", "`netlab doctor` says which package has it"
        ) from None
    (directory / "pid").write_text(str(process.pid))
    # It outlives this command on purpose; Popen would warn that nobody waited for it.
    process.returncode = 0


def _alive(directory: Path) -> bool:
    try:
        return _is_marked((directory / "pid").read_text(), str(directory))
    except (FileNotFoundError, ProcessLookupError):
        return False


def _of_lab(run: RunDirectory, inodes: set[int]) -> list[int]:
    """Processes that live in one of the namespaces, or bear the lab's mark in one without a name."""
    wanted = {f"net:[{inode}]" for inode in inodes}
    own = os.readlink("/proc/self/ns/net")
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdecimal() and entry != str(os.getpid()):
            try:
                place = os.readlink(f"/proc/{entry}/ns/net")
                if place in wanted or (place != own and _is_marked(entry, f"{run.path}/")):
                    found.append(int(entry))
            except OSError:
                continue  # It has just ended, or is a kernel thread or a zombie.
    return found


def _is_marked(pid: str, beginning: str) -> bool:
    marks = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    return any(mark.startswith(f"{MARK}={beginning}".encode()) for mark in marks)


def _signal(pid: int, number: int) -> int | None:
    """Send a signal and return a descriptor that becomes readable when the process ends."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return None
    try:
        signal.pidfd_send_signal(descriptor, number)
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
