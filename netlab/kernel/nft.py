"""nftables through libnftables. A context belongs to the namespace in which it was opened."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

from netlab.errors import KernelError, Missing
from netlab.kernel import netns
from netlab.kernel.netlink import NETFILTER, Netlink
from netlab.kernel.patience import SIGNALS

_GET_TABLE = 10 << 8 | 1
"""NFNL_SUBSYS_NFTABLES, NFT_MSG_GETTABLE."""
_ANY_FAMILY = bytes(4)
"""nfgenmsg: family, version, number."""


@cache
def _module() -> Any:
    try:
        import nftables

        nftables.Nftables()
    except (ImportError, OSError) as error:
        raise Missing(
            f"libnftables is not usable: {error}", "install the system package libnftables1"
        ) from error
    return nftables


def create(namespace: str, text: str) -> str:
    """Load a ruleset; returns it as the kernel now shows it. Raises KernelError with line and caret."""
    with netns.inside(namespace):
        context = _module().Nftables()
        status, _, errors = _command(context, text)
        if status != 0:
            raise KernelError(f"nftables refuses the rules of {namespace}:\n{errors.rstrip()}")
        context.set_terse_output(True)
        return _listing(context)


def read(namespace: str) -> str:
    """The namespace's whole ruleset, as text; empty if there is none.

    Without the elements of named sets and maps, which rules fill with what they learn.
    """
    with netns.inside(namespace):
        if not _has_tables():
            return ""  # A library's context for each of 1,000 machines would take longer than all else.
        context = _module().Nftables()
        context.set_terse_output(True)
        return _listing(context)


def _has_tables() -> bool:
    netlink = Netlink(NETFILTER)
    try:
        return any(netlink.dump_bytes(_ANY_FAMILY, _GET_TABLE))
    finally:
        netlink.close()


def _command(context: Any, text: str) -> tuple[int, str, str]:
    """Status, output, errors. A signal has to wait: the library cannot tell where it was interrupted."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
        status, output, errors = context.cmd(text)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    return status, output, errors


def _listing(context: Any) -> str:
    status, output, errors = _command(context, "list ruleset")
    if status != 0:
        raise KernelError(f"cannot list nftables rules: {errors.rstrip()}")
    return str(output)


def document(namespace: str) -> list[dict[str, Any]]:
    """The ruleset as libnftables' JSON (see libnftables-json(5)): tables, chains, rules, sets, in order."""
    with netns.inside(namespace):
        context = _module().Nftables()
        context.set_json_output(True)
        context.set_handle_output(True)
        with _without_warnings():
            listing = _listing(context)
    found: list[dict[str, Any]] = json.loads(listing)["nftables"] if listing else []
    return found


@contextmanager
def _without_warnings() -> Iterator[None]:
    """libnftables 1.0 complains on stderr that it has no JSON for `update @map`; the rest is right."""
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def read_with_handles(namespace: str) -> str:
    """The same, with the handle of each rule at its end."""
    with netns.inside(namespace):
        if not _has_tables():
            return ""
        context = _module().Nftables()
        context.set_handle_output(True)
        return _listing(context)


def rules(listing: str) -> dict[tuple[str, str, int], str]:
    """Every rule of a listing with handles, as text, by table, chain and handle."""
    found = {}
    table = chain = ""
    for row in map(str.strip, listing.splitlines()):
        words = row.split()
        text, mark, handle = row.rpartition(" # handle ")
        if words[:1] == ["table"]:
            table = words[2]
        elif words[:1] == ["chain"]:
            chain = words[1]
        elif mark:
            found[table, chain, int(handle)] = text
    return found


def families(listing: str) -> set[str]:
    """The families of a listing's tables: ip, inet, bridge, …"""
    rows = (row.split() for row in listing.splitlines())
    return {words[1] for words in rows if words[:1] == ["table"]}


def replace(namespace: str, old: str, new: str) -> str:
    """Put one ruleset in another's place, at once: no packet meets neither. Returns it as `create` does."""
    return create(namespace, _deletions(old) + new)


def delete(namespace: str, text: str) -> None:
    """Remove the tables of a ruleset. Forgives absence. Raises KernelError."""
    with netns.inside(namespace):
        status, _, errors = _command(_module().Nftables(), _deletions(text))
    if status != 0:
        raise KernelError(f"cannot delete the rules of {namespace}: {errors.rstrip()}")


def _deletions(text: str) -> str:
    """Commands that delete a ruleset's tables; `add` first, so that they are there."""
    names = [row.split()[1:3] for row in text.splitlines() if row.startswith("table ")]
    return "".join(
        f"add table {family} {name}\ndelete table {family} {name}\n" for family, name in names
    )


def delete_table(namespace: str, family: str, name: str) -> None:
    """Remove one table. Raises KernelError."""
    with netns.inside(namespace):
        status, _, errors = _command(_module().Nftables(), f"delete table {family} {name}")
    if status != 0:
        raise KernelError(f"cannot delete the table {name} of {namespace}: {errors.rstrip()}")
