"""The kernel's own reasons for drops, from its tracepoints: a second witness.

skb:kfree_skb names a reason and a function, but neither a packet nor a namespace. It shares with
net:net_dev_queue and net:netif_receive_skb the address of the packet in memory; so a drop
belongs to a probe if the same address has left an interface when the probe was seen leaving it.
Times are microseconds exact. No verdict depends on it: an address is used again for another packet,
and a busy machine overwrites its records.
"""

from __future__ import annotations

import fcntl
import os
import re
import secrets
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from netlab.errors import Missing
from netlab.frozen import frozen
from netlab.kernel import syscalls

_MOUNTED = Path("/sys/kernel/tracing")
_DROP, _LEAVES, _ARRIVES = "skb/kfree_skb", "net/net_dev_queue", "net/netif_receive_skb"
_ONLY_IP = "protocol == 0x800 || protocol == 0x86dd"
_PREFIX = "netlab-"
_SAME_MOMENT_NS = 1_000_000
"""Time between the two witnesses: some microseconds, or more where a processor is taken away."""
_CLEANED_UP = "QUEUE_PURGE"
"""Reason of packets that a closed socket had not read: they had been delivered."""
_RECORD = re.compile(r"\s(?P<at>\d+\.\d+): (?P<event>\w+): (?P<fields>.*)")


@frozen
class KernelDrop:
    """A packet that the kernel freed as dropped."""

    at: int
    """Nanoseconds, by the clock that packets are stamped with."""
    reason: str
    """SKB_DROP_REASON_… without its beginning; empty before Linux 5.17."""
    location: str
    """The kernel's function; empty on older kernels, which have only an address."""
    interfaces: tuple[str, ...]
    """Interfaces by which the packet left and arrived, in order. Empty: it may be somebody else's packet."""


@frozen
class Departure:
    """A frame of the probe, seen leaving an interface."""

    at: int
    interface: str
    size: int
    """Bytes, from the Ethernet header on."""


@contextmanager
def audit() -> Iterator[Audit]:
    """Record the kernel's drops for the length of a block, to be read after it.

    Raises Missing, with a remedy, where tracepoints cannot be used.
    """
    tracefs = _tracefs()
    try:
        with _instance(Path(f"/proc/self/fd/{tracefs}/instances")) as recording:
            yield recording
    finally:
        os.close(tracefs)


def _unusable(problem: str, error: OSError) -> Missing:
    return Missing(f"{problem}: {error.strerror}", "leave out --audit: no verdict needs it")


class Audit:
    """The records of `audit`, complete from the end of its block on."""

    def __init__(self) -> None:
        # The buffer's clock is CLOCK_MONOTONIC, packets are stamped by CLOCK_REALTIME.
        self._offset = time.time_ns() - time.monotonic_ns()
        self._lines: list[str] = []

    def drops(self, departures: Iterable[Departure], until: int | None = None) -> list[KernelDrop]:
        """Return the drops of packets that departed so, and of packets that were seen on no interface.

        `until` is the time of the reply's arrival, in nanoseconds: packets freed later had been delivered.
        """
        sightings = list(departures)
        packets: dict[str, _Packet] = {}
        drops = []
        for at, event, fields in self._records():
            if event != "kfree_skb":
                packet = packets.setdefault(fields["skbaddr"], _Packet())
                packet.passes(at, event, fields, sightings)
                continue
            packet = packets.pop(fields["skbaddr"], _Packet(ours=True))
            reason = fields.get("reason", "")
            if packet.ours and reason != _CLEANED_UP and (until is None or at < until):
                drops.append(KernelDrop(at, reason, _function(fields), tuple(packet.interfaces)))
        return drops

    def lost(self) -> bool:
        """Return whether records were overwritten before they were read: a drop may be missing."""
        return any(line.startswith("CPU:") and "[LOST " in line for line in self._lines)

    def read(self, pipe: int) -> None:
        """Read the whole buffer."""
        pieces = []
        with suppress(BlockingIOError):
            while piece := os.read(pipe, 1 << 16):
                pieces.append(piece)
        self._lines = b"".join(pieces).decode(errors="replace").splitlines()

    def _records(self) -> Iterator[tuple[int, str, dict[str, str]]]:
        """Yield time, event and fields: `…  23070.617833: kfree_skb: skbaddr=… reason: NETFILTER_DROP`."""
        for line in self._lines:
            if record := _RECORD.search(line):
                text = record["fields"].replace("reason: ", "reason=")
                fields = dict(word.split("=", 1) for word in text.split() if "=" in word)
                seconds, _, fraction = record["at"].partition(".")
                at = int(seconds) * 1_000_000_000 + int(fraction.ljust(9, "0"))
                yield at + self._offset, record["event"], fields


@dataclass
class _Packet:
    """A packet's address in memory, from one departure of the probe to the next."""

    ours: bool = False
    interfaces: list[str] = field(default_factory=list)

    def passes(
        self, at: int, event: str, fields: dict[str, str], departures: list[Departure]
    ) -> None:
        if event == "net_dev_queue":
            leaves = (fields["dev"], int(fields["len"]))
            ours = any(
                (departure.interface, departure.size) == leaves
                and abs(departure.at - at) < _SAME_MOMENT_NS
                for departure in departures
            )
            if not (self.ours and ours):
                self.interfaces = []
            self.ours = ours
        self.interfaces.append(fields["dev"])


def _function(fields: dict[str, str]) -> str:
    """Return the function of a location: `nft_do_chain` of `nft_do_chain+0x5ad/0x610`."""
    name, plus, _ = fields.get("location", "").partition("+")
    return name if plus else ""


def _tracefs() -> int:
    """Open the machine's tracefs: where it is mounted, or by a mount that only this process sees.

    Mounting it anew where it is mounted could change its owner and mode.
    """
    try:
        if (_MOUNTED / "instances").is_dir():
            return os.open(_MOUNTED, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        return syscalls.detached_mount("tracefs")
    except OSError as error:
        raise _unusable("the kernel's tracepoints cannot be reached", error) from error


@contextmanager
def _instance(instances: Path) -> Iterator[Audit]:
    """Record in an instance of tracing with its own buffer and events, apart from anybody else's tracing."""
    instance = instances / f"{_PREFIX}{secrets.token_hex(4)}"
    pipe = _make(instance)
    try:
        _write(instance / "trace_clock", "mono")
        _write(instance / "events" / _DROP / "filter", _ONLY_IP)
        for event in (_DROP, _LEAVES, _ARRIVES):
            _write(instance / "events" / event / "enable", "1")
        recording = Audit()
        yield recording
        # While it records, a flood on the machine would keep the reader for ever.
        _write(instance / "tracing_on", "0")
        recording.read(pipe)
    finally:
        os.close(pipe)
        with suppress(OSError):  # Somebody looks into it just now: the next audit removes it.
            instance.rmdir()


def _make(instance: Path) -> int:
    """Make an instance; return the pipe that reads it: while it is open, nobody can remove the instance."""
    try:
        lock = os.open(instance.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)  # Or another audit's sweep might come in between.
            _sweep(instance.parent)
            instance.mkdir()
            return os.open(instance / "trace_pipe", os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        finally:
            os.close(lock)
    except OSError as error:
        raise _unusable("no trace buffer can be made", error) from error


def _write(file: Path, text: str) -> None:
    try:
        file.write_text(text)
    except OSError as error:
        setting = "/".join(file.parts[-3:])
        raise _unusable(f"the kernel's tracing refuses {setting}", error) from error


def _sweep(instances: Path) -> None:
    """Remove the instances that a killed netlab has left; the kernel keeps those in use."""
    for instance in instances.glob(f"{_PREFIX}*"):
        with suppress(OSError):
            instance.rmdir()
