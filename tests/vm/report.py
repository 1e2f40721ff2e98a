"""The table that a long test prints while it grows, and the folder for its logs."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, NoReturn

ROOT = Path(__file__).parents[2]
_LAST_LINES = 20


class Unusable(Exception):
    """What the test needs is not to be had: a machine that boots, a way in, namespaces."""


def conclude(name: str, test: Callable[[Path], list[str]]) -> NoReturn:
    """Run a test with an empty folder vm-results/NAME for its logs; exit 1 with the names of what failed."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # Clean up as after Ctrl-C.
    results = ROOT / "vm-results" / name
    shutil.rmtree(results, ignore_errors=True)
    results.mkdir(parents=True)
    before = time.monotonic()
    try:
        failed = test(results)
    except (subprocess.SubprocessError, Unusable) as error:
        failed = [str(error)]
    except KeyboardInterrupt:
        failed = ["interrupted"]
    finally:
        _give_to_owner(results)
    minutes = (time.monotonic() - before) / 60
    print(f"\n{minutes:.1f} minutes; logs are in {results.relative_to(ROOT)}/")
    sys.exit(f"FAILED: {', '.join(failed)}" if failed else 0)


def _give_to_owner(folder: Path) -> None:
    """What root has written into a user's tree is the user's."""
    owner = ROOT.stat()
    for path in (folder.parent, folder, *folder.iterdir()):
        os.chown(path, owner.st_uid, owner.st_gid)


@contextmanager
def row(name: str) -> Iterator[list[str]]:
    """A row of the table, printed when the block ends: seconds, and the words that it has added."""
    words: list[str] = []
    before = time.monotonic()
    try:
        yield words
    except BaseException:
        words.append("FAILED")
        raise
    finally:
        print(f"{name:24}{time.monotonic() - before:6.0f} s  {', '.join(words)}", flush=True)


def step(
    name: str,
    results: Path,
    run: Callable[[IO[str]], int],
    counts: Callable[[], Iterable[str]] = tuple,
) -> bool:
    """A row for what `run` does, given a log; whether it ends with 0. Else the log's last lines follow."""
    log = results / f"{name}.log"
    with row(name) as words, log.open("w") as file:
        code = run(file)
        words += [*counts(), "ok" if code == 0 else f"FAILED, see {log.relative_to(ROOT)}"]
    if code != 0:
        for line in log.read_text(errors="replace").splitlines()[-_LAST_LINES:]:
            print(f"    {line}")
    return code == 0
