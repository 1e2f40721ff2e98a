"""nftables through libnftables. A context belongs to the namespace in which it was opened."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import Any, TypeAlias

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
        status, _, errors = _command(text)
        if status != 0:
            raise KernelError(f"nftables refuses the rules of {namespace}:\n{errors.rstrip()}")
        return _listing(_TERSE)


def read(namespace: str) -> str:
    """The namespace's whole ruleset, as text; empty if there is none.

    Without the elements of named sets and maps, which rules fill with what they learn.
    """
    with netns.inside(namespace):
        return read_here()


def read_here() -> str:
    """The same, of the namespace in which the thread is."""
    if not _has_tables():
        return ""  # A library's context for each of 1,000 machines would take longer than all else.
    return _listing(_TERSE)


def _has_tables() -> bool:
    netlink = Netlink(NETFILTER)
    try:
        return any(netlink.dump(_ANY_FAMILY, _GET_TABLE))
    finally:
        netlink.close()


def _command(text: str, *formats: str) -> tuple[int, str, str]:
    """Status, output, errors. A signal has to wait: the library cannot tell where it was interrupted."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
        with _LOW_NUMBER.lent():
            return _in_new_context(text, formats)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _in_new_context(text: str, formats: Iterable[str]) -> tuple[int, str, str]:
    context = _module().Nftables()
    for one in formats:
        getattr(context, f"set_{one}_output")(True)
    # As bytes: a comment of a rule may be no UTF-8.
    status, *said = context.cmd(text.encode(errors=_ODD_BYTES))
    output, errors = (one.decode(errors=_ODD_BYTES) for one in said)
    return status, output, errors


class _Number:
    """The number of an open file, kept for somebody who needs a low one.

    libnftables waits with select(2), which takes no number above 1,023; in a lab of 500 machines,
    two files for each are open by then.
    """

    def __init__(self) -> None:
        self._take()

    def _take(self) -> None:
        self._file = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)

    @contextmanager
    def lent(self) -> Iterator[None]:
        """While it is free, the next file that is opened gets it."""
        os.close(self._file)
        try:
            yield
        finally:
            self._take()


_LOW_NUMBER = _Number()
_TERSE = "terse"
_ODD_BYTES = "surrogateescape"


def _listing(*formats: str) -> str:
    status, output, errors = _command("list ruleset", *formats)
    if status != 0:
        raise KernelError(f"cannot list nftables rules: {errors.rstrip()}")
    return output


def document(namespace: str) -> list[dict[str, Any]]:
    """The ruleset as libnftables' JSON (see libnftables-json(5)): tables, chains, rules, sets, in order."""
    with netns.inside(namespace), _without_warnings():
        if not _has_tables():
            return []
        listing = _listing("json", "handle")
    found: list[dict[str, Any]] = json.loads(listing)["nftables"]
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
        return _listing("handle")


RulePlace: TypeAlias = tuple[str, str, str, int]
"""Family, table, chain and handle of a rule: what tells it from all others of a namespace."""


def place(rule: Mapping[str, Any]) -> RulePlace:
    """Where a rule of a `document` is."""
    return rule["family"], rule["table"], rule["chain"], rule.get("handle", 0)


def rules(listing: str) -> dict[RulePlace, str]:
    """Every rule of a listing with handles, as text."""
    found = {}
    family = table = chain = ""
    for row in map(str.strip, listing.splitlines()):
        words = row.split()
        text, mark, handle = row.rpartition(" # handle ")
        if words[:1] == ["table"]:
            family, table = words[1:3]
        elif words[:1] == ["chain"]:
            chain = words[1]
        elif mark:
            found[family, table, chain, int(handle)] = text
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
        status, _, errors = _command(_deletions(text))
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
        status, _, errors = _command(f"delete table {family} {name}")
    if status != 0:
        raise KernelError(f"cannot delete the table {name} of {namespace}: {errors.rstrip()}")
