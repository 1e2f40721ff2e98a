"""What the kernel says about its drops agrees with what was done to the packets."""

from __future__ import annotations

import os
import secrets
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path

import pytest

from netlab import lab
from netlab.kernel.host import tracepoints
from netlab.kernel.host.drop_records import Departure, KernelDrop
from netlab.kernel.host.tracepoints import Recording, recording
from netlab.kernel.namespaces import netns
from netlab.kernel.nftables import nft
from netlab.packets.tap import Sighting, Tap
from tests.kernel import faults
from tests.machine import inside
from tests.pace import HANG_SECONDS

pytestmark = pytest.mark.on_each_kernel


@pytest.fixture(scope="module", autouse=True)
def running() -> Iterator[lab.Lab]:
    with lab.running(lab.prepare(lab.load("nat"), "audit")) as up:
        yield up


@contextmanager
def changed(node: str, do: str, undo: str) -> Iterator[None]:
    """A fault for the length of a block."""
    with faults.changed(f"audit.{node}", do, undo):
        yield


@contextmanager
def rules(node: str, hook: str, rule: str) -> Iterator[None]:
    text = f"table ip extra {{ chain c {{ type filter hook {hook} priority 0;\n {rule}\n }}\n }}"
    nft.create(f"audit.{node}", text)
    try:
        yield
    finally:
        nft.delete_table(f"audit.{node}", "ip", "extra")


class Probe:
    """One `ping`, seen on every interface of the lab."""

    def __init__(self, running: lab.Lab, source: str, *words: str) -> None:
        token = secrets.token_bytes(4)
        with ExitStack() as stack:
            spaces = running.plan.namespaces
            taps = [stack.enter_context(closing(Tap(space))) for space in spaces]
            ping = ("ping", "-c1", "-W0.3", "-p", token.hex(), *words)
            self.answered = inside(f"audit.{source}", *ping).returncode == 0
            self.seen = [
                one for tap in taps for one in tap.sightings() if token in one.data
            ]  # fmt: skip
        self.seen.sort(key=lambda one: one.at)

    @property
    def departures(self) -> list[Departure]:
        return [
            Departure(one.at, one.interface, len(one.data)) for one in self.seen if one.outgoing
        ]

    @property
    def last(self) -> Sighting:
        return self.seen[-1]


def send(recorded: Recording, to: str) -> list[Departure]:
    """Send a datagram to nobody from vm1, by this thread; return where it was seen leaving."""
    spaces = [f"audit.{name}" for name in ("vm1", "vmnet8")]
    with ExitStack() as stack:
        taps = [stack.enter_context(closing(Tap(space))) for space in spaces]
        with netns.inside("audit.vm1"):
            sock = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        with recorded.sending("vm1"), suppress(PermissionError):  # Its own firewall says so.
            sock.sendto(b"anybody?", (to, 7777))
        return [
            Departure(one.at, one.interface, len(one.data), one.namespace)
            for tap in taps
            for one in tap.sightings()
            if one.outgoing and b"anybody?" in one.data
        ]


def only(found: list[KernelDrop]) -> tuple[str, str, str]:
    """Reason, function and last interface of the one drop that was on an interface."""
    (drop,) = [one for one in found if one.interfaces]
    return drop.reason, drop.function, drop.interfaces[-1]


def test_a_firewall(running):
    inside("audit.vm1", "ping", "-c1", "10.0.0.129")  # Later, no ARP.
    with rules("vm2", "input", "ip protocol icmp drop"), recording() as recorded:
        probe = Probe(running, "vm1", "10.0.0.129")
    (drop,) = [one for one in recorded.drops(probe.departures) if one.interfaces]
    assert (drop.reason, drop.interfaces) == (
        "NETFILTER_DROP",
        ("eth0", "vm1-eth0", "vm2-eth0", "eth0"),
    )
    assert drop.function in ("nft_do_chain", "nf_hook_slow", "")
    assert probe.last.namespace == "audit.vm2"
    assert 0 < drop.at - probe.last.at < 10_000_000


def test_the_senders_own_firewall_drops_what_was_on_no_interface(running):
    with rules("vm1", "output", "ip daddr 10.0.0.129 drop"), recording() as recorded:
        send(recorded, "10.0.0.129")
    assert [(one.reason, one.interfaces) for one in recorded.drops([], "vm1")] == [
        ("NETFILTER_DROP", ())
    ]


def test_what_others_send_meanwhile_is_not_the_senders(running):
    with rules("vm1", "output", "ip daddr 10.0.0.129 drop"), recording() as recorded:
        Probe(running, "vm1", "10.0.0.129")
    assert recorded.drops([], "vm1") == []


def test_a_reply_that_its_machines_own_firewall_drops_was_made_of_the_probe(running):
    inside("audit.vm1", "ping", "-c1", "10.0.0.129")  # Later, no ARP.
    with rules("vm2", "output", "icmp type destination-unreachable drop"), recording() as recorded:
        departures = send(recorded, "10.0.0.129")
    (drop,) = [one for one in recorded.drops(departures, "vm1") if one.made]
    assert (drop.reason, drop.arrived) == ("NETFILTER_DROP", True)
    assert drop.departure.interface == "vm2-eth0"


def test_not_forwarding(running):
    off = "sysctl -qw net.ipv4.conf.vmnet8.forwarding=0"
    with (
        changed("host", off, ":"),
        changed("vm1", "ip route replace default via 10.0.0.1", "ip route replace default via 10.0.0.2"),
        recording() as recorded,
    ):  # fmt: skip
        probe = Probe(running, "vm1", "203.0.113.80")
    reason, function, interface = only(recorded.drops(probe.departures))
    assert (reason, interface) in (
        ("IP_INADDRERRORS", "vmnet8"),
        ("NOT_SPECIFIED", "vmnet8"),  # before Linux 6.13
    )
    assert function in ("ip_error", "")


def test_time_to_live(running):
    with recording() as recorded:
        probe = Probe(running, "vm1", "-t1", "203.0.113.80")
    # The ICMP error comes home, too, and is freed as delivered.
    found = recorded.drops(probe.departures)
    reason, function, _ = only([one for one in found if one.at < probe.last.at])
    assert reason in ("IP_INHDR", "NOT_SPECIFIED")
    assert function in ("ip_forward", "")


def test_an_isolated_port(running):
    on, off = (
        "; ".join(f"bridge link set dev {port} isolated {way}" for port in ("vm1-eth0", "vm2-eth0"))
        for way in ("on", "off")
    )
    with changed("vmnet8", on, off), recording() as recorded:
        probe = Probe(running, "vm1", "10.0.0.129")
    reason, function, interface = only(recorded.drops(probe.departures))
    assert reason == "NOT_SPECIFIED"
    assert function in ("br_handle_frame_finish", "br_forward", "")
    assert interface == "vm1-eth0"


def test_what_was_answered_was_not_dropped(running):
    inside("audit.vm1", "ping", "-c1", "203.0.113.80")
    with recording() as recorded, closing(Tap("audit.vm1")):  # Nobody reads this one.
        probe = Probe(running, "vm1", "203.0.113.80")
    assert probe.answered
    assert probe.last.namespace == "audit.vm1"
    assert len(probe.departures) == 12
    found = recorded.drops(probe.departures)
    assert not [one for one in found if one.at < probe.last.at]
    assert "QUEUE_PURGE" not in {one.reason for one in found}


def test_another_packets_drop_is_not_the_probes(running):
    with rules("vm1", "input", "ip saddr 10.0.0.129 drop"), recording() as recorded:
        good = Probe(running, "vm1", "203.0.113.80")
        bad = Probe(running, "vm2", "10.0.0.128")
    assert good.answered and not bad.answered
    found = recorded.drops(good.departures)
    assert not [one for one in found if one.at < good.last.at]
    assert only(recorded.drops(bad.departures))[0] == "NETFILTER_DROP"


@pytest.fixture
def instances() -> Iterator[Path]:
    tracefs = tracepoints._tracefs()
    yield Path(f"/proc/self/fd/{tracefs}/instances")
    os.close(tracefs)


def own(instances: Path) -> set[str]:
    """All netlabs' buffers: tracefs is the whole machine's, so others may have some now."""
    return {one.name for one in instances.glob("netlab-*")}


def test_nothing_is_recorded_any_more_when_it_is_read(running, monkeypatch):
    """A machine that drops more than can be read would keep the reader for ever."""
    read = Recording.read

    def read_while_more_is_dropped(recorded: Recording, pipe: int, full: object) -> None:
        inside("audit.vm1", "ping", "-c1", "-W0.3", "-s", "777", "10.0.0.129")
        read(recorded, pipe, full)

    monkeypatch.setattr(Recording, "read", read_while_more_is_dropped)
    with rules("vm2", "input", "ip protocol icmp drop"), recording() as recorded:
        pass
    assert not any("len=819" in line for line in recorded._lines)


def test_the_machines_own_tracing_is_not_touched(instances):
    settings = ("current_tracer", "trace_clock", "set_event", "tracing_on", "buffer_size_kb")
    before = {name: (instances.parent / name).read_text() for name in settings}
    others = own(instances)
    with recording():
        (mine,) = own(instances) - others
        assert {name: (instances.parent / name).read_text() for name in settings} == before
    assert mine not in own(instances)


def test_nothing_stays_after_an_error(instances):
    others = own(instances)
    with pytest.raises(KeyboardInterrupt), recording():
        (mine,) = own(instances) - others
        raise KeyboardInterrupt
    assert mine not in own(instances)


def test_what_a_killed_one_left_is_removed_and_one_in_use_is_not(instances):
    others = own(instances)
    ready, write = os.pipe()
    child = os.fork()
    if child == 0:
        with recording():
            os.write(write, b"!")
            time.sleep(HANG_SECONDS)  # Until it is killed.
        os._exit(99)
    os.read(ready, 1)
    (left,) = own(instances) - others
    with recording():
        assert left in own(instances)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    assert left in own(instances)
    with recording():
        assert left not in own(instances)


def test_of_a_flood_the_first_records_count(running, instances):
    others = own(instances)
    inside("audit.vm1", "ping", "-c1", "10.0.0.129")  # Later, no ARP.
    with rules("vm2", "input", "udp dport 7777 drop"), recording() as recorded:
        (mine,) = own(instances) - others
        (instances / mine / "buffer_size_kb").write_text("8")
        departures = send(recorded, "10.0.0.129")
        inside("audit.vm1", "ping", "-q", "-c100", "-i0.002", "203.0.113.80")
    assert recorded._full
    assert [one.reason for one in recorded.drops(departures, "vm1")] == ["NETFILTER_DROP"]
