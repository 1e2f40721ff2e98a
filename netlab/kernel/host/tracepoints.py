"""A second witness: why the kernel itself says it dropped a packet, from its tracepoints.

skb:kfree_skb names a reason and a function, but neither a packet nor a namespace. What is the same
in net:net_dev_queue and net:netif_receive_skb is the address of the packet in memory; so a drop
belongs to a probe if the same address has left an interface when the probe was seen leaving it.
Times are microseconds exact. Nothing is judged by this: an address is used again for another packet,
and a busy machine writes over what it has recorded.
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
"""Some microseconds lie between the two witnesses; a processor that is taken away makes it more."""
_CLEANED_UP = "QUEUE_PURGE"
"""What a closed socket had not read: no packet's death."""
_RECORD = re.compile(r"\s(?P<at>\d+\.\d+): (?P<event>\w+): (?P<fields>.*)")


@frozen
class KernelDrop:
    """A packet that the kernel freed as dropped."""

    at: int
    """Nanoseconds, by the clock that packets are stamped with."""
    reason: str
    """SKB_DROP_REASON_… without its beginning; empty before Linux 5.17."""
    location: str
    """The kernel's function; empty on older kernels, which tell only a number."""
    interfaces: tuple[str, ...]
    """Where the packet left and arrived, in order. Empty: nowhere, so it may be another packet's."""


@frozen
class Departure:
    """A frame of the probe's, seen leaving an interface."""

    at: int
    interface: str
    size: int
    """Bytes, from the Ethernet header on."""


@contextmanager
def audit() -> Iterator[Audit]:
    """Record what the kernel drops for the length of a block, to be read after it.

    Raises Missing, with what to do, where tracepoints cannot be used.
    """
    tracefs = _tracefs()
    try:
        with _instance(Path(f"/proc/self/fd/{tracefs}/instances")) as recorded:
            yield recorded
    finally:
        os.close(tracefs)


def _unusable(what: str, error: OSError) -> Missing:
    return Missing(f"{what}: {error.strerror}", "leave out --audit: no verdict needs it")


class Audit:
    """What was recorded, known from the end of the block on."""

    def __init__(self) -> None:
        # The buffer's clock is CLOCK_MONOTONIC, packets are stamped by CLOCK_REALTIME.
        self._offset = time.time_ns() - time.monotonic_ns()
        self._lines: list[str] = []

    def drops(self, departures: Iterable[Departure], until: int | None = None) -> list[KernelDrop]:
        """What became of the packets that departed so, and drops of packets seen on no interface.

        `until`: when the answer was home. What is freed later had been delivered.
        """
        known = list(departures)
        packets: dict[str, _Packet] = {}
        found = []
        for at, event, fields in self._records():
            if event != "kfree_skb":
                packet = packets.setdefault(fields["skbaddr"], _Packet())
                packet.passes(at, event, fields, known)
                continue
            packet = packets.pop(fields["skbaddr"], _Packet(ours=True))
            reason = fields.get("reason", "")
            if packet.ours and reason != _CLEANED_UP and (until is None or at < until):
                found.append(KernelDrop(at, reason, _function(fields), tuple(packet.interfaces)))
        return found

    def lost(self) -> bool:
        """Whether records were written over before they were read: a drop may be missing."""
        return any(line.startswith("CPU:") and "[LOST " in line for line in self._lines)

    def read(self, pipe: int) -> None:
        """Take what is in the buffer."""
        parts = []
        with suppress(BlockingIOError):
            while part := os.read(pipe, 1 << 16):
                parts.append(part)
        self._lines = b"".join(parts).decode(errors="replace").splitlines()

    def _records(self) -> Iterator[tuple[int, str, dict[str, str]]]:
        """Time, event and fields: `…  23070.617833: kfree_skb: skbaddr=… reason: NETFILTER_DROP`."""
        for line in self._lines:
            if record := _RECORD.search(line):
                text = record["fields"].replace("reason: ", "reason=")
                fields = dict(word.split("=", 1) for word in text.split() if "=" in word)
                seconds, _, fraction = record["at"].partition(".")
                at = int(seconds) * 1_000_000_000 + int(fraction.ljust(9, "0"))
                yield at + self._offset, record["event"], fields


@dataclass
class _Packet:
    """An address in memory, from one departure of the probe's to the next."""

    ours: bool = False
    interfaces: list[str] = field(default_factory=list)

    def passes(self, at: int, event: str, fields: dict[str, str], known: list[Departure]) -> None:
        if event == "net_dev_queue":
            leaves = (fields["dev"], int(fields["len"]))
            ours = any(
                (one.interface, one.size) == leaves and abs(one.at - at) < _SAME_MOMENT_NS
                for one in known
            )
            if not (self.ours and ours):
                self.interfaces = []
            self.ours = ours
        self.interfaces.append(fields["dev"])


def _function(fields: dict[str, str]) -> str:
    """`nft_do_chain` of `nft_do_chain+0x5ad/0x610`."""
    name, plus, _ = fields.get("location", "").partition("+")
    return name if plus else ""


def _tracefs() -> int:
    """The folder of the machine's tracefs: where it is mounted, or a mount that only we see.

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
    """A buffer with events of its own: nobody else's tracing sees or is seen."""
    own = instances / f"{_PREFIX}{secrets.token_hex(4)}"
    pipe = _made(own)
    try:
        _write(own / "trace_clock", "mono")
        _write(own / "events" / _DROP / "filter", _ONLY_IP)
        for event in (_DROP, _LEAVES, _ARRIVES):
            _write(own / "events" / event / "enable", "1")
        recorded = Audit()
        yield recorded
        _write(own / "tracing_on", "0")  # A flood on the machine would keep the reader for ever.
        recorded.read(pipe)
    finally:
        os.close(pipe)
        with suppress(OSError):  # Somebody looks into it just now: the next audit removes it.
            own.rmdir()


def _made(own: Path) -> int:
    """Make a buffer, and open the pipe that reads it: while it is open, nobody can remove the buffer."""
    try:
        lock = os.open(own.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)  # Or another audit's sweep might come in between.
            _sweep(own.parent)
            own.mkdir()
            return os.open(own / "trace_pipe", os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
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
    """Remove what a killed netlab has left; one that is in use refuses."""
    for old in instances.glob(f"{_PREFIX}*"):
        with suppress(OSError):
            old.rmdir()
