"""What is written down about labs may be lost, or damaged: `status` and `down` work all the same."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from netlab import lab
from netlab.errors import NoSuchLab
from netlab.kernel.namespaces import netns
from netlab.kernel.rundir import LABS
from tests.machine import forked, inside, ip, leftovers, netlab
from tests.pace import HANG_SECONDS

NOTHING = leftovers()
NESTED = "[" * 100_000 + "]" * 100_000


@pytest.fixture
def hostonly() -> Iterator[lab.Lab]:
    planned = lab.prepare(lab.load("hostonly"))
    lab.up(planned)
    try:
        yield planned
    finally:
        if "hostonly" in lab.names():
            lab.down("hostonly")
    assert leftovers() == NOTHING


def record(**fields: object) -> str:
    known = json.loads((LABS / "hostonly" / "lab.json").read_text())
    return json.dumps(known | fields)


def test_every_namespace_bears_netlab_s_mark(hostonly):
    assert all(netns.is_marked(name) for name in hostonly.plan.namespaces)
    ip("netns", "add", "hostonly.mine")
    try:
        assert not netns.is_marked("hostonly.mine")
    finally:
        ip("netns", "del", "hostonly.mine")


def damages() -> list[str]:
    """What may stand in a record's place."""
    return [
        "",
        "{",
        "\0",
        "[]",
        "null",
        NESTED,
        '{"a":' * 900 + "1" + "}" * 900,
        record(created="yesterday"),
        record(created=1e300),
        record(created=-1),
        record(created=float("nan")),
        record(created=10**400),
        record(file=7),
        record(scenario=None),
        record(ready="yes"),
        record(namespaces=None),
        record(namespaces=[["x"], 7, "\0"]),
        record(format=2, another="key"),
        record(another="key"),
    ]


def test_a_damaged_record_harms_no_other_lab(hostonly):
    file = LABS / "hostonly" / "lab.json"
    right = file.read_text()
    with lab.running(lab.prepare(lab.load("hostonly"), "other")) as other:
        for damage in damages():
            file.write_text(damage)
            listed = netlab("status", "--json")
            assert listed.returncode == 0, listed.stderr
            states = {row["lab"]: row["state"] for row in json.loads(listed.stdout)["labs"]}
            assert set(states) == {"hostonly", "other"}
            assert states["other"] == "up"
            named = netlab("status", "hostonly")
            assert named.returncode in (0, 3), named.stderr
            assert "a fault in netlab" not in named.stderr
            assert not lab.status(other).drift
            file.write_text(right)


@pytest.mark.parametrize("which", [0, 5, 7, 16, 17])
def test_a_lab_with_a_damaged_record_is_ended_and_nothing_else(hostonly, which):
    (LABS / "hostonly" / "lab.json").write_text(damages()[which])
    ip("netns", "add", "hostonly.mine")
    try:
        assert netlab("down", "hostonly").returncode == 0
        assert leftovers().namespaces - NOTHING.namespaces == {"hostonly.mine"}
    finally:
        ip("netns", "del", "hostonly.mine")


@pytest.mark.parametrize("foreign", ["/tmp/victim", "../../tmp/victim", "victim", "other.vm1"])
def test_down_removes_nothing_that_the_record_cannot_mean(hostonly, foreign, tmp_path):
    victim = Path("/tmp/victim")
    victim.write_text("mine")
    ip("netns", "add", "other.vm1")
    ip("netns", "add", "victim")
    try:
        names = [*hostonly.plan.namespaces, foreign]
        (LABS / "hostonly" / "lab.json").write_text(record(namespaces=names))
        assert netlab("down", "hostonly").returncode == 0
        assert victim.read_text() == "mine"
        assert {"other.vm1", "victim"} <= leftovers().namespaces
    finally:
        victim.unlink()
        ip("netns", "del", "other.vm1")
        ip("netns", "del", "victim")


@pytest.mark.parametrize("name", ["scenario.known", "scenario.yaml"])
@pytest.mark.parametrize("text", ["", "\0", NESTED, '{"netlab": 1}'])
def test_a_damaged_scenario_of_a_lab_is_said_to_be_one(hostonly, name, text):
    (LABS / "hostonly" / name).write_text(text)
    shown = netlab("status", "hostonly")
    assert shown.returncode in (0, 2, 3), shown.stderr
    assert "a fault in netlab" not in shown.stderr
    assert netlab("down", "hostonly").returncode == 0


@pytest.mark.parametrize(
    "text", ["", "\0\xff", "address=x\n", "address=10.0.0.1/24\nrouter=y\nobtained=z\n"]
)
def test_a_damaged_lease_is_none(hostonly, text):
    place = LABS / "hostonly"
    (place / "leases" / "hostonly.vm1.eth0").write_text(text)
    for file in place.glob("services/*/leases"):
        file.write_text(text)
    for words in (["status", "hostonly"], ["show", "addresses"], ["show", "leases"]):
        shown = netlab(*words)
        assert shown.returncode == 0, shown.stderr
    assert netlab("repair").returncode == 0
    assert not lab.status(hostonly).drift


@pytest.mark.parametrize("text", ["", "x", "1 1", "99999999999999999999 1", "\0"])
def test_a_damaged_note_of_a_process_is_mended(hostonly, text):
    for file in (LABS / "hostonly").glob("services/*/pid"):
        file.write_text(text)
    assert netlab("status", "hostonly").returncode == 0


@pytest.mark.parametrize("umask", [0o000, 0o077, 0o777])
def test_modes_are_set_and_not_inherited(umask):
    def up() -> None:
        os.umask(umask)
        assert netlab("up", "nat").returncode == 0
        assert netlab("set", "vm1", "hosts={a.example: 10.0.0.9}").returncode == 0
        os._exit(0)

    assert forked(up) == 0
    try:
        for file in (LABS, *LABS.rglob("*"), Path("/etc/netns"), netns.NAMES):
            mode = file.lstat().st_mode
            assert file.is_symlink() or not mode & 0o022, f"{file} {mode:o}"
            if "etc" in file.parts:
                assert mode & 0o044 == 0o044, f"{file} {mode:o}"
        assert all(folder.stat().st_mode & 0o777 == 0o755 for folder in (LABS, LABS / "nat"))
        read = ["setpriv", "--reuid=65534", "--clear-groups", "cat", "/etc/resolv.conf"]
        assert "10.0.0.2" in inside("nat.vm1", *read).stdout
    finally:
        lab.down("nat")


def test_names_that_a_restart_has_left_stand_in_nobody_s_way():
    """As `docker restart` leaves them: files without mounts, and no record."""
    planned = lab.prepare(lab.load("hostonly"))
    netns.NAMES.mkdir(exist_ok=True)
    for name in (*planned.plan.namespaces, "gone.vm1", "notours"):
        (netns.NAMES / name).touch()
    try:
        with lab.running(planned) as running:
            assert not lab.status(running).drift
        (netns.NAMES / "hostonly.vm9").touch()
        assert netlab("down", "--all").returncode == 0
        left = leftovers().namespaces - NOTHING.namespaces
        assert left == {"notours"}, "what no lab would be called stays"
    finally:
        (netns.NAMES / "notours").unlink()
    assert leftovers() == NOTHING


@pytest.mark.parametrize("words", [["down", "hostonly"], ["down", "--all"]])
def test_a_lab_that_lost_its_record_is_listed_and_ended(hostonly, words):
    subprocess.run(["rm", "-rf", str(LABS / "hostonly")], check=True)
    ip("netns", "add", "hostonly.mine")
    try:
        assert '"hostonly"' in netlab("status", "--json").stdout
        again = netlab("up", "hostonly")
        assert again.returncode == 3
        assert "netlab down hostonly" in again.stderr
        assert netlab(*words).returncode == 0
        assert leftovers().namespaces - NOTHING.namespaces == {"hostonly.mine"}
        assert leftovers().processes == NOTHING.processes
    finally:
        ip("netns", "del", "hostonly.mine")


def test_labs_may_come_and_go_while_they_are_listed(hostonly, monkeypatch):
    monkeypatch.setattr("netlab.kernel.rundir.labs", lambda: ["gone", "hostonly"])
    assert [known.lab for known in lab.records()] == ["hostonly"]
    with pytest.raises(NoSuchLab):
        lab.record("gone")


def test_down_does_not_end_who_only_looks(hostonly):
    """A program that uses netlab is in a namespace of the lab just when that goes down."""
    reading, writing = os.pipe()

    def look() -> None:
        with netns.inside("hostonly.vm1"):
            os.write(writing, b"in")
            try:
                while not netlab_is_ending():
                    pass
            finally:
                os.write(writing, b"out")
        os._exit(7)

    def netlab_is_ending() -> bool:
        return not [name for name in os.listdir(LABS / "hostonly" / "services") if _runs(name)]

    def _runs(name: str) -> bool:
        pid = (LABS / "hostonly" / "services" / name / "pid").read_text().split()[0]
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        return state != "Z"  # This process has started it, and has not asked how it ended.

    child = os.fork()
    if child == 0:
        signal.alarm(int(HANG_SECONDS))
        look()
    assert os.read(reading, 2) == b"in"
    assert netlab("down", "hostonly").returncode == 0
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7


@pytest.mark.parametrize(
    ("words", "needed"),
    [
        ("status", set()),
        ("show addresses", set()),
        ("down", set()),
        ("graph", set()),
        ("verify", {"difflib", "rich.console", "scapy"}),
        ("trace vm1 vm2", {"difflib", "rich.console", "scapy"}),
        ("explain vm1 vm2", {"rich.console"}),
    ],
)
def test_a_verb_loads_no_library_that_it_has_no_use_for(hostonly, words, needed):
    """The values of a scenario were checked when the lab was made, and a pipe needs no colours."""
    script = (
        "import sys; from netlab import cli; cli.run(sys.argv[1].split());"
        "heavy = {'yaml', 'pydantic_core', 'rich.console', 'difflib', 'scapy'};"
        "print(sorted(heavy & {*sys.modules}), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, words], capture_output=True, text=True, timeout=HANG_SECONDS
    )
    assert done.stdout
    assert done.stderr == f"{sorted(needed)}\n"
