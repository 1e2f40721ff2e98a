"""The machine as it is: everything that a lab must never change, and how to run the command."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import nftables

from netlab.kernel import trial

NETLAB = [sys.executable, "-m", "netlab"]
_VOLATILE_SYSCTLS = {"nf_conntrack_count"}


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
        routes=ip("route", "show", "table", "all"),
        rules=ip("rule", "show"),
        ruleset=_ruleset(),
        sysctls=_digest(Path("/proc/sys/net"), _VOLATILE_SYSCTLS),
        etc=_digest(Path("/etc"), {"netns"}),
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


def inside(namespace: str, *words: str, seconds: float = 20) -> subprocess.CompletedProcess[str]:
    """A command in a namespace, by iproute2."""
    command = ["ip", "netns", "exec", namespace, *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=seconds)


def netlab(*words: str, seconds: float = 60, **options) -> subprocess.CompletedProcess[str]:
    """The command `netlab`, as a process of its own."""
    return subprocess.run(
        [*NETLAB, *words], capture_output=True, text=True, timeout=seconds, **options
    )


def load_modules() -> None:
    """Let the kernel load what labs need: a module's first use adds sysctls to the machine."""
    for attempt in (trial.veth, trial.bridge, trial.masquerade, trial.packet_socket):
        attempt()


def _links() -> str:
    keys = ("ifname", "flags", "mtu", "qdisc", "operstate", "address", "link_type")
    links = json.loads(ip("-j", "link", "show"))
    return json.dumps([{key: link.get(key) for key in keys} for link in links])


def _addresses() -> str:
    links = json.loads(ip("-j", "address", "show"))
    return json.dumps([(link["ifname"], _static(link["addr_info"])) for link in links])


def _static(addresses: list[dict]) -> list[tuple]:
    return [(one["local"], one["prefixlen"], one["scope"]) for one in addresses]


def _ruleset() -> str:
    _, output, _ = nftables.Nftables().cmd("list ruleset")
    return output


def _digest(folder: Path, leave_out: set[str]) -> str:
    lines = []
    for place, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if name not in leave_out)
        for name in sorted(set(files) - leave_out):
            path = Path(place) / name
            lines.append(f"{path} {_content(path)}")
    return "\n".join(lines)


def _content(path: Path) -> str:
    if path.is_symlink():
        return f"-> {path.readlink()}"
    try:
        content = path.read_bytes()
    except OSError as error:
        return error.strerror or "?"
    status = path.stat()
    return f"{status.st_mode:o} {hashlib.sha256(content).hexdigest()[:16]}"


def _names(folder: Path) -> frozenset[str]:
    return frozenset(entry.name for entry in folder.iterdir()) if folder.is_dir() else frozenset()


def _marked_processes() -> list[str]:
    """Processes of labs, but not those of a container on this machine."""
    found = []
    own = Path("/proc/self/ns/pid").readlink()
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                here = (entry / "ns" / "pid").readlink() == own
                if here and b"NETLAB_SERVICE=" in (entry / "environ").read_bytes():
                    found.append(f"{entry.name} {(entry / 'comm').read_text().strip()}")
            except OSError:
                continue
    return found
