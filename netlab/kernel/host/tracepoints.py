"""The kernel's own reasons for drops, recorded by its tracepoints.

A busy machine fills the buffer: what comes then is not recorded. What the records mean is in `drop_records`.
"""

from __future__ import annotations

import fcntl
import os
import re
import secrets
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path

from netlab.errors import Missing
from netlab.kernel import syscalls
from netlab.kernel.host import drop_records
from netlab.kernel.host.drop_records import Departure, KernelDrop, RecordedEvents

_MOUNTED = Path("/sys/kernel/tracing")
_DROPS = "skb/kfree_skb"
_EVENTS = (_DROPS, "skb/consume_skb", "net/net_dev_queue", "net/netif_receive_skb")
_OF_NETWORKS = "protocol == 0x800 || protocol == 0x86dd || protocol == 0x806"
"""IPv4, IPv6 and ARP."""
_PREFIX = "netlab-"


@contextmanager
def recording() -> Iterator[Recording]:
    """Record the kernel's drops for the length of a block, to be read after it.

    Raises Missing, with a remedy, where tracepoints cannot be used.
    """
    tracefs = _tracefs()
    try:
        with _instance(Path(f"/proc/self/fd/{tracefs}/instances")) as recorded:
            yield recorded
    finally:
        os.close(tracefs)


def _unusable(problem: str, error: OSError) -> Missing:
    return Missing(f"{problem}: {error.strerror}", "without them, verdicts may say less")


class Recording:
    """The records of `recording`, complete from the end of its block on."""

    def __init__(self, instance: Path | None = None) -> None:
        self._offset = _clock_difference()
        self._lines: list[str] = []
        self._full: frozenset[int] = frozenset()
        self._instance = instance

    @contextmanager
    def sending(self, name: str) -> Iterator[None]:
        """Mark the records of a block in which this thread sends a probe."""
        self._mark(f"{drop_records.BEGINS} {name}")
        try:
            yield
        finally:
            self._mark(f"{drop_records.HAS_SENT} {name}")

    def drops(self, departures: Iterable[Departure], name: str = "") -> list[KernelDrop]:
        """Return the drops that are the probe's of that name, which departed so (see
        `RecordedEvents.drops`)."""
        return self._events.drops(departures, name)

    def recorded(self, departures: Iterable[Departure], name: str) -> frozenset[Departure]:
        """Return those of a probe's departures that have a record."""
        return self._events.recorded(departures, name)

    @cached_property
    def _events(self) -> RecordedEvents:
        lines = (drop_records.record(line, self._offset) for line in self._lines)
        return RecordedEvents(drop_records.until_full(list(filter(None, lines)), self._full))

    def read(self, pipe: int, full: Iterable[int] = ()) -> None:
        """Read the whole buffer; `full` are the processors whose part of it had no room any more."""
        pieces = []
        with suppress(BlockingIOError):
            while piece := os.read(pipe, 1 << 16):
                pieces.append(piece)
        self._lines += b"".join(pieces).decode(errors="replace").splitlines()
        self._full = frozenset(full)

    def _mark(self, text: str) -> None:
        if self._instance:
            with suppress(Missing):  # Then nobody is known as the sender.
                _write(self._instance / "trace_marker", text)


def _clock_difference() -> int:
    """Return the nanoseconds from the buffer's clock, CLOCK_MONOTONIC, to CLOCK_REALTIME, by which packets
    are stamped: of some readings the closest, as the processor may be taken away between two."""
    readings = []
    for _ in range(5):
        before, now, after = time.monotonic_ns(), time.time_ns(), time.monotonic_ns()
        readings.append((after - before, now - (before + after) // 2))
    return min(readings)[1]


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
def _instance(instances: Path) -> Iterator[Recording]:
    """Record in an instance of tracing with its own buffer and events, apart from anybody else's tracing."""
    instance = instances / f"{_PREFIX}{secrets.token_hex(4)}"
    pipe = _make(instance)
    try:
        _write(instance / "trace_clock", "mono")
        _write(instance / "trace_options", "nooverwrite")
        _write(instance / "events" / _DROPS / "filter", _OF_NETWORKS)
        for event in _EVENTS:
            _write(instance / "events" / event / "enable", "1")
        recorded = Recording(instance)
        yield recorded
        # While it records, a flood on the machine would keep the reader for ever.
        _write(instance / "tracing_on", "0")
        recorded.read(pipe, _full(instance))
    finally:
        os.close(pipe)
        with suppress(OSError):  # Somebody looks into it just now: the next recording removes it.
            instance.rmdir()


def _full(instance: Path) -> Iterator[int]:
    """Yield the processors whose part of the buffer had no room for all records."""
    for statistics in instance.glob("per_cpu/cpu*/stats"):
        if re.search(r"dropped events: [1-9]", statistics.read_text()):
            yield int(statistics.parent.name.removeprefix("cpu"))


def _make(instance: Path) -> int:
    """Make an instance; return the pipe that reads it: while it is open, nobody can remove the instance."""
    try:
        lock = os.open(instance.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)  # Or another recording's sweep might come in between.
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
