"""Scenarios of any size, and how many calls work with them takes."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any


def flat(vms: int) -> dict[str, Any]:
    """Return a scenario of VMs on one large NAT network, all of them by DHCP."""
    return {
        "lan": {"subnet": "10.2.0.0/16"},
        "vmnets": {"vmnet8": {"mode": "nat", "subnet": "10.1.0.0/16"}},
        "vms": {f"vm{number}": {"nics": ["vmnet8"]} for number in range(vms)},
        "expect": {"default": "blocked"},
    }


def counted(work: Callable[[], object]) -> int:
    """Return how many calls some work takes."""
    calls = 0

    def count(_: object, event: str, __: object) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    sys.setprofile(count)
    try:
        work()
    finally:
        sys.setprofile(None)
    return calls


def lines(work: Callable[[], object]) -> int:
    """Return how many lines some work takes: also the rounds of loops that call nothing."""
    passed = 0

    def count(_: object, event: str, __: object) -> Any:
        nonlocal passed
        passed += event == "line"
        return count

    before = sys.gettrace()
    sys.settrace(count)
    try:
        work()
    finally:
        sys.settrace(before)
    return passed
