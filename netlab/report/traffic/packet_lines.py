"""Captured packets: as pcapng in a file, a ring of files or stdout, or as lines."""

from __future__ import annotations

import json
import sys
import time
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from math import inf
from pathlib import Path
from typing import BinaryIO

from netlab.errors import SystemRefused
from netlab.packets.frame import decode
from netlab.packets.tap import Sighting
from netlab.plan.names import node
from netlab.report.pcapng import Pcapng, cut_short, open_file
from netlab.report.traffic.one_line import summary
from netlab.visible import visible

STDOUT = "-"


class Files:
    """Writer of sightings to pcapng files; `finish` completes the last file."""

    def __init__(self, file: str, snaplen: int = 0, size: float = inf, ring: int = 0):
        """Open the first file. `file`: a path, or `-`; with a `ring`, so many files are kept.

        A file of `size` bytes is full, and without a ring that is the end. Raises SystemRefused for a file
        that cannot be written, here and later, and BrokenPipeError if nobody reads stdout any more.
        """
        self._path = Path(file)
        self._to_stdout = file == STDOUT
        self._snaplen = snaplen
        self._size = size
        self._ring = ring
        self._number = 0
        self._kept: deque[Path] = deque()
        self._labels: dict[tuple[str, str], str] = {}
        with self._writing():
            self._open()

    @property
    def full(self) -> bool:
        """True if it takes no more."""
        return not self._ring and self._file.written >= self._size

    def take(self, sightings: Iterable[Sighting]) -> int:
        """Write sightings, and return how many there was room for. Raises SystemRefused, BrokenPipeError."""
        with self._writing():
            return self._take(sightings)

    def _take(self, sightings: Iterable[Sighting]) -> int:
        taken = 0
        for sighting in sightings:
            if self._file.written >= self._size:
                if not self._ring:
                    break
                self._stream.close()
                self._open()
            label = self._labels.get(sighting[1:3])
            if label is None:
                label = self._labels[sighting[1:3]] = visible(
                    f"{node(sighting.namespace)}.{sighting.interface}"
                )
            self._file.packet(
                label,
                sighting.at,
                sighting.data,
                outgoing=sighting.outgoing,
                length=sighting.length,
            )
            taken += 1
        self._stream.flush()
        return taken

    def finish(self, lost: Mapping[str, int]) -> None:
        """Write what was lost in each namespace, and close the file. Raises as `take`."""
        with self._writing():
            self._finish(lost)

    def _finish(self, lost: Mapping[str, int]) -> None:
        now = time.time_ns()
        present = set(self._file.interfaces)
        labels = {key: label for key, label in self._labels.items() if label in present}
        interface_counts = Counter(namespace for namespace, _ in labels)
        for (namespace, _), label in labels.items():
            count = lost.get(namespace, 0)
            if count and interface_counts[namespace] > 1:
                comment = f"{count} packets were lost on the interfaces of {node(namespace)}"
                self._file.statistics(label, now, None, comment)
            else:
                self._file.statistics(label, now, count)
        self._stream.flush()
        if not self._to_stdout:
            self._stream.close()

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except BrokenPipeError:
            raise
        except OSError as error:
            if self._to_stdout:
                raise SystemRefused(f"cannot write to stdout: {error.strerror}") from error
            with suppress(OSError):  # What is left in its buffer.
                self._stream.close()
            raise cut_short(self._current, error) from error

    def _open(self) -> None:
        path = self._path
        if self._ring:
            self._number += 1
            # As dumpcap names them.
            stamp = time.strftime("%Y%m%d%H%M%S")
            path = path.with_name(f"{path.stem}_{self._number:05}_{stamp}{path.suffix}")
            self._kept.append(path)
            if len(self._kept) > self._ring:
                self._kept.popleft().unlink(missing_ok=True)
        self._current = path
        self._stream: BinaryIO = sys.stdout.buffer if self._to_stdout else open_file(path)
        self._file = Pcapng(self._stream, self._snaplen)


class Lines:
    """Writer of sightings to stdout, a line each."""

    full = False

    def __init__(self, as_json: bool) -> None:
        self._line = _document if as_json else _text

    def take(self, sightings: Iterable[Sighting]) -> int:
        """Print sightings, and return how many. Raises OSError."""
        lines = [visible(self._line(sighting)) for sighting in sightings]
        if lines:
            print("\n".join(lines), flush=True)
        return len(lines)

    def finish(self, lost: Mapping[str, int]) -> None:
        """Do nothing: nothing is left to print."""


def _text(sighting: Sighting) -> str:
    seconds, nanoseconds = divmod(sighting.at, 1_000_000_000)
    clock = f"{time.strftime('%H:%M:%S', time.localtime(seconds))}.{nanoseconds // 1000:06}"
    point = f"{node(sighting.namespace)}.{sighting.interface}"
    way = "out" if sighting.outgoing else "in"
    return f"{clock} {point:<18} {way:<3} {summary(decode(sighting.data, sighting.length))}"


def _document(sighting: Sighting) -> str:
    return json.dumps(
        {
            "at": sighting.at,
            "node": node(sighting.namespace),
            "interface": sighting.interface,
            "direction": "out" if sighting.outgoing else "in",
            "length": sighting.length,
            "fields": decode(sighting.data, sighting.length),
        }
    )
