"""Checks of the system: the necessary ones before `up`, all of them in `doctor`."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from enum import StrEnum
from pathlib import Path

from netlab.errors import KernelError, Missing, NeedsRoot, NetlabError, SystemRefused
from netlab.frozen import frozen
from netlab.kernel.host import rootless
from netlab.kernel.installed import NEEDED, TYPED, remedy
from netlab.kernel.namespaces import netns
from netlab.plan.names import lab_of

APPLETS = ("udhcpc", "httpd", "ip")


class Health(StrEnum):
    """A check's result."""

    FINE = "fine"
    WARNING = "warning"
    MISSING = "missing"


@frozen
class Check:
    """A check of `doctor`, and its result."""

    name: str
    health: Health
    found: str
    cost: str = ""
    """The features that do not work without it, and the remedy."""


def require() -> None:
    """Raise NeedsRoot or Missing if a lab cannot be built here. Quick: runs no program."""
    if sys.platform != "linux":
        raise Missing("labs run on Linux", "use a Linux machine or the Vagrantfile's VM")
    require_root()
    for name, program in NEEDED.items():
        if _path_of(name) is None:
            raise Missing(f"'{name}' is not installed ({program.purpose})", remedy(name))


def require_root() -> None:
    """Raise NeedsRoot without root's rights."""
    if os.geteuid() == 0:
        return
    try:
        rootless.try_out()
    except Missing:
        fix = "run it with sudo"
    else:
        fix = "run it with sudo, or in the shell that `netlab unshare` opens"
    raise NeedsRoot("network namespaces need root", fix)


def refuse_taken(namespaces: Sequence[str]) -> None:
    """Raise SystemRefused if a namespace of one of these names is there: it is not netlab's to delete.

    A name without a namespace is nobody's, and goes.
    """
    for name in namespaces:
        if netns.is_marked(name):
            lab = lab_of(name)
            raise SystemRefused(
                f"a lab '{lab}' runs, and its record in /run/netlab is gone",
                f"`sudo netlab down {lab}` ends it",
            )
        if netns.inode(name) is None:
            netns.delete(name)
        else:
            raise SystemRefused(
                f"a namespace '{name}' is there, and no lab that it belongs to",
                f"`ip netns del {name}` if nobody needs it, or use another --name",
            )


def examine() -> list[Check]:
    """Run all checks of `doctor`."""
    return [
        _python(),
        *_root(),
        *(_program(name) for name in NEEDED),
        _applets(),
        *_typed_programs(),
        _libnftables(),
        *_kernel(),
        _etc(),
        _bridge_netfilter(),
    ]


def _python() -> Check:
    version = ".".join(map(str, sys.version_info[:3]))
    return Check("Python", Health.FINE, f"{version} ({sys.executable})")


def _root() -> list[Check]:
    """Check for root, and for user namespaces, which may replace it."""
    try:
        rootless.try_out()
        unprivileged = Check("without root", Health.FINE, "labs work in `netlab unshare`")
        health, cost = Health.WARNING, "run netlab with sudo, or in `netlab unshare`"
    except Missing as error:
        unprivileged = Check("without root", Health.WARNING, error.what, error.fix)
        health, cost = Health.MISSING, "labs need it: run netlab with sudo"
    if rootless.is_inside():
        return [Check("root", Health.FINE, "in a user namespace"), unprivileged]
    if os.geteuid() == 0:
        return [Check("root", Health.FINE, "yes"), unprivileged]
    return [Check("root", health, "no", cost), unprivileged]


def _path_of(program: str) -> str | None:
    """Return the path of an installed program."""
    from netlab.kernel.process.services import SEARCH

    return shutil.which(program, path=SEARCH)


def _program(name: str) -> Check:
    path = _path_of(name)
    if path:
        return Check(name, Health.FINE, path)
    cost = f"{NEEDED[name].purpose}: {remedy(name)}"
    return Check(name, Health.MISSING, "not found", cost)


def _typed_programs() -> list[Check]:
    """Check the programs that hints name: one check if all are there, else one for each that is missing."""
    missing = [
        Check(
            name,
            Health.WARNING,
            "not found",
            f"labs work; hints name it for {program.purpose}: {remedy(name)}",
        )
        for name, program in TYPED.items()
        if _path_of(name) is None
    ]
    return missing or [Check("to look around", Health.FINE, ", ".join(TYPED))]


def _applets() -> Check:
    path = _path_of("busybox")
    if not path:
        return Check("busybox applets", Health.MISSING, "no busybox", "install the package busybox")
    listed = subprocess.run([path, "--list"], capture_output=True, text=True, timeout=10).stdout
    missing = [name for name in APPLETS if name not in listed.split()]
    if missing:
        return Check(
            "busybox applets",
            Health.MISSING,
            f"without {', '.join(missing)}",
            "VMs get no lease: install the distribution's full busybox",
        )
    return Check("busybox applets", Health.FINE, ", ".join(APPLETS))


def _libnftables() -> Check:
    from netlab.kernel.nftables import nft

    try:
        return Check("libnftables", Health.FINE, f"usable, by {nft.module_origin()}")
    except Missing as error:
        return Check("libnftables", Health.MISSING, error.what, f"no NAT: {error.fix}")


def _kernel() -> list[Check]:
    """Try each kernel feature in a namespace that goes away at once."""
    if os.geteuid() != 0 or sys.platform != "linux":
        return [Check("kernel", Health.WARNING, "not examined", "needs root")]
    from netlab.kernel.host import features

    no_nat = "no NAT: the kernel needs CONFIG_NFT_MASQ, NFT_NAT, NFT_FIB_IPV4"
    trials: list[tuple[str, Callable[[], None], str]] = [
        ("network namespaces", features.namespace, "nothing works: the kernel needs CONFIG_NET_NS"),
        (
            "named namespaces",
            features.named_namespace,
            "nothing works: in Docker, use --privileged",
        ),
        ("kernel settings", features.setting, "nothing works: in Docker, use --privileged"),
        ("cables (veth)", features.veth, "nothing works: the kernel needs CONFIG_VETH"),
        ("switches (bridge)", features.bridge, "nothing works: the kernel needs CONFIG_BRIDGE"),
        ("NAT (nftables)", features.masquerade, no_nat),
        ("packet sockets", features.packet_socket, "no verify: the kernel needs CONFIG_PACKET"),
    ]
    needed = [_try(*trial, Health.MISSING) for trial in trials]
    no_netem = "adapters can have a bandwidth and loss, but no latency: CONFIG_NET_SCH_NETEM"
    netem = _try("latency (netem)", features.netem, no_netem, Health.WARNING)
    no_ipv6 = (
        "labs without IPv6 work: boot without ipv6.disable=1, or load nft_masq and nft_fib_ipv6"
    )
    ipv6 = _try("IPv6 and its NAT", features.masquerade_ipv6, no_ipv6, Health.WARNING)
    no_reasons = "labs work; verdicts may say less of drops by what is no rule of nftables"
    tracepoints = _try("tracepoints", features.tracepoints, no_reasons, Health.WARNING)
    return [*needed, netem, ipv6, tracepoints, _neighbours()]


def _try(name: str, attempt: Callable[[], None], cost: str, health: Health) -> Check:
    """Try a feature; `health` and `cost` are of its failure."""
    try:
        attempt()
    except (OSError, KernelError, Missing) as error:
        problem = error.what if isinstance(error, NetlabError) else str(error)
        return Check(name, health, problem, cost)
    return Check(name, Health.FINE, f"Linux {os.uname().release}")


def _neighbours() -> Check:
    """Check the neighbour table, which all namespaces of the machine share: `verify` is paced to fit it."""
    from netlab.kernel.host import neighbours

    room = neighbours.limit()
    if room is None:
        return Check("neighbour table", Health.FINE, "its size cannot be seen from a container")
    if room >= neighbours.STOCK_ROOM:
        return Check("neighbour table", Health.FINE, f"room for {room:,} entries")
    return Check(
        "neighbour table",
        Health.WARNING,
        f"room for {room:,} entries only",
        "verify of larger labs may end with `unknown` pairs: "
        f"sysctl net.ipv4.neigh.default.gc_thresh3={neighbours.STOCK_ROOM}",
    )


def _etc() -> Check:
    files = ("hostname", "hosts", "resolv.conf", "nsswitch.conf")
    missing = [name for name in files if not (Path("/etc") / name).exists()]
    if not missing:
        return Check("/etc", Health.FINE, "a VM can have its own " + ", ".join(files))
    return Check(
        "/etc",
        Health.WARNING,
        f"without {', '.join(missing)}",
        "a VM cannot have its own where the machine has none: create an empty file",
    )


def _bridge_netfilter() -> Check:
    if Path("/proc/sys/net/bridge").is_dir():
        return Check("br_netfilter", Health.FINE, "loaded; switched off in every switch of a lab")
    return Check("br_netfilter", Health.FINE, "not loaded")
