"""nftables through libnftables. A context belongs to the namespace in which it was opened."""

from __future__ import annotations

import json
import os
import re
import signal
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from importlib.machinery import PathFinder
from importlib.util import module_from_spec
from pathlib import Path
from typing import Any, TypeAlias

from netlab.errors import KernelError, Missing
from netlab.kernel.namespaces import netns
from netlab.kernel.netlink.objects.nftables import has_tables
from netlab.kernel.signals import SIGNALS

_MODULE = "nftables"
_DISTRIBUTION = "/usr/lib/python3/dist-packages"
"""The folder of Debian's and Ubuntu's Python packages."""
PROTOCOLS = {
    1: "icmp", 2: "igmp", 6: "tcp", 17: "udp", 33: "dccp", 50: "esp", 51: "ah",
    58: "icmpv6", 108: "comp", 132: "sctp", 136: "udplite",
}  # fmt: skip
"""The protocols for which nft has words of its own; others it looks up in /etc/protocols."""
_FLAGS_OF_TABLE = re.compile(r"^table (\w+) (\S+) \{.*\n\tflags (.*)", re.MULTILINE)
_QUOTED_OR_PROTOCOL = re.compile(
    r'("[^"]*")|(\b(?:l4proto|protocol|nexthdr) (?:!= )?)(\d+(?![-\w])|\{ \d+(?:, \d+)* \})'
)


@cache
def module() -> Any:
    """Import nftables' official Python module, with a usable library behind it. Raises Missing.

    It is the distribution's python3-nftables where that is installed, since it comes with its libnftables;
    otherwise PyPI's pip-nftables, a copy. A virtual environment does not see the distribution's.
    """
    try:
        spec = PathFinder.find_spec(_MODULE, [_DISTRIBUTION]) or PathFinder.find_spec(_MODULE)
        if spec is None or spec.loader is None:
            raise ImportError(f"there is no Python module {_MODULE}")
        nftables = module_from_spec(spec)
        sys.modules[_MODULE] = nftables  # It imports a part of its own.
        spec.loader.exec_module(nftables)
        nftables.Nftables()
    except (ImportError, OSError) as error:
        raise Missing(
            f"libnftables is not usable: {error}", "install the system package libnftables1"
        ) from error
    return nftables


def module_origin() -> str:
    """Return where the module comes from, in words. Raises Missing."""
    file = Path(module().__file__)
    if file.is_relative_to(_DISTRIBUTION):
        return "python3-nftables of the distribution"
    return f"the Python module {file}"


def create(namespace: str, text: str) -> str:
    """Load a ruleset; return it as the kernel now shows it. Raises KernelError with line and caret."""
    with netns.inside(namespace):
        return _load(text, namespace)


def _load(text: str, owner: str) -> str:
    status, _, errors = _command(text)
    if status != 0:
        raise KernelError(f"nftables refuses the rules of {owner}:\n{errors.rstrip()}")
    return _text(_TERSE)


def read(namespace: str) -> str:
    """Read the namespace's whole ruleset, as text; empty if there is none.

    It lacks the elements of named sets and maps, which rules fill with what they learn. Raises KernelError.
    """
    with netns.inside(namespace):
        return read_current()


def read_current() -> str:
    """Read the ruleset of the namespace in which the thread is, as `read` does."""
    if not has_tables():
        return ""  # A library's context for each of 1,000 machines would take longer than all else.
    return _text(_TERSE)


def normalized(text: str) -> str:
    """Return a ruleset as `read` would show it, by this machine's libnftables. Raises KernelError."""
    with netns.temporary():
        return _load(text, "this machine")


def statements(family: str, texts: Sequence[str]) -> list[list[Any]] | None:
    """Return rules that are written as text as libnftables' JSON has their statements; None if one is not
    understood.

    Of a rule with an extension (`xt`), the JSON of a ruleset has no more than the name, while its text is
    nftables' own, if libxtables knows the words for it.
    """
    chain = f"table {family} t {{ chain c {{\n" + "\n".join(texts) + "\n}\n}"
    with netns.temporary(), _without_warnings():
        status, *_ = _command(chain)
        if status != 0:
            return None
        document = json.loads(_listing("json"))["nftables"]
    return [entry["rule"]["expr"] for entry in document if "rule" in entry]


def _command(text: str, *formats: str) -> tuple[int, str, str]:
    """Run a command of nft; return status, output and errors.

    Signals wait meanwhile: the library cannot tell where it was interrupted.
    """
    previous = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
        with _LOW_DESCRIPTOR.lent():
            return _command_in_new_context(text, formats)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, previous)


def _command_in_new_context(text: str, formats: Iterable[str]) -> tuple[int, str, str]:
    context = module().Nftables()
    context.set_numeric_proto_output(True)  # Words would depend on the machine's /etc/protocols.
    for output_format in formats:
        getattr(context, f"set_{output_format}_output")(True)
    # As bytes: a comment of a rule may be no UTF-8.
    status, output, errors = context.cmd(text.encode(errors=_ODD_BYTES))
    return status, output.decode(errors=_ODD_BYTES), errors.decode(errors=_ODD_BYTES)


class _ReservedDescriptor:
    """A low file descriptor, kept open until libnftables needs it.

    libnftables waits with select(2), which takes no number above 1,023; in a lab of 500 machines,
    two files for each are open by then.
    """

    def __init__(self) -> None:
        self._reserve()

    def _reserve(self) -> None:
        self._file = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)

    @contextmanager
    def lent(self) -> Iterator[None]:
        """Free the descriptor for the length of a block: the next file that is opened gets it."""
        os.close(self._file)
        try:
            yield
        finally:
            self._reserve()


_LOW_DESCRIPTOR = _ReservedDescriptor()
_TERSE = "terse"
_ODD_BYTES = "surrogateescape"


def _listing(*formats: str, scope: str = "ruleset") -> str:
    status, output, errors = _command(f"list {scope}", *formats)
    if status != 0:
        raise KernelError(f"cannot list nftables rules: {errors.rstrip()}")
    return output


def _text(*formats: str) -> str:
    """List the ruleset for people: protocols by the words that nft takes on any machine."""
    return _QUOTED_OR_PROTOCOL.sub(
        lambda match: match[1] or match[2] + re.sub(r"\d+", _protocol, match[3]),
        _listing(*formats),
    )


def _protocol(number: re.Match[str]) -> str:
    return PROTOCOLS.get(int(number[0]), number[0])


def document(namespace: str) -> list[dict[str, Any]]:
    """Read the ruleset as libnftables' JSON (see libnftables-json(5)): tables, chains, rules, sets, in order.

    Protocols are numbers. Raises KernelError.
    """
    with netns.inside(namespace), _without_warnings():
        if not has_tables():
            return []
        listings = [
            _listing("json", "handle", scope=scope) for scope in _json_scopes(_text("handle"))
        ]
    return [entry for listing in listings for entry in json.loads(listing)["nftables"]]


def _json_scopes(listing: str) -> list[str]:
    """Return the objects that have to be listed to have all of a listing as JSON.

    A table with flags is listed by its chains, one by one, without its sets: libnftables 1.0.6 frees the
    word for a flag before it writes it, and may end the process by that.
    """
    flagged = {(family, table) for family, table, _ in _FLAGS_OF_TABLE.findall(listing)}
    if not flagged:
        return ["ruleset"]
    whole = [f"table {' '.join(table)}" for table in _tables(listing) if table not in flagged]
    return whole + [
        f"chain {' '.join(chain)}" for chain in _chains(listing) if chain[:2] in flagged
    ]


@contextmanager
def _without_warnings() -> Iterator[None]:
    """Hide libnftables 1.0's complaint on stderr that it has no JSON for `update @map`: all else is right."""
    sys.stderr.flush()
    stderr, devnull = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(devnull, 2)
    try:
        yield
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)
        os.close(devnull)


def read_with_handles(namespace: str) -> str:
    """Read the ruleset as text, with the handle of each rule at its end; empty if there is none."""
    with netns.inside(namespace):
        if not has_tables():
            return ""
        return _text("handle")


RuleId: TypeAlias = tuple[str, str, str, int]
"""Family, table, chain and handle of a rule, which tell it from all others of a namespace."""


def rule_id(rule: Mapping[str, Any]) -> RuleId:
    """Return the identity of a rule of a `document`."""
    return rule["family"], rule["table"], rule["chain"], rule.get("handle", 0)


def rules(listing: str) -> dict[RuleId, str]:
    """Return every rule of a listing with handles, as text."""
    return {
        (*chain, int(handle)): text
        for chain, lines in _chains(listing).items()
        for text, separator, handle in (line.rpartition(" # handle ") for line in lines)
        if separator
    }


def _chains(listing: str) -> dict[tuple[str, str, str], list[str]]:
    """Return the lines of each chain of a listing, by its family, table and name."""
    chains: dict[tuple[str, str, str], list[str]] = {}
    family = table = ""
    lines: list[str] = []
    for line in map(str.strip, listing.splitlines()):
        words = line.split()
        if words[:1] == ["table"]:
            family, table = words[1:3]
        elif words[:1] == ["chain"]:
            lines = chains[family, table, words[1]] = []
        elif line == "}":
            lines = []  # Lines outside of chains.
        else:
            lines.append(line)
    return chains


def dormant(listing: str) -> set[tuple[str, str]]:
    """Return family and name of each table of a listing whose chains are off: its JSON does not tell."""
    return {
        (family, table)
        for family, table, flags in _FLAGS_OF_TABLE.findall(listing)
        if "dormant" in flags
    }


def families(listing: str) -> set[str]:
    """Return the families of a listing's tables: ip, inet, bridge, …"""
    return {family for family, _ in _tables(listing)}


def _tables(listing: str) -> list[tuple[str, str]]:
    """Return family and name of each table of a listing."""
    headers = (line.split() for line in listing.splitlines() if line.startswith("table "))
    return [(words[1], words[2]) for words in headers]


def replace(namespace: str, old: str, new: str) -> str:
    """Replace a ruleset at once: every packet meets the old or the new one. Returns as `create` does."""
    return create(namespace, _deletions(old) + new)


def delete(namespace: str, text: str) -> None:
    """Remove the tables of a ruleset. Forgives absence. Raises KernelError."""
    with netns.inside(namespace):
        status, _, errors = _command(_deletions(text))
    if status != 0:
        raise KernelError(f"cannot delete the rules of {namespace}: {errors.rstrip()}")


def _deletions(text: str) -> str:
    """Return commands that delete a ruleset's tables; they add each before, so that it is there."""
    return "".join(
        f"add table {family} {name}\ndelete table {family} {name}\n"
        for family, name in _tables(text)
    )


def delete_table(namespace: str, family: str, name: str) -> None:
    """Remove one table. Raises KernelError."""
    with netns.inside(namespace):
        status, _, errors = _command(f"delete table {family} {name}")
    if status != 0:
        raise KernelError(f"cannot delete the table {name} of {namespace}: {errors.rstrip()}")
