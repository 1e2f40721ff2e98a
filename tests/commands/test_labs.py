"""The commands on real labs, as a person and as a script use them, wrong ways included."""

from __future__ import annotations

import json
import os
import pty
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from netlab import lab
from netlab.kernel.rundir import RunDirectory
from tests.machine import NETLAB, inside, leftovers, netlab
from tests.pace import HANG_SECONDS, SLOWNESS


@pytest.fixture
def nat() -> Iterator[lab.Lab]:
    with lab.running(lab.prepare(lab.load("nat"))) as running:
        yield running


def test_up_status_verify_and_down_print_json_alone():
    up = netlab("up", "hostonly", "--name", "json", "--json")
    try:
        document = json.loads(up.stdout)
        assert (document["lab"], document["state"]) == ("json", "up")
        vm1 = next(node for node in document["nodes"] if node["name"] == "vm1")
        assert vm1["interfaces"][0]["addresses"] == ["172.16.78.128/24"]
        assert vm1["interfaces"][0]["lease"]["server"] == "172.16.78.254"
        assert document["drift"] == {"missing": [], "unplanned": []}
        assert json.loads(netlab("status", "json", "--json").stdout)["lab"] == "json"
        assert [one["lab"] for one in json.loads(netlab("status", "--json").stdout)["labs"]] == [
            "json"
        ]
        cells = json.loads(netlab("verify", "--json").stdout)["cells"]
        seen = {(cell["from"], cell["to"]): cell["source_seen_is"] for cell in cells}
        assert seen["host", "vm1"] == "host@vmnet1"
        assert "Try next" in up.stderr
    finally:
        down = netlab("down", "json", "--json")
    assert json.loads(down.stdout) == {"down": ["json"]}


def test_status_lists_several_labs_and_commands_ask_which(nat):
    with lab.running(lab.prepare(lab.load("hostonly"))):
        listed = netlab("status").stdout
        assert "nat " in listed
        assert "hostonly " in listed
        for words in (("verify",), ("exec", "vm1", "--", "true"), ("down",)):
            done = netlab(*words)
            assert done.returncode == 3
            assert "several labs are running: hostonly, nat" in done.stderr
        assert netlab("exec", "--lab", "nat", "vm1", "--", "true").returncode == 0


def test_verify_ends_with_1_and_says_what_is_not_as_expected(nat):
    inside("nat.vm1", "ip", "route", "del", "default")
    done = netlab("verify")
    assert done.returncode == 1
    pairs = "! vm1 → pc, router, 2 pairs: expected reachable"
    assert (
        f"{pairs}, but dropped: at vm1, the routing table has no way to that address" in done.stdout
    )
    assert "31 of 35 pairs are as expected" in done.stdout
    some = netlab("verify", "--from", "vm1", "--to", "internet", "--json")
    (cell,) = json.loads(some.stdout)["cells"]
    assert (some.returncode, cell["verdict"], cell["cause"]) == (1, "dropped", "no-route")
    wrong = netlab("verify", "--from", "vm9")
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert "'vm9' names no endpoint; use one of: vm1, vm2" in wrong.stderr
    piped = subprocess.run(
        ["bash", "-c", f"{' '.join(NETLAB)} verify | true; echo ${{PIPESTATUS[0]}}"],
        capture_output=True,
        text=True,
        timeout=HANG_SECONDS,
    )
    assert (piped.stdout, piped.stderr) == ("1\n", ""), "a reader that leaves hides no failure"


def test_up_on_a_running_lab_says_what_differs(nat, tmp_path):
    file = tmp_path / "nat.yaml"
    file.write_text(nat.source.text.decode().replace("pc: 192.168.1.50", "pc: 192.168.1.60"))
    inside("nat.vm1", "ip", "address", "add", "10.0.0.77/24", "dev", "eth0")
    done = netlab("up", str(file))
    assert done.returncode == 3
    assert "the lab 'nat' is already there" in done.stderr
    assert "- missing    address nat.pc/eth0 192.168.1.60/24" in done.stderr
    assert "+ unplanned  address nat.pc/eth0 192.168.1.50/24" in done.stderr
    assert "+ unplanned  address nat.vm1/eth0 10.0.0.77/24" in done.stderr
    inside("nat.vm1", "ip", "address", "del", "10.0.0.77/24", "dev", "eth0")
    assert "nothing in it has changed" in netlab("up", "nat").stderr
    inside("nat.vm1", "ip", "address", "add", "10.0.0.77/24", "dev", "eth0")
    document = json.loads(netlab("up", str(file), "--json").stdout)
    assert "address nat.pc/eth0 192.168.1.60/24" in document["scenario_changes"]["missing"]
    assert document["drift"]["unplanned"] == ["address nat.vm1/eth0 10.0.0.77/24"]


def test_doctor_finds_everything_on_this_machine():
    done = netlab("doctor", "--json")
    checks = {check["name"]: check["health"] for check in json.loads(done.stdout)["checks"]}
    assert done.returncode == 0, done.stdout
    assert "missing" not in checks.values()
    assert {"dnsmasq", "libnftables", "NAT (nftables)", "named namespaces"} <= set(checks)


def test_doctor_and_up_say_what_is_missing_and_which_package_has_it(tmp_path):
    (tmp_path / "busybox").symlink_to("/bin/busybox")
    code = (
        "from netlab.kernel.process import services; import sys;"
        f"services.SEARCH = '{tmp_path}'; from netlab.cli import run; sys.exit(run(sys.argv[1:]))"
    )
    for words in (["doctor"], ["up", "nat"]):
        command = [sys.executable, "-c", code, *words]
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=HANG_SECONDS,
            env={**os.environ, "PATH": str(tmp_path)},
        )  # fmt: skip
        assert done.returncode == 3
        assert "install the package dnsmasq-base" in done.stdout + done.stderr
        assert "Errno" not in done.stdout + done.stderr
        if words == ["doctor"]:
            assert "install the package iproute2" in done.stdout


@pytest.mark.parametrize("name", ["/tmp/precious", "../../tmp/precious", "", ".", "..", "a/b"])
def test_down_takes_names_and_never_a_path(name):
    precious = Path("/tmp/precious")
    precious.mkdir()
    try:
        done = netlab("down", name)
        assert done.returncode == 3
        assert "there is no lab" in done.stderr
        assert precious.is_dir()
    finally:
        precious.rmdir()


@pytest.mark.parametrize("text", [None, "", "[]", '{"format": 1}', '{"format": 99}', "\0\xff"])
def test_a_lab_with_a_damaged_record_can_be_ended(text):
    lab.up(lab.prepare(lab.load("hostonly"), "damaged"))
    record = RunDirectory("damaged").path / "lab.json"
    record.unlink() if text is None else record.write_text(text)
    assert "incomplete" in netlab("status").stdout
    assert netlab("verify").returncode == 3
    assert netlab("down", "--all").returncode == 0


def test_damaged_run_files_are_drift_and_no_crash(nat):
    run = RunDirectory("nat")
    run.lease("nat.vm1", "eth0").write_text("foo\n")
    run.ruleset("nat.host").unlink()
    (run.service("nat.vmnet8-dhcp", "dhcp") / "pid").unlink()
    (run.service("nat.vmnet8-dhcp", "dhcp") / "log").unlink()
    done = netlab("status")
    assert done.returncode == 0, done.stderr
    for line in ("lease nat.vm1/eth0", "service nat.vmnet8-dhcp dhcp"):
        assert f"- missing    {line}" in done.stdout
    assert "ruleset nat.host" not in done.stdout, "the rules themselves are as planned"


def test_what_a_reboot_leaves_in_etc_is_swept():
    etc = Path("/etc/netns")
    etc.mkdir()
    (etc / "old.vm1").symlink_to("/run/netlab/old/etc/old.vm1")
    (etc / "hostonly.vm1").symlink_to("/run/netlab/hostonly/etc/hostonly.vm1")
    (etc / "theirs").mkdir()
    try:
        with lab.running(lab.prepare(lab.load("hostonly"))):
            assert (etc / "hostonly.vm1" / "hosts").is_file()
        assert sorted(entry.name for entry in etc.iterdir()) == ["old.vm1", "theirs"]
        assert netlab("down", "--all").returncode == 0
        assert [entry.name for entry in etc.iterdir()] == ["theirs"]
    finally:
        (etc / "theirs").rmdir()
        etc.rmdir()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_signal_ends_run_and_its_lab(number):
    for seconds in (0.5, 0.9, 1.2, 1.5):
        process = subprocess.Popen(
            [*NETLAB, "run", "nat", "bridged"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        time.sleep(seconds * SLOWNESS)  # Any moment will do: each must end alike.
        process.send_signal(number)
        _, complaint = process.communicate(timeout=HANG_SECONDS)
        assert process.returncode in (130, 0, -number), complaint
        assert "Traceback" not in complaint
        assert not leftovers().labs
        assert not leftovers().namespaces


def test_ctrl_c_at_arbitrary_times_leaves_nothing():
    before = leftovers()
    for hundredths in range(2, 80, 6):
        process = subprocess.Popen(
            [*NETLAB, "up", "nat"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            process.wait(SLOWNESS * hundredths / 100)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGINT)
        _, complaint = process.communicate(timeout=HANG_SECONDS)
        if process.returncode == 0:  # It was up before the signal came.
            lab.down("nat")
        elif not any(word in complaint for word in ("runpy", "init_import_site")):
            # Else Python itself was still starting.
            assert process.returncode in (130, -signal.SIGINT), complaint
            if process.returncode == 130:
                assert "Traceback" not in complaint
        assert leftovers() == before, hundredths


def test_an_ignored_hangup_stays_ignored():
    process = subprocess.Popen(
        [*NETLAB, "up", "hostonly"],
        stdout=subprocess.DEVNULL,
        preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN),
    )
    try:
        while process.poll() is None:
            process.send_signal(signal.SIGHUP)
            time.sleep(0.02)  # Many on its way.
        assert process.returncode == 0
    finally:
        lab.down("hostonly")


def test_programs_on_a_node_end_quietly_when_their_reader_leaves(nat):
    done = netlab("exec", "vm1", "--", "sh", "-c", "yes | head -n 1")
    assert (done.stdout, done.stderr) == ("y\n", "")


@pytest.mark.parametrize("stream", [">&-", "2>&-", "<&-", ">/dev/full", "| true"])
@pytest.mark.parametrize("words", ["status --json", "verify", "plan nat", "status nosuch --json"])
def test_odd_streams_give_no_traceback(nat, stream, words, tmp_path):
    errors = tmp_path / "errors"
    command = f"{{ {' '.join(NETLAB)} {words} {stream}; }} 2>{errors}"
    subprocess.run(["bash", "-c", command], stdout=subprocess.DEVNULL, timeout=HANG_SECONDS)
    assert "Traceback" not in errors.read_text()
    assert "a fault in netlab" not in errors.read_text()
    assert "Exception ignored" not in errors.read_text()


def test_an_encoding_without_line_drawing_is_no_fault(nat):
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = subprocess.run(
        [*NETLAB, "status"], env=environment, capture_output=True, text=True, timeout=HANG_SECONDS
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "10.0.0.128" in done.stdout


def test_a_lab_is_no_node_and_the_hint_says_how_it_is_named(nat):
    with lab.running(lab.prepare(lab.load("hostonly"))):
        for words in (
            ["exec", "nat", "vm1", "--", "true"],
            ["shell", "nat"],
            ["show", "arp", "nat"],
        ):
            done = netlab(*words)
            assert done.returncode == 2
            verb = "show arp" if words[0] == "show" else words[0]
            meant = f"did you mean `netlab {verb} --lab nat …`?"
            assert done.stderr == f"netlab: 'nat' is a lab, and no node of one; {meant}\n"
        for words in (["--lab", "nat", "show"], ["show", "--lab", "nat"]):
            found = json.loads(netlab(*words, "addresses", "vm1", "--json").stdout)
            assert found["lab"] == "nat"
        assert netlab("down", "--lab", "hostonly").stdout == "lab hostonly is down\n"
        lab.up(lab.prepare(lab.load("hostonly")))


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("trace vn1 internet", "did you mean 'vm1'?"),
        ("trace vm1 internt", "did you mean 'internet'?"),
        ("trace vm1 host@lna", "did you mean 'host@lan'?"),
        ("trace vm1 internet --by tpc:80", "did you mean 'tcp'?"),
        ("capture vm1:eht0", "did you mean 'eth0'?"),
        ("capture VMnet8", "did you mean 'vmnet8'?"),
        ("exec vn1 -- true", "did you mean 'vm1'?"),
        ("verify --from vn1", "did you mean 'vm1'?"),
        ("show arp vn1", "did you mean 'vm1'?"),
        ("dhcp renew vm1.eht0", "did you mean 'vm1.eth0'?"),
        ("remove vmm1", "did you mean 'vm1'?"),
        ("set vm1.eht0 connected=false", "did you mean 'vm1.eth0'?"),
        (
            "trace vm1 www.exmaple.com",
            "did you mean 'www.example.com'?",
        ),
    ],
)
def test_a_name_that_was_meant_is_named(nat, words, says):
    done = netlab(*words.split())
    assert (done.returncode, done.stdout) == (2, "")
    assert says in done.stderr


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (
            "set vm1 firewall=maybe",
            "vms.vm1.firewall: 'maybe' must be on, off, or a list of icmp, tcp, udp, all and ports"
            " like tcp:80; correct the value",
        ),
        ("set vm1 fierwall=on", "unknown key 'fierwall'; did you mean 'firewall'?"),
        (
            "set vmnet8 mode=nta",
            "vmnets.vmnet8.mode: 'nta' is not possible here; did you mean 'nat'?",
        ),
        (
            "add vm9 vmnet9",
            "nobody defined the network 'vmnet9'; define it under vmnets or segments",
        ),
        ("forward add 8080 vm9:80", "no VM 'vm9' has an address on vmnet8; name a VM"),
    ],
)
def test_what_was_typed_has_no_place_in_a_file(nat, words, says):
    done = netlab(*words.split())
    assert done.returncode == 2
    assert done.stderr.startswith(f"netlab: {says}")
    (problem,) = json.loads(netlab(*words.split(), "--json").stdout)["problems"]
    assert (problem["file"], says.startswith(problem["what"])) == ("", True)


def test_a_warning_about_what_was_typed_has_no_place_either(nat):
    done = netlab("set", "vmnet8", "subnet=192.168.0.0/16", "--dry-run")
    assert done.stderr.startswith("warning: "), done.stderr
    assert "nat.yaml:" not in done.stderr


def test_a_change_tells_the_warnings_that_are_new(nat):
    change = ("set", "vmnet8", "subnet=192.168.0.0/16", "--dry-run")
    what = "vmnet8's 192.168.0.0/16 overlaps with the LAN's 192.168.1.0/24: host sends 192.168.1.0/24 by eth0"
    assert what in netlab(*change).stderr
    warned = [
        warning["what"] for warning in json.loads(netlab(*change, "--json").stdout)["warnings"]
    ]
    assert [text.startswith(what) for text in warned] == [True]
    harmless = netlab("set", "vmnet8", "subnet=10.7.0.0/24", "--dry-run", "--json")
    assert json.loads(harmless.stdout)["warnings"] == []


def test_the_name_of_a_server_is_a_destination(nat):
    traced = json.loads(netlab("trace", "vm1", "www.example.com", "--json").stdout)
    assert traced["verdict"]["verdict"] == "answered"
    assert (traced["probe"]["to"], traced["probe"]["address"]) == ("internet", "203.0.113.80")
    assert netlab("explain", "vm1", "www.example.com").returncode == 0


def test_a_machine_without_such_a_file_in_etc_has_none_in_its_labs(tmp_path):
    """`ip netns exec` complains of each."""
    hide = "mount --bind {0} /etc && mount -t tmpfs t /run && mkdir /run/netns"
    etc = tmp_path / "etc"
    shutil.copytree(
        "/etc", etc, symlinks=True, ignore=shutil.ignore_patterns("machine-id", "netns")
    )
    (etc / "netns").mkdir()
    script = (
        f'{hide.format(etc)}; netlab() {{ {shlex.join(NETLAB)} "$@"; }}; netlab up clones >/dev/null;'
        "ip netns exec clones.web cat /etc/hostname; netlab status; netlab down clones"
    )
    done = subprocess.run(
        ["unshare", "--mount", "--propagation", "private", "bash", "-c", script],
        capture_output=True,
        text=True,
        timeout=HANG_SECONDS,
    )
    assert done.stderr == ""
    assert done.stdout.startswith("web\n")
    assert "no drift: everything is as planned" in done.stdout


def unshared(*words: str) -> str:
    """What a command prints in `netlab unshare` of whose netlab it is: another user's root has no way
    into a home that is closed to others."""
    owner = Path(sys.executable).parent.stat()
    done = subprocess.run(
        [*NETLAB, "unshare", "--", *words],
        user=owner.st_uid,
        group=owner.st_gid,
        extra_groups=[],
        capture_output=True,
        text=True,
        timeout=HANG_SECONDS,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_nothing_is_proposed_for_a_lab_that_ends_with_its_command():
    assert "Try next" not in unshared(*NETLAB, "up", "hostonly")
    script = " ".join([*NETLAB, "up", "hostonly"])
    assert "Try next" in unshared("sh", "-c", f"{script}; true")


def test_a_shell_says_where_one_is_only_if_one_gets_there(nat):
    near, far = pty.openpty()
    script = (
        "import ctypes, os, sys; os.seteuid(65534); ctypes.CDLL(None).setfsuid(0);"
        "sys.argv = ['netlab', 'shell', 'vm1']; from netlab.__main__ import main; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        stdin=far,
        capture_output=True,
        text=True,
        timeout=HANG_SECONDS,
    )
    os.close(near)
    os.close(far)
    assert done.returncode == 3
    assert "need root" in done.stderr
    assert "You are on" not in done.stderr


def test_a_wheel_has_scenarios_and_programs(tmp_path):
    root = Path(__file__).parents[2]
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(build, cwd=root, check=True, capture_output=True, timeout=HANG_SECONDS)
    (wheel,) = tmp_path.glob("vmnetlab-*.whl")
    installed = tmp_path / "site"
    subprocess.run(["busybox", "unzip", "-q", str(wheel), "-d", str(installed)], check=True)
    environment = {"PYTHONPATH": str(installed), "PATH": os.environ["PATH"]}
    code = "import netlab, sys; print(netlab.__file__); from netlab.__main__ import main; main()"
    done = subprocess.run(
        [sys.executable, "-P", "-c", code, "scenarios"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=HANG_SECONDS,
    )
    assert done.stdout.startswith(f"{installed}/netlab/__init__.py"), done.stderr
    assert "three-modes" in done.stdout
    assert (installed / "netlab" / "programs" / "dhcp-client.sh").is_file()
    assert (installed / "netlab" / "programs" / "page" / "page.js").is_file()
