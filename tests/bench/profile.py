"""Where a command's processor time goes, by part: docs/performance.md.

    python -m tests.bench.profile up FILE --name LAB     prints two tables; the command itself is silent

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
_SYSTEM_CALLS = ("posix.", "_socket.", "select.", "socket", "epoll", "nft_", "_io.open", "fcntl")
"""Built-in functions that are system calls and little else."""
_GROUPS = {
    "the kernel": ("system call", "netlab/kernel/syscalls"),
    "modules and classes, loaded": (
        *("importing", "pydantic", "typing", "annotated_types", "netlab/frozen"),
        *("Python's dataclasses", "Python's typing", "Python's enum", "Python's abc", "Python's _"),
    ),
    "YAML": ("yaml", "netlab/scenario/text"),
    "scenario and plan": ("netlab/scenario", "netlab/plan", "Python's ipaddress"),
    "messages and files of the kernel": (
        "netlab/kernel",
        "pyroute2",
        "nftables",
        "Python's pathlib",
    ),
    "progress, pictures, tables": ("rich", "netlab/report", "netlab/show", "netlab/cli", "click"),
}
"""What the parts belong to: the first group that has the beginning of a part's name."""
_REST = "all else"
_LARGEST = 12


def main() -> None:
    began, profiler = time.process_time(), cProfile.Profile()
    profiler.enable()
    with redirect_stdout(io.StringIO()), suppress(SystemExit):
        from netlab.cli import run

        run(sys.argv[1:], "netlab")
    profiler.disable()
    spent = time.process_time() - began
    parts = _parts(pstats.Stats(profiler))
    groups = dict.fromkeys((*_GROUPS, _REST), 0.0)
    for part, seconds in parts.items():
        groups[_group(part)] += seconds
    print(f"{spent:8.3f}  seconds of processor time")
    for table in (groups.items(), parts.most_common(_LARGEST)):
        print()
        for name, seconds in table:
            print(f"{seconds:8.3f}  {name}")


def _parts(stats: pstats.Stats) -> Counter[str]:
    """Own time of each function, added to the part that it belongs to; a built-in one's to its caller's."""
    parts: Counter[str] = Counter()
    rows = stats.stats  # type: ignore[attr-defined]
    for (file, _, name), (_, _, own, _, callers) in rows.items():
        if file != "~":
            parts[_part(file)] += own
        elif any(word in name for word in _SYSTEM_CALLS):
            parts[f"system call: {name.strip('<>').removeprefix('built-in method ')}"] += own
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


def _group(part: str) -> str:
    return next((name for name, begins in _GROUPS.items() if part.startswith(begins)), _REST)


if __name__ == "__main__":
    main()
