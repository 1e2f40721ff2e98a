"""Imports go one way, by the table in `tests/rooms.py`; a library belongs to one room."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from tests.language import PACKAGE, modules, room, tree
from tests.rooms import ALLOWED

ONLY_IN = {
    "nftables": "kernel",
    "pyroute2": "kernel/netlink",
    "scapy": "packets/layers",
    "click": "cli",
    "pydantic": "scenario",
    "yaml": "scenario",
    "subprocess": "kernel",
}

PURE = ("scenario", "plan")
IMPURE_MODULES = {"os", "socket", "subprocess", "fcntl", "ctypes", "signal", "shutil", "resource"}


@cache
def imports(file: Path) -> set[str]:
    found = set()
    for node in ast.walk(tree(file)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(node.module or "")
            if node.module == "netlab":
                found |= {f"netlab.{alias.name}" for alias in node.names}
    return found


@pytest.mark.parametrize("file", modules(), ids=lambda file: str(file.relative_to(PACKAGE)))
def test_a_room_imports_only_what_its_row_allows(file):
    if file.name == "__init__.py" and file.parent == PACKAGE:
        assert not [name for name in imports(file) if name.startswith("netlab")]
        return
    own = room(file)
    for name in imports(file):
        if name.startswith("netlab."):
            target = name.split(".")[1]
            assert target in ALLOWED[own] | {own, "__version__", "frozen"}, f"{own} imports {name}"


@pytest.mark.parametrize("file", modules(), ids=lambda file: str(file.relative_to(PACKAGE)))
def test_a_library_is_used_in_one_room_only(file):
    """Or in one module of a room."""
    for name in imports(file):
        home = ONLY_IN.get(name.split(".")[0])
        place = str(file.relative_to(PACKAGE).with_suffix(""))
        assert home is None or f"{place}/".startswith(f"{home}/"), f"{name} belongs to {home}"


NETLINK = PACKAGE / "kernel" / "netlink"
OF_NETLINK = re.compile(
    "_?(NLM|NLMSG|NLA|RTM|RTN|RTNH|RTPROT|RTNLGRP|IFLA|IFA|IFF|BR|BRPORT|RTA|RT|NDA|NUD|NTF|TCA|FRA|CTA|IPS|"
    "IPCTNL|NFNL|NFNLGRP|NFTA|NFT|AF_BRIDGE)_[A-Z0-9_]+"
)
"""Names of the kernel's numbers."""


@pytest.mark.parametrize("file", modules(), ids=lambda file: str(file.relative_to(PACKAGE)))
def test_numbers_and_layouts_of_netlink_are_pyroute2_s(file):
    """What it lacks, `missing` has; `codec` makes layouts of its fields, `channel` has a time-out."""
    if file.parent == NETLINK and file.stem in ("missing", "missing_queues"):
        return
    for node in ast.walk(tree(file)):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            assert not OF_NETLINK.fullmatch(node.id), f"{node.id} is pyroute2's to know"
    if NETLINK in file.parents and file.stem not in ("codec", "channel"):
        assert "struct" not in imports(file)


@pytest.mark.parametrize(
    "file", [f for f in modules() if room(f) in PURE], ids=lambda f: str(f.relative_to(PACKAGE))
)
def test_scenario_and_plan_are_pure(file):
    assert not imports(file) & IMPURE_MODULES


@pytest.mark.parametrize("file", modules(), ids=lambda file: str(file.relative_to(PACKAGE)))
def test_every_module_says_what_it_is_for(file):
    assert ast.get_docstring(tree(file))


def test_nothing_calls_the_tools_that_libraries_replace():
    for file in modules():
        for node in ast.walk(tree(file)):
            if isinstance(node, ast.List | ast.Tuple) and node.elts:
                first = node.elts[0]
                if isinstance(first, ast.Constant):
                    assert first.value not in ("ip", "nft", "ping", "iptables", "brctl"), file


@pytest.mark.parametrize("file", modules(), ids=lambda file: str(file.relative_to(PACKAGE)))
def test_a_class_that_is_only_frozen_takes_no_time_to_define(file):
    assert "@dataclass(frozen=True)\n" not in file.read_text()
