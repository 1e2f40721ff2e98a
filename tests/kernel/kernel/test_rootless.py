"""netlab as a plain user, who is root in namespaces of his own only."""

from __future__ import annotations

import importlib
import os
import pkgutil
import signal
import stat
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

import netlab as package
from netlab import lab
from netlab.errors import Missing
from netlab.kernel import syscalls
from netlab.kernel.host import rootless
from netlab.kernel.host.tracepoints import recording
from netlab.kernel.netlink.pool import NamespacePool
from netlab.kernel.obstacles import drop_counters
from netlab.kernel.obstacles.read import obstacles
from tests.machine import forked, netlab
from tests.pace import HANG_SECONDS

pytestmark = pytest.mark.on_each_kernel

ROOT = Path(__file__).parents[3]
USER = ROOT.stat().st_uid or 65534
"""Whose this tree is; nobody, if it is root's."""


@pytest.fixture(scope="module", autouse=True)
def possible() -> None:
    """Everything is loaded beforehand: the user may not be allowed to read root's Python."""
    try:
        rootless.try_out()
    except Missing as refused:
        pytest.fail(str(refused))
    for module in pkgutil.walk_packages(package.__path__, "netlab."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    with lab.running(lab.prepare(lab.load("nat"))) as running:
        lab.verify(running)
        lab.trace(running, "vm1", "vm2")


def as_user(action: Callable[[], None]) -> int:
    """The exit code of a process of USER's that does this: 0, or 1 after a failed assertion."""

    def run() -> None:
        become_user()
        try:
            action()
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)

    return forked(run)


def become_user() -> None:
    open_the_way_to(ROOT)
    rootless.become(USER)


def open_the_way_to(tree: Path) -> None:
    """Let USER read a tree below a folder that is closed to others, as /root is; for this process."""
    syscalls.unshare(syscalls.CLONE_NEWNS)
    syscalls.mount("", "/", flags=syscalls.MS_SLAVE | syscalls.MS_REC)
    closed = [folder for folder in tree.parents if not folder.stat().st_mode & stat.S_IXOTH]
    if closed and closed[-1].stat().st_uid != USER:
        kept = os.open(tree, os.O_PATH)
        syscalls.mount("netlab", str(closed[-1]), "tmpfs")
        closed[-1].chmod(0o755)
        tree.mkdir(parents=True)
        syscalls.mount(f"/proc/self/fd/{kept}", str(tree), flags=syscalls.MS_BIND)


def unshared(action: Callable[[], None]) -> int:
    """The same, in the user's own namespaces."""

    def run() -> None:
        rootless.enter()
        action()

    return as_user(run)


def processes() -> set[str]:
    """Of the user."""
    return {
        entry.name
        for entry in Path("/proc").iterdir()
        if entry.name.isdecimal() and _owner(entry) == USER
    }


def _owner(entry: Path) -> int | None:
    try:
        return entry.stat().st_uid
    except OSError:
        return None


def fine(*words: str) -> str:
    """What a command prints, which must succeed."""
    done = netlab(*words)
    assert done.returncode == 0, (words, done.stderr)
    return done.stdout


@pytest.mark.parametrize(
    ("scenario", "vm", "pairs"),
    [("nat", "vm1", 35), ("three-modes", "vm2", 80), ("ipv6", "vm2", 144)],
)
def test_everything_works(scenario, vm, pairs):
    def use() -> None:
        assert "no drift" in fine("up", scenario)
        assert f"{pairs} of {pairs} pairs are as expected" in fine("verify")
        assert "answered · 2 translations" in fine("trace", vm, "internet")
        death = netlab("trace", "internet", vm)
        assert death.returncode == 1
        assert "evidence   home_router forward: policy drop" in death.stdout
        assert "You come from 203.0.113.1" in fine(
            "exec", vm, "--", "curl", "-4", "-s", "http://www.example.com/"
        )
        assert fine("exec", vm, "--", "cat", "/etc/hostname") == f"{vm}\n"
        fine("exec", vm, "--", "sh", "-c", "ping -i 0.1 203.0.113.80 >/dev/null 2>&1 &")
        captured = netlab("capture", vm, "-f", "icmp", "-c1", "--seconds", "30")
        assert (captured.returncode, "1 packets captured" in captured.stderr) == (0, True)
        fine("down")
        assert not Path("/run/netlab").exists()
        assert not Path("/etc/netns").exists()

    before = processes()
    assert unshared(use) == 0
    assert processes() == before


RULES = (
    "sysctl -qw net.ipv4.icmp_echo_ignore_all=1 && tc qdisc add dev eth0 root pfifo limit 1 &&"
    " ip xfrm policy add dir in action block &&"
    " XTABLES_LOCKFILE=/dev/null iptables-legacy -P INPUT DROP"
)


def test_obstacles_are_found_by_their_owner():
    def use() -> None:
        fine("up", "nat")
        with NamespacePool(1) as pool:
            assert obstacles("nat.vm1", pool) == ()
            fine("exec", "vm1", "--", "sh", "-c", RULES)
            kinds = {obstacle.kind.value for obstacle in obstacles("nat.vm1", pool)}
            assert kinds == {"iptables", "tc", "xfrm", "sysctl"}
            assert drop_counters.read("nat.vm1", pool)["conntrack.drop"] == 0
        fine("down")

    assert unshared(use) == 0


def test_run_needs_nothing_else():
    def use() -> None:
        with TemporaryDirectory() as folder:
            report = f"{folder}/results.xml"
            assert "35 of 35 pairs are as expected" in fine("run", "nat", "--junit", report)
            assert Path(report).stat().st_uid == USER

    before = processes()
    assert as_user(use) == 0
    assert processes() == before


def started(action: Callable[[], None]) -> int:
    """The process that stays outside, of one that has done this inside and now waits."""
    ready, done = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            become_user()
            rootless.enter()
            action()
            os.write(done, b"!")
            time.sleep(HANG_SECONDS)  # Until it is killed.
        finally:
            os._exit(99)
    os.close(done)
    assert os.read(ready, 1) == b"!"
    os.close(ready)
    return child


def test_a_lab_ends_with_its_namespaces_whatever_happens():
    """Nobody ends it; the process outside is killed."""
    before = processes()
    child = started(lambda: fine("up", "nat"))
    assert len(processes() - before) > 5
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    deadline = time.monotonic() + HANG_SECONDS
    while left := processes() - before:
        assert time.monotonic() < deadline, left
        time.sleep(0.01)


def test_a_signal_reaches_the_command_and_its_end_is_ours():
    child = started(lambda: signal.signal(signal.SIGTERM, lambda *_: os._exit(42)))
    os.kill(child, signal.SIGTERM)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 42


def test_outside_of_it_a_command_says_what_to_do():
    def use() -> None:
        done = netlab("up", "nat")
        assert done.returncode == 3
        assert "run it with sudo, or in the shell that `netlab unshare` opens" in done.stderr

    assert as_user(use) == 0


def test_the_machines_files_are_there_and_new_ones_stay_inside():
    links = sorted(entry.name for entry in Path("/etc").iterdir() if entry.is_symlink())
    wanted = {name: os.readlink(f"/etc/{name}") for name in links}
    hosts = Path("/etc/hosts").read_text()

    def use() -> None:
        assert Path("/etc/hosts").read_text() == hosts
        assert {name: os.readlink(f"/etc/{name}") for name in links} == wanted
        Path("/etc/netlab-new").touch()
        Path("/run/netlab-new").touch()
        with pytest.raises(OSError, match="Permission denied"):
            Path("/etc/hosts").write_text("changed")

    assert unshared(use) == 0
    assert not Path("/etc/netlab-new").exists()
    assert not Path("/run/netlab-new").exists()


def test_the_kernels_drop_reasons_are_missing_and_nothing_else():
    def use() -> None:
        with pytest.raises(Missing, match="tracepoints cannot be reached"), recording():
            pass
        done = netlab("doctor")
        assert done.returncode == 0, done.stdout
        assert "say less" in done.stdout

    assert unshared(use) == 0


def test_a_machine_that_allows_none_is_named_with_the_remedy():
    def use() -> None:
        Path("/proc/sys/user/max_user_namespaces").write_text("0")
        for words in (("unshare", "true"), ("doctor",)):
            done = netlab(*words)
            said = " ".join((done.stdout + done.stderr).split())
            assert "user.max_user_namespaces is 0" in said
            assert "sudo sysctl user.max_user_namespaces=10000" in said

    assert unshared(use) == 0


def test_doctor_as_a_plain_user():
    def use() -> None:
        done = netlab("doctor")
        assert done.returncode == 0, done.stdout
        assert "labs work in `netlab unshare`" in done.stdout

    assert as_user(use) == 0


def test_the_commands_exit_code_is_netlabs():
    assert netlab("unshare", "--", "sh", "-c", "exit 7").returncode == 7
    assert netlab("unshare", "sh", "-c", "kill -KILL $$").returncode == 128 + signal.SIGKILL
    assert "no command 'nosuch'" in netlab("unshare", "nosuch").stderr
