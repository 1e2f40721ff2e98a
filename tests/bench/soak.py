"""The matrix of three-modes a thousand times under full load: every result must be the same.

make soak                                    8 minutes on two cores
python tests/bench/soak.py --times 100       fewer
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time

from netlab import lab
from netlab.verify.matrix import Result

SCENARIO = "three-modes"


def verdicts(results: list[Result]) -> list[tuple[object, ...]]:
    return [(r.passed, r.outcome.verdict, r.outcome.at, r.outcome.cause) for r in results]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=1000)
    times = parser.parse_args().times
    cores = len(os.sched_getaffinity(0))
    busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(cores)]
    begun = time.monotonic()
    different = 0
    try:
        with lab.running(lab.prepare(lab.load(SCENARIO), "soak")) as up:
            first = verdicts(lab.verify(up))
            for number in range(1, times):
                found = verdicts(lab.verify(up))
                different += found != first
                if number % 50 == 0:
                    print(f"{number} done, {different} different", flush=True)
    finally:
        for one in busy:
            one.kill()
            one.wait()
    wrong = sum(not passed for passed, *_ in first)
    print(f"{times} runs in {time.monotonic() - begun:.0f} s: {different} different, {wrong} wrong")
    return int(bool(different or wrong))


if __name__ == "__main__":
    sys.exit(main())
