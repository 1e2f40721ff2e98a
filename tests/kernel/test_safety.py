"""The machine stays as it is: before, during and after a lab, and after every kind of accident."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import threading
from contextlib import ExitStack
from pathlib import Path

import pytest

from netlab import lab
from netlab.errors import Interrupted, LabExists, SystemRefused
from netlab.kernel.resources.create import Moment
from tests.machine import NETLAB, forked, inside, ip, leftovers, netlab, snapshot
from tests.pace import HANG_SECONDS

NOTHING = leftovers()


class AccidentError(Exception):
    pass


def accident(at: int, moment: Moment, what=AccidentError):
    """A progress callback that fails before or after noun number `at`."""
    position = -1

    def progress(resource, now: Moment) -> None:
        nonlocal position
        position += now is Moment.BEFORE
        if position == at and now is moment:
            if isinstance(what, signal.Signals):
                os.kill(os.getpid(), what)
            else:
                raise what

    return progress


def first_of_each_stage(planned: lab.Lab) -> list[int]:
    stages = [resource.creation_order for resource in planned.plan.resources]
    return [stages.index(number) for number in sorted(set(stages))]


def test_the_machine_is_the_same_while_labs_run():
    before = snapshot()
    with ExitStack() as stack:
        for scenario in ("nat", "bridged", "hostonly", "three-modes"):
            stack.enter_context(lab.running(lab.prepare(lab.load(scenario))))
        assert snapshot() == before
        assert len(leftovers().namespaces) > 30
    assert snapshot() == before
    assert leftovers() == NOTHING


def test_a_lab_that_a_thread_builds_is_a_lab():
    """Each namespace is that of the thread, and not of the process."""
    planned = lab.prepare(lab.load("nat"))
    builder = threading.Thread(target=lab.up, args=(planned,))
    builder.start()
    builder.join()
    try:
        assert not lab.status(planned).drift
    finally:
        lab.down("nat")
    assert leftovers() == NOTHING


def test_a_failure_after_every_single_noun_leaves_nothing():
    planned = lab.prepare(lab.load("nat"))
    for at in range(len(planned.plan.resources)):
        with pytest.raises(AccidentError):
            lab.up(planned, accident(at, Moment.AFTER))
        assert leftovers() == NOTHING, planned.plan.resources[at]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_at_any_stage_leaves_nothing(number):
    planned = lab.prepare(lab.load("nat"))
    for at in first_of_each_stage(planned):
        with pytest.raises(Interrupted, match=number.name):
            lab.up(planned, accident(at, Moment.BEFORE, number))
        assert leftovers() == NOTHING


def test_after_kill_9_at_every_stage_down_leaves_nothing():
    planned = lab.prepare(lab.load("nat"))
    for at in first_of_each_stage(planned):
        for moment in Moment:
            fatal = accident(at, moment, signal.SIGKILL)
            assert forked(lambda fatal=fatal: lab.up(planned, fatal)) == -signal.SIGKILL
            assert leftovers() != NOTHING
            assert netlab("down", "nat").returncode == 0
            assert leftovers() == NOTHING, f"{moment} {planned.plan.resources[at]}"


def test_what_kill_9_leaves_is_shown_as_incomplete_and_not_built_over():
    fatal = accident(50, Moment.BEFORE, signal.SIGKILL)
    forked(lambda: lab.up(lab.prepare(lab.load("nat")), fatal))
    try:
        assert "incomplete" in netlab("status", "--json").stdout
        again = netlab("up", "nat")
        assert again.returncode == 3
        assert "netlab down nat" in again.stderr
    finally:
        lab.down("nat")


def test_down_needs_neither_the_scenario_nor_its_namespaces(tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_bytes(lab.load("nat").text)
    lab.up(lab.prepare(lab.load(str(file))))
    file.unlink()
    ip("netns", "del", "mine.vm1")
    assert netlab("down", "mine").returncode == 0


def test_down_ends_the_users_programs_in_the_lab():
    planned = lab.prepare(lab.load("hostonly"))
    lab.up(planned)
    stubborn = "trap '' TERM; echo ready; while :; do sleep 1; done"
    process = subprocess.Popen(
        ["ip", "netns", "exec", "hostonly.vm1", "sh", "-c", stubborn],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "ready\n"
    assert netlab("down", "hostonly").returncode == 0
    assert process.wait(timeout=HANG_SECONDS) == -signal.SIGKILL
    process.stdout.close()


def test_down_leaves_a_containers_lab_of_the_same_name_alone():
    netlab_command = shlex.join(NETLAB)
    script = (
        "mount -t tmpfs tmpfs /run; mount -t tmpfs tmpfs /etc/netns;"
        f"{netlab_command} up hostonly >/dev/null && echo up && read go;"
        f"{netlab_command} status hostonly | tail -n 1; {netlab_command} down hostonly >/dev/null"
    )
    etc = Path("/etc/netns")
    (etc / "theirs").mkdir(parents=True)  # Or /etc/netns would go, and the mount on it.
    lab.up(lab.prepare(lab.load("hostonly")))
    container = subprocess.Popen(
        ["unshare", "--net", "--mount", "--pid", "--fork", "--mount-proc", "sh", "-c", script],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert container.stdout.readline() == "up\n"
    finally:
        lab.down("hostonly")
        output, _ = container.communicate("go\n", timeout=HANG_SECONDS)
        (etc / "theirs").rmdir()
        etc.rmdir()
    assert output == "no drift: everything is as planned\n"


def test_down_refuses_to_saw_off_the_branch_it_sits_on():
    with lab.running(lab.prepare(lab.load("hostonly"))):
        done = inside("hostonly.vm1", sys.executable, "-m", "netlab", "down", "hostonly")
        assert done.returncode == 3
        assert "leave it with `exit` first" in done.stderr
        assert inside("hostonly.vm1", "true").returncode == 0


def test_a_namespace_of_somebody_else_is_never_touched():
    ip("netns", "add", "hostonly.vm2")
    try:
        with pytest.raises(SystemRefused, match=r"hostonly\.vm2"):
            lab.up(lab.prepare(lab.load("hostonly")))
        assert "hostonly.vm2" in leftovers().namespaces
        assert not leftovers().labs
    finally:
        ip("netns", "del", "hostonly.vm2")


def test_two_labs_of_one_file_run_at_once():
    with (
        lab.running(lab.prepare(lab.load("nat"), "one")) as one,
        lab.running(lab.prepare(lab.load("nat"), "two")) as two,
    ):
        for running in (one, two):
            results = lab.verify(running)
            assert all(result.passed for result in results)


def test_a_second_up_refuses_and_changes_nothing():
    planned = lab.prepare(lab.load("hostonly"))
    with lab.running(planned):
        with pytest.raises(LabExists):
            lab.up(planned)
        assert not lab.status(planned).drift


def test_commands_that_change_one_lab_wait_for_nobody():
    planned = lab.prepare(lab.load("hostonly"))

    def down_meanwhile(resource, moment) -> None:
        with pytest.raises(SystemRefused, match="another netlab command"):
            lab.down("hostonly")

    lab.up(planned, down_meanwhile)
    lab.down("hostonly")


@pytest.mark.parametrize("inodes", range(3, 12))
def test_a_full_disk_leaves_nothing(inodes):
    script = (
        f"mount -t tmpfs -o nr_inodes={inodes} tmpfs /run || exit 99;"
        f"{shlex.join(NETLAB)} up nat >&2; echo $?; ls -A /run | grep -v netns; ls /etc | grep netns"
    )
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", script],
        capture_output=True,
        text=True,
        timeout=HANG_SECONDS,
    )
    assert done.stdout == "3\n", done.stdout + done.stderr
    assert "No space left on device" in done.stderr
    assert "Traceback" not in done.stderr
