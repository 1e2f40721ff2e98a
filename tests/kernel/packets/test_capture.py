"""Captures on real packets: what tshark finds in the files, and what interfaces may do meanwhile."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path

import pytest

from netlab import lab
from netlab.errors import UsageError
from netlab.kernel.namespaces import netns
from netlab.packets import icmp_socket, tap
from netlab.packets.tap import Sighting
from netlab.plan.names import node
from tests.machine import NETLAB, inside, netlab
from tests.pace import HANG_SECONDS

INTERNET = "203.0.113.80"


@pytest.fixture(scope="module", autouse=True)
def running() -> Iterator[lab.Lab]:
    with lab.running(lab.prepare(lab.load("nat"), "capture")) as up:
        yield up


def ping(vm: str = "vm1", count: int = 1, to: str = INTERNET, *options: str) -> None:
    done = inside(f"capture.{vm}", "ping", "-q", "-c", str(count), "-i", "0.002", *options, to)
    assert done.returncode == 0, done.stdout


def shell(vm: str, command: str) -> None:
    done = inside(f"capture.{vm}", "sh", "-ec", command)
    assert done.returncode == 0, done.stderr


@contextmanager
def capturing(*words: str) -> Iterator[subprocess.Popen]:
    """The command, from the moment when it listens; it is ended with Ctrl-C."""
    command = [*NETLAB, "capture", *(() if "--lab" in words else ("--lab", "capture")), *words]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, errors="replace"
    )
    said = process.stderr.readline()
    assert said.startswith("capturing at"), said + process.stderr.read()
    try:
        yield process
    finally:
        process.send_signal(signal.SIGINT)
        process.output, process.complaint = process.communicate(timeout=HANG_SECONDS)
    assert process.returncode == 0, process.complaint


def sockets(process: subprocess.Popen) -> set[str]:
    """Return the sockets that a process has open."""
    links = set()
    for file in Path(f"/proc/{process.pid}/fd").iterdir():
        with suppress(FileNotFoundError):  # It may be closed just now.
            links.add(file.readlink().name)
    return {link for link in links if link.startswith("socket:")}


def tshark(
    file: Path, *fields: str, only: str = "icmp", whole: bool = True
) -> list[tuple[str, ...]]:
    command = ["tshark", "-r", str(file), "-Y", only, "-T", "fields"]
    command += [word for field in fields for word in ("-e", field)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=HANG_SECONDS)
    assert done.returncode == 0 or not whole, done.stderr
    return [tuple(line.split("\t")) for line in done.stdout.splitlines()]


def seen(running: lab.Lab, *points: str, expression: str = "icmp", do=ping) -> list[Sighting]:
    with lab.capture(running, points, expression) as stream:
        do()
        return [sighting for portion in stream.portions(0.1) for sighting in portion]


def labels(sightings: list[Sighting]) -> list[str]:
    return [
        f"{node(one.namespace)}.{one.interface}{'>' if one.outgoing else '<'}" for one in sightings
    ]


def test_a_file_has_every_point_in_order_with_its_names(tmp_path):
    file = tmp_path / "all.pcapng"
    with capturing("--all", "-w", str(file)) as process:
        ping()
    way = ["vm1.eth0", "vmnet8.vm1-eth0", "vmnet8.vmnet8-nat-eth0", "vmnet8-nat.eth0"]
    way += ["vmnet8-nat.uplink", "host.vmnet8-nat", "host.eth0", "lan.host-eth0"]
    way += ["lan.router-lan0", "router.lan0", "router.wan0", "internet.eth0"]
    fields = ("frame.interface_name", "icmp.type", "frame.packet_flags_direction")
    packets = tshark(file, *fields)
    assert [name for name, kind, _ in packets if kind == "8"] == way
    assert [name for name, kind, _ in packets if kind == "0"] == way[::-1]
    assert {(name, flags[-1]) for name, kind, flags in packets if kind == "8"} >= {
        ("vm1.eth0", "2"),
        ("internet.eth0", "1"),
    }
    assert "lost" not in process.complaint


def test_stdout_feeds_tshark_while_it_goes_on():
    with capturing("vm1", "-f", "icmp", "-w", "-") as process:
        command = ["tshark", "-l", "-c", "2", "-r", "-", "-T", "fields", "-e", "icmp.type"]
        reader = subprocess.Popen(
            command, stdin=process.stdout, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        ping()
        output, _ = reader.communicate(timeout=HANG_SECONDS)
    assert output.split() == [b"8", b"0"]


def test_a_point_is_a_node_an_adapter_or_a_network(running):
    assert labels(seen(running, "vm1")) == ["vm1.eth0>", "vm1.eth0<"]
    assert labels(seen(running, "host:eth0")) == ["host.eth0>", "host.eth0<"]
    assert labels(seen(running, "wan"))[:2] == ["router.wan0>", "internet.eth0<"]
    assert labels(seen(running, "vm1:eth0", "vm1")) == ["vm1.eth0>", "vm1.eth0<"]
    assert labels(seen(running, "vmnet8"))[:2] == ["vmnet8.vm1-eth0<", "vmnet8.vmnet8-nat-eth0>"]


def test_a_switch_is_its_ports(running):
    """It has a copy of what is for everybody, which nobody has sent it."""
    found = seen(
        running, "vmnet8", expression="ether broadcast", do=lambda: send("vm1", "eth0", "88b5")
    )
    ports = ["vm1-eth0<", "vm2-eth0>", "host-vmnet8>", "vmnet8-nat-eth0>", "vmne-3ad2523e6c>"]
    assert sorted(labels(found)) == sorted(f"vmnet8.{port}" for port in ports)


def test_what_came_before_the_filter_is_thrown_away(running, monkeypatch):
    def attach(one: socket.socket, program: bytes) -> None:
        ping()
        icmp_socket.attach(one, program)

    monkeypatch.setattr(tap, "attach", attach)
    assert not seen(running, "vm1", expression="tcp", do=lambda: None)


@pytest.mark.parametrize("point", ["vm9", "vm1:eth7", "wan:eth0", ""])
def test_a_point_that_is_none_is_said(running, point):
    with pytest.raises(UsageError), lab.capture(running, [point]):
        pass


def test_only_what_the_filter_lets_through(running):
    def both() -> None:
        ping("vm1")
        ping("vm2")

    found = seen(running, "vmnet8", expression="icmp[0] == 8 and src host 10.0.0.129", do=both)
    assert labels(found) == ["vmnet8.vm2-eth0<", "vmnet8.vmnet8-nat-eth0>"]


def test_a_bad_filter_is_answered_with_libpcaps_words():
    done = netlab("capture", "vm1", "-f", "port abc")
    assert done.returncode == 2
    assert "'port abc' is no filter: unknown port 'abc'" in done.stderr


def test_snaplen_keeps_the_length(tmp_path):
    file = tmp_path / "short.pcapng"
    with capturing("vm1", "-w", str(file), "--snaplen", "40", "-f", "icmp"):
        ping()
    lengths = tshark(file, "frame.cap_len", "frame.len", only="frame")
    assert lengths == [("40", "98"), ("40", "98")]


def test_count_and_seconds_end_it(tmp_path):
    file = tmp_path / "five.pcapng"
    with capturing("vm1", "-w", str(file), "-f", "icmp", "-c", "5") as process:
        ping(count=4)
        process.wait(timeout=HANG_SECONDS)
    assert len(tshark(file, "frame.number")) == 5
    assert process.complaint == "5 packets captured\n"
    assert netlab("capture", "vm1", "--seconds", "0.1").returncode == 0


def test_a_full_file_ends_it_and_a_ring_goes_on(tmp_path):
    (tmp_path / "ring").mkdir()
    one, ring = tmp_path / "one.pcapng", tmp_path / "ring" / "r.pcapng"
    with capturing("vm1", "-w", str(one), "--bytes", "2k") as process:
        ping(count=20)
        process.wait(timeout=HANG_SECONDS)
    assert 2048 <= one.stat().st_size < 2048 + 400
    with capturing("vm1", "-w", str(ring), "--bytes", "2k", "--files", "2", "-f", "icmp"):
        ping(count=40)
    files = sorted(ring.parent.iterdir())
    assert len(files) == 2
    assert files[0].name.startswith("r_0000")
    numbers = [int(n) for file in files for (n,) in tshark(file, "icmp.seq") if file]
    assert numbers[-1] == 40
    assert sorted(numbers) == numbers
    assert set(numbers[1:]) == set(range(numbers[1], 41))


@pytest.fixture
def small_disk(tmp_path) -> Iterator[Path]:
    """A file system of 64 kB."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "small", tmp_path], check=True)
    yield tmp_path
    subprocess.run(["umount", tmp_path], check=True)


@pytest.mark.parametrize("ring", [(), ("--bytes", "48k", "--files", "3")])
def test_a_full_disk_ends_it_with_whole_packets(small_disk, ring):
    words = ("vm1", "--lab", "capture", "-w", str(small_disk / "x.pcapng"), *ring)
    command = [*NETLAB, "capture", *words]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert process.stderr.readline().startswith("capturing at")
    while process.poll() is None:
        ping("vm1", 20, INTERNET, "-s", "1000")
    file = sorted(small_disk.iterdir())[-1]
    count = len(tshark(file, "frame.number", only="frame"))
    reason = f"cannot write '{file}': No space left on device; it ends after {count} packets"
    assert (process.returncode, process.stderr.read()) == (3, f"netlab: {reason}\n")
    process.stderr.close()
    assert count > (0 if ring else 50)
    read = subprocess.run(["tshark", "-r", file], capture_output=True, text=True)
    assert "cut short" not in read.stderr


@pytest.mark.parametrize(("file", "code"), [("/nope/x", 2), ("/", 2), ("/dev/full", 3)])
def test_a_file_that_cannot_be_written_is_named(file, code):
    """Before anything is captured, if that can be seen."""
    command = ["ip", "netns", "exec", "capture.vm1", "ping", "-q", "-i", "0.01", INTERNET]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as sending:
        done = netlab("capture", "vm1", "--lab", "capture", "-w", file, "-c", "2")
        sending.kill()
    assert done.returncode == code
    assert f"netlab: cannot write '{file}': " in done.stderr


def test_a_full_disk_behind_stdout_is_said():
    with Path("/dev/full").open("wb") as full:
        command = [*NETLAB, "capture", "vm1", "--lab", "capture", "-w", "-", "--seconds", "0.1"]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 3
    said = "netlab: cannot write to stdout: No space left on device"
    assert done.stderr.splitlines()[-1] == said


def send(vm: str, interface: str, protocol: str) -> None:
    """A frame from an adapter."""
    with netns.inside(f"capture.{vm}"):
        one = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    with closing(one):
        one.bind((interface, 0))
        one.send(bytes.fromhex(f"ffffffffffff 020000000001 {protocol}") + bytes(46))


def test_an_adapter_may_go_down_and_up_and_be_made_anew(running):
    def down_and_up() -> None:
        ping()
        shell(
            "vm1", "ip link set eth0 down; ip link set eth0 up; ip route add default via 10.0.0.2"
        )
        ping()

    assert labels(seen(running, "vm1", do=down_and_up)) == ["vm1.eth0>", "vm1.eth0<"] * 2


def test_an_adapter_has_the_name_that_it_had(running):
    """Also if it is gone when its packets are read."""
    with lab.capture(running, ["vm2"], "ether proto 0x88b5") as stream:
        portions = stream.portions(60)
        found = []

        def sent(interface: str, undo: str = "true") -> None:
            send("vm2", interface, "88b5")
            shell("vm2", undo)
            before = len(found)
            while len(found) == before:
                found.extend(next(portions))

        shell("vm2", f"{PAIR}; ip link set one up; ip link set two up")
        sent("one")
        shell("vm2", "ip link set one down; ip link set one name other; ip link set other up")
        sent("other")
        sent("other", "ip link del other")
        shell("vm2", f"{PAIR}; ip link set one up; ip link set two up")
        sent("one")
        shell("vm2", "ip link del one")
    names = [one.interface for one in found if one.outgoing]
    assert names == ["one", "other", "other", "one"]


PAIR = "ip link add one type veth peer name two"


def test_a_vlan_tag_is_where_it_was_in_the_frame(running):
    """The kernel takes it out of a frame that comes in."""
    sent = lambda: send("vm1", "eth0", "8100 0007 88b5")  # noqa: E731
    came = seen(running, "vmnet8:vm1-eth0", expression="", do=sent)
    (frame,) = [one for one in came if one.data[6:12] == bytes.fromhex("020000000001")]
    assert frame.data[12:18] == bytes.fromhex("8100 0007 88b5")
    assert frame.length == len(frame.data) == 64


def test_what_was_lost_is_said_and_is_in_the_file(tmp_path, monkeypatch):
    """The buffer is made too small in the command, which is a fork of this process."""
    monkeypatch.setattr(icmp_socket, "_BUFFER_BYTES", 1)
    file = tmp_path / "lost.pcapng"
    flood = subprocess.Popen(
        ["ip", "netns", "exec", "capture.vm1", "ping", "-q", "-f", INTERNET], stdout=subprocess.DEVNULL
    )  # fmt: skip
    try:
        done = netlab("capture", "vm1", "--lab", "capture", "-w", str(file), "--seconds", "0.5")
    finally:
        flood.send_signal(signal.SIGINT)
        flood.wait()
    assert done.returncode == 0
    assert "packets were lost" in done.stderr
    said = int(done.stderr.split("netlab: ")[1].split()[0])
    field = "pcapng.options.option.data.interface.dropped"
    command = ["tshark", "-r", str(file), "-X", "read_format:MIME Files Format", "-T", "fields"]
    read = subprocess.run([*command, "-e", field], capture_output=True, text=True)
    assert int(read.stdout) == said > 0


def test_what_comes_while_it_goes_on_is_captured_where_it_belongs_to_the_points(tmp_path):
    """Everywhere: the new machine too. At a network: its new port. At another machine: no."""
    growing = lab.prepare(lab.load("hostonly"), "growing")
    files = {point: tmp_path / f"{point}.pcapng" for point in ("--all", "vmnet1", "vm1")}
    with lab.running(growing), ExitStack() as stack:
        for point, file in files.items():
            words = (point, "-w", str(file), "-f", "icmp", "--lab", "growing")
            stack.enter_context(capturing(*words))
        more = lab.apply(growing, lab.add_vm(growing, "vm9", ["vmnet1"]))
        host = "172.16.78.1"
        until = time.monotonic() + HANG_SECONDS
        while ("vm9.eth0",) not in tshark(files["--all"], "frame.interface_name", whole=False):
            assert time.monotonic() < until
            assert inside("growing.vm9", "ping", "-c1", host).returncode == 0
        again = tmp_path / "again.pcapng"
        process = stack.enter_context(
            capturing("vm9", "-w", str(again), "-f", "icmp", "--lab", "growing")
        )
        listening = sockets(process)
        less = lab.apply(more, lab.remove_vm(more, "vm9"))
        inside("growing.vm1", "ping", "-c1", "-s", "77", host)
        while listening <= sockets(process):  # Until it has looked, and closes its tap.
            assert time.monotonic() < until
        lab.apply(less, lab.add_vm(less, "vm9", ["vmnet1"]))
        while not tshark(again, "frame.number", whole=False):
            assert time.monotonic() < until
            assert inside("growing.vm9", "ping", "-c1", host).returncode == 0
    found = {
        point: {name for (name,) in tshark(file, "frame.interface_name")}
        for point, file in files.items()
    }
    assert {"vm9.eth0", "vmnet1.vm9-eth0", "host.vmnet1", "vm1.eth0"} <= found["--all"]
    assert found["vmnet1"] == {name for name in found["--all"] if name.startswith("vmnet1.")}
    assert found["vm1"] == {"vm1.eth0"}
    last = tshark(files["--all"], "frame.interface_name", only="icmp and frame.len == 119")
    assert ("vm1.eth0",) in last


def test_it_ends_with_the_lab():
    other = lab.prepare(lab.load("hostonly"), "ending")
    with lab.running(other):
        command = [*NETLAB, "capture", "--lab", "ending", "--all"]
        process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        assert process.stderr.readline().startswith("capturing at")
    _, complaint = process.communicate(timeout=HANG_SECONDS)
    assert process.returncode == 0
    assert "netlab: the lab has ended" in complaint.splitlines()


def test_sightings_of_several_taps_come_in_the_order_of_time(running):
    """Also while they are read, and none is lost or doubled."""
    with lab.capture(running, expression="icmp") as stream:
        flood = subprocess.Popen(
            ["ip", "netns", "exec", "capture.vm1", "ping", "-q", "-f", "-c", "2000", INTERNET],
            stdout=subprocess.DEVNULL,
        )
        found: list[Sighting] = []
        for portion in stream.portions():
            found += portion
            if not portion and flood.poll() is not None:
                break
        assert sum(stream.lost().values()) == 0
    assert len(found) == 2000 * 24
    assert [one.at for one in found] == sorted(one.at for one in found)


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("vm1", "--all"),
        ("vm1", "--files", "3", "-w", "x"),
        ("vm1", "--bytes", "1k"),
        ("vm1", "--bytes", "many", "-w", "x"),
        ("vm1", "--bytes", "2047", "-w", "x"),
        ("vm1", "--files", "3", "--bytes", "5", "-w", "x"),
        ("vm1", "--files", "3", "--bytes", "2k", "-w", "-"),
        ("vm1", "--json", "-w", "x"),
        ("vm1", "-c", "0"),
        ("vm1", "--seconds", "0"),
    ],
)
def test_what_makes_no_sense_is_said(words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = netlab("capture", *words)
    assert done.returncode == 2, done.stderr
    assert not list(tmp_path.iterdir())


def test_without_a_file_there_is_a_line_for_each_packet():
    with capturing("vm1", "internet", "-f", "icmp") as process:
        ping()
    lines = process.output.splitlines()
    assert [line.split()[1:3] for line in lines] == [
        ["vm1.eth0", "out"],
        ["internet.eth0", "in"],
        ["internet.eth0", "out"],
        ["vm1.eth0", "in"],
    ]
    assert "203.0.113.1 > 203.0.113.80  ICMP echo request" in lines[1]
    with capturing("vm1", "-f", "icmp", "--json") as process:
        ping()
    packets = [json.loads(line) for line in process.output.splitlines()]
    assert [(one["direction"], one["fields"]["icmp.type"]) for one in packets] == [
        ("out", "8"),
        ("in", "0"),
    ]
    assert packets[0]["length"] == 98


def test_a_line_comes_at_once_and_a_reader_may_leave():
    with capturing("vm1", "-f", "icmp") as process:
        ping()
        assert "echo request" in process.stdout.readline()
        process.stdout.close()
        while process.poll() is None:
            ping()
        process.stdout = None
    assert "Traceback" not in process.complaint
