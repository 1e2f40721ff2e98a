"""Where a command's processor time goes, by part of netlab: docs/performance.md.

    python -m tests.bench.profile up FILE --name LAB     prints a table; the command itself is silent

The profiler makes Python code seem slower than it is, the kernel not: compare rows of one kind.
"""

from __future__ import annotations

import cProfile
import io
import pstats
import sys
import time
from collections import Counter
from contextlib import redirect_stdout, suppress
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_KERNEL = ("posix.", "_socket.", "select.", "socket", "epoll", "nft_", "_io.open", "fcntl")
"""Built-in functions that are system calls and little else."""


def main() -> None:
    began, profiler = time.process_time(), cProfile.Profile()
    profiler.enable()
    with redirect_stdout(io.StringIO()), suppress(SystemExit):
        from netlab.cli import run

        run(sys.argv[1:], "netlab")
    profiler.disable()
    spent = time.process_time() - began
    parts = _parts(pstats.Stats(profiler))
    print(f"{spent:8.3f}  seconds of processor time")
    for part, seconds in parts.most_common(18):
        print(f"{seconds:8.3f}  {part}")


def _parts(stats: pstats.Stats) -> Counter[str]:
    """Own time of each function, added to the part that it belongs to; a built-in one's to its caller's."""
    parts: Counter[str] = Counter()
    rows = stats.stats  # type: ignore[attr-defined]
    for (file, _, name), (_, _, own, _, callers) in rows.items():
        if file != "~":
            parts[_part(file)] += own
        elif any(word in name for word in _KERNEL):
            parts[f"the kernel: {name.strip('<>').removeprefix('built-in method ')}"] += own
        else:
            for (caller, _, _), (_, _, its, _) in callers.items():
                parts[_part(caller)] += its
    return parts


def _part(file: str) -> str:
    path = Path(file)
    if path.is_relative_to(ROOT / "netlab"):
        inside = path.relative_to(ROOT / "netlab").with_suffix("").parts
        return "/".join(("netlab", *inside[:2]))
    if "site-packages" in path.parts:
        return path.parts[path.parts.index("site-packages") + 1]
    return "importing" if "importlib" in file else f"Python's {path.stem}"


if __name__ == "__main__":
    main()
