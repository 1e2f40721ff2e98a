"""The machine as it is: everything that a lab must never change, and how to run the command."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile

import nftables

from netlab import __main__
from netlab.kernel.host import features
from tests.pace import HANG_SECONDS

NETLAB = [sys.executable, "-m", "netlab"]
_VOLATILE_SYSCTLS = {"nf_conntrack_count"}
_LOGGING = "table inet trial { chain input { type filter hook input priority filter; log\n }\n }"
"""The first rule with `log` loads a module that puts itself into net.netfilter.nf_log."""


@dataclass(frozen=True)
class Snapshot:
    """The machine's own network configuration, byte for byte."""

    links: str
    addresses: str
    routes: str
    rules: str
    ruleset: str
    sysctls: str
    etc: str


def snapshot() -> Snapshot:
    """Read everything."""
    return Snapshot(
        links=_links(),
        addresses=_addresses(),
        routes=_routes(),
        rules=ip("rule", "show"),
        ruleset=_ruleset(),
        sysctls=_sysctls(),
        etc=_etc(),
    )


@dataclass(frozen=True)
class Leftovers:
    """What a lab may have while it runs, and nothing of it afterwards."""

    namespaces: frozenset[str]
    etc: frozenset[str]
    labs: frozenset[str]
    processes: frozenset[str]


def leftovers() -> Leftovers:
    """Read everything."""
    return Leftovers(
        namespaces=_names(Path("/run/netns")),
        etc=_names(Path("/etc/netns")),
        labs=_names(Path("/run/netlab")),
        processes=frozenset(_marked_processes()),
    )


def ip(*words: str) -> str:
    """Output of iproute2, as an independent witness."""
    return subprocess.run(["ip", *words], capture_output=True, text=True, check=True).stdout


@contextmanager
def viewing(lab: str, *options: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """`netlab view` for the length of a block, and the address that it prints."""
    command = [*NETLAB, "view", "--lab", lab, *options]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as one:
        try:
            yield one, one.stdout.readline().strip()
        finally:
            one.kill()


def inside(namespace: str, *words: str) -> subprocess.CompletedProcess[str]:
    """A command in a namespace, by iproute2."""
    command = ["ip", "netns", "exec", namespace, *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=HANG_SECONDS)


def netlab(*words: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """The command `netlab` as a process of its own, which has all libraries loaded already."""
    with TemporaryFile("w+") as stdout, TemporaryFile("w+") as stderr:
        code = forked(lambda: _become_netlab(words, stdout.fileno(), stderr.fileno(), env))
        stdout.seek(0)
        stderr.seek(0)
        return subprocess.CompletedProcess(words, code, stdout.read(), stderr.read())


def forked(action: Callable[[], None]) -> int:
    """What a process that does this ends with, as in `subprocess`: minus the signal, or the exit code."""
    child = os.fork()
    if child == 0:
        try:
            signal.alarm(int(HANG_SECONDS))
            action()
        finally:
            os._exit(99)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _become_netlab(
    words: Sequence[str], stdout: int, stderr: int, env: dict[str, str] | None
) -> None:
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(stdout, 1)
    os.dup2(stderr, 2)
    sys.stdin, sys.stdout, sys.stderr = os.fdopen(0), os.fdopen(1, "w"), os.fdopen(2, "w")
    sys.argv = ["netlab", *words]
    if env is not None:
        os.environ.clear()
        os.environ.update(env)
    try:
        __main__.main()
    except SystemExit as end:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(end.code)


def load_modules() -> None:
    """Let the kernel load what labs need: a module's first use adds sysctls to the machine."""
    for attempt in (features.veth, features.bridge, features.masquerade, features.packet_socket):
        attempt()
    features.load_rules(_LOGGING)


def _links() -> str:
    keys = ("ifname", "flags", "mtu", "qdisc", "operstate", "address", "link_type")
    links = json.loads(ip("-j", "link", "show"))
    return json.dumps([{key: link.get(key) for key in keys} for link in links])


def _addresses() -> str:
    links = json.loads(ip("-j", "address", "show"))
    return json.dumps([(link["ifname"], _static(link["addr_info"])) for link in links])


def _static(addresses: list[dict]) -> list[tuple]:
    return [(one["local"], one["prefixlen"], one["scope"]) for one in addresses]


def _routes() -> str:
    """All of them; those from router advertisements count down."""
    return re.sub(r" expires \d+sec", "", ip("route", "show", "table", "all"))


def _ruleset() -> str:
    _, output, _ = nftables.Nftables().cmd("list ruleset")
    return output


def _sysctls() -> str:
    """Every setting of the network, by its path."""
    lines = []
    for path in _files("/proc/sys/net"):
        if path.rpartition("/")[2] not in _VOLATILE_SYSCTLS:
            try:
                lines.append(f"{path} {Path(path).read_bytes()!r}")
            except OSError as error:
                lines.append(f"{path} {error.strerror}")
    return "\n".join(lines)


def _etc() -> str:
    """Every file with what changes when somebody writes it; without /etc/netns."""
    lines = []
    for path in _files("/etc", leave_out="netns"):
        status = os.lstat(path)
        lines.append(
            f"{path} {status.st_mode:o} {status.st_ino} {status.st_size} {status.st_mtime_ns}"
        )
    return "\n".join(lines)


def _files(folder: str, leave_out: str = "") -> Iterator[str]:
    for place, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if name != leave_out)
        yield from (f"{place}/{name}" for name in sorted(files))


def _names(folder: Path) -> frozenset[str]:
    return frozenset(entry.name for entry in folder.iterdir()) if folder.is_dir() else frozenset()


def _marked_processes() -> list[str]:
    """Processes of labs, but not those of a container on this machine, nor what a living one has started."""
    own = Path("/proc/self/ns/pid").readlink()
    found: dict[str, tuple[str, str]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                here = (entry / "ns" / "pid").readlink() == own
                if here and b"NETLAB_SERVICE=" in (entry / "environ").read_bytes():
                    status = (entry / "status").read_text()
                    found[entry.name] = (_field(status, "Name"), _field(status, "PPid"))
            except OSError:
                continue
    return [f"{pid} {name}" for pid, (name, parent) in found.items() if parent not in found]


def _field(status: str, name: str) -> str:
    return status.partition(f"{name}:")[2].split("\n", 1)[0].strip()
