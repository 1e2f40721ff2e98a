"""From a file name, or the name of a shipped scenario, to a checked Scenario.

All problems are reported at once. To find problems behind problems, what
fails the models is cut out of the data and the rest is checked further.
"""

from __future__ import annotations

import copy
import difflib
import re
from collections.abc import Iterator
from dataclasses import replace
from ipaddress import IPv4Network
from pathlib import Path as FilePath
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from netlab.errors import ScenarioError, UsageError
from netlab.scenario.checks import (
    Finding,
    check,
    check_endpoint_names,
    check_expectations,
)
from netlab.scenario.document import Document, Path, parse
from netlab.scenario.model import Scenario, json_schema
from netlab.scenario.names import (
    DNS_NAME,
    DOMAIN_NAME,
    FORWARD_TARGET,
    HOST_NAME,
    HOST_NETWORK,
    HOST_NIC_NAME,
    NETWORK_NAME,
    NODE_NAME,
)
from netlab.scenario.rewrite import rewrite
from netlab.scenario.source import Source
from netlab.scenario.topology import (
    HOST,
    HOTSPOT,
    INTERNET,
    LAN,
    Topology,
    hotspot,
    natural,
    resolve,
    router_of,
)

_PACKAGE = FilePath(__file__).parent.parent
SHIPPED_FOLDERS = (_PACKAGE / "scenarios", _PACKAGE.parent / "scenarios")
"""Where an installed wheel and a source tree keep the shipped scenarios."""

_PATTERN_MEANING = {
    NODE_NAME: "a name is a host name label: letters, digits and hyphens, at most 63",
    NETWORK_NAME: "VMware's networks are called vmnet0, vmnet1, … vmnet255; others' names have"
    " 2 to 15 small letters, digits and hyphens",
    HOST_NETWORK: "the host's networks are called lan, vmnet0, vmnet1, … vmnet255",
    DNS_NAME: "a server has a DNS name like www.example.com",
    DOMAIN_NAME: "a domain name is like localdomain or example.com",
    FORWARD_TARGET: "write a VM (or an address) and a port, like vm1:80",
    HOST_NAME: "names in /etc/hosts are like www.example.com or intranet",
    HOST_NIC_NAME: "the host's cards are called eth0, eth1, … eth9",
}


_EXAMPLES = {
    "expect": "{default: blocked}",
    "mode": "nat",
    "network": "vmnet8",
    "nics": "[vmnet8]",
    "vmnets": "{vmnet8: {mode: nat, subnet: 10.0.0.0/24}}",
    "vms": "{vm1: {nics: [vmnet8]}}",
}
"""What to write where a key is missing."""


def shipped() -> dict[str, FilePath]:
    """The scenarios that come with netlab, by name."""
    folder = next((folder for folder in SHIPPED_FOLDERS if folder.is_dir()), None)
    return {file.stem: file for file in sorted(folder.glob("*.yaml"))} if folder else {}


def locate(name: str) -> FilePath:
    """The file of `name`: a path, or a shipped scenario. Raises UsageError."""
    file = FilePath(name)
    try:
        if file.is_file() and ("/" in name or file.suffix):
            return file
    except (OSError, ValueError) as error:
        raise UsageError(f"'{name}' cannot be a file: {error}") from error
    known = shipped()
    if name in known:
        return known[name]
    near = difflib.get_close_matches(name, known, 1)
    if file.is_dir():
        raise UsageError(f"'{name}' is a folder", "name a scenario file in it")
    raise UsageError(
        f"there is no scenario or file '{name}'",
        f"did you mean '{near[0]}'?" if near else f"shipped scenarios: {', '.join(known)}",
    )


def load(name: str) -> Source:
    """Read and check a scenario. Raises UsageError or ScenarioError."""
    file = locate(name)
    try:
        text = file.read_bytes()
    except OSError as error:
        raise UsageError(f"cannot read '{file}': {error.strerror}") from error
    return loads(text, str(file))


def loads(text: bytes, file: str) -> Source:
    """Check the text of a scenario; `file` is for messages. Raises ScenarioError."""
    return _checked(parse(text, file))


def edited(source: Source, data: dict[str, Any]) -> Source:
    """A scenario with other data, its text changed as little as that takes. Raises ScenarioError."""
    document = rewrite(parse(source.text, source.file), data)
    return replace(_checked(document), name=source.name)


def _checked(document: Document) -> Source:
    topology = _validate(document)
    if document.problems or topology is None:
        raise ScenarioError(document.problems)
    file, warnings = document.file, tuple(sorted(document.warnings))
    return Source(FilePath(file).stem, file, document.text, topology, warnings, document.data)


def _validate(document: Document) -> Topology | None:
    data = document.data
    if not isinstance(data, dict):
        document.complain(
            document.value(()),
            "a scenario is a mapping",
            "start from `netlab scenarios --show nat`",
        )
        return None
    scenario, errors = _read(data)
    for error in errors:
        _complain_of(error, document)
    if scenario is None:
        scenario = _salvage(copy.deepcopy(data), errors)
    if scenario is None:
        return None
    broken = [_path(error) for error in errors]
    topology = resolve(scenario)
    for finding in check(topology, _keys(data, "vmnets") | _keys(data, "segments")):
        # What was cut out below a place explains what seems to be missing there.
        if not any(path[: len(finding.path)] == finding.path for path in broken):
            _note(finding, document)
    if not any(path[:1] == ("expect",) for path in broken):
        for finding in _expectations(topology, data):
            _note(finding, document)
    return topology


def _expectations(topology: Topology, data: Any) -> Iterator[Finding]:
    """Whether all pairs are covered can be judged only if every machine and network is still there."""
    scenario = topology.scenario
    vms, vmnets, lans = _keys(data, "vms"), _keys(data, "vmnets"), _keys(data, "lans")
    peers = {("lan", name) for name in _keys(data, "lan", "peers")}
    peers |= {(lan, name) for lan in lans for name in _keys(data, "lans", lan, "peers")}
    peers |= {(HOTSPOT, name) for name in _keys(data, "host", HOTSPOT)}
    segments = _keys(data, "segments")
    if (vms, peers, vmnets, lans, segments) == (
        set(scenario.vms),
        {(lan, name) for lan, its in scenario.all_lans.items() for name in its.peers}
        | {(HOTSPOT, name) for name in hotspot(scenario)},
        set(scenario.vmnets),
        set(scenario.lans),
        set(scenario.segments),
    ):
        return check_expectations(topology)
    nodes = sorted(vms | {name for _, name in peers}, key=natural)
    routers = [router_of(LAN), *map(router_of, sorted(lans))]
    return check_endpoint_names(scenario, [*nodes, HOST, *routers, INTERNET])


def _read(data: Any) -> tuple[Scenario | None, list[ErrorDetails]]:
    try:
        return Scenario.model_validate(data), []
    except ValidationError as error:
        return None, error.errors(include_url=False)


def _salvage(data: dict[str, Any], errors: list[ErrorDetails]) -> Scenario | None:
    """What is left when everything that fails is cut out; None if nothing usable is."""
    scenario = None
    while scenario is None:
        cut = [_cut(data, _path(e)[:-1] if e["type"] == "missing" else _path(e)) for e in errors]
        for key in ("vmnets", "vms", "expect"):
            data.setdefault(key, {})
        before = errors
        scenario, errors = _read(data)
        if not any(cut) and errors == before:
            return None
    return scenario


def _cut(data: Any, path: Path) -> bool:
    """Delete the innermost mapping entry on `path`; False if it is already gone."""
    holder, key = None, None
    for step in path:
        if isinstance(data, dict):
            if step not in data:
                return False
            holder, key = data, step
            data = data[step]
        elif isinstance(data, list) and isinstance(step, int) and step < len(data):
            data = data[step]
        else:
            break
    if holder is None:
        return False
    del holder[key]
    return True


def _keys(data: Any, *path: str) -> set[str]:
    for step in path:
        data = data.get(step) if isinstance(data, dict) else None
    return set(data) if isinstance(data, dict) else set()


def _path(error: ErrorDetails) -> Path:
    """The error's place in the file: the mark `[key]` that pydantic adds for a bad key is dropped."""
    path = error["loc"]
    bad_key = error["type"] == "string_pattern_mismatch" and path[-1] == "[key]"
    return path[:-1] if bad_key else path


def _note(finding: Finding, document: Document) -> None:
    where = document.key(finding.path) if finding.on_key else document.value(finding.path)
    note = document.warn if finding.is_warning else document.complain
    note(where, finding.what, finding.fix)


def _complain_of(error: ErrorDetails, document: Document) -> None:
    path = _path(error)
    name = ".".join(map(str, path)) or "the file"
    match error["type"]:
        case "missing":
            example = _EXAMPLES.get(str(path[-1]), "…")
            document.complain(
                document.key(path[:-1]), f"'{path[-1]}' is missing", f"add `{path[-1]}: {example}`"
            )
        case "extra_forbidden":
            document.complain(document.key(path), f"unknown key '{path[-1]}'", _suggest(path))
        case "string_pattern_mismatch":
            meaning = _PATTERN_MEANING.get(error["ctx"]["pattern"], "see `netlab schema`")
            document.complain(document.key(path), f"'{error['input']}' is no valid name", meaning)
        case _:
            what, fix = _plain(error)
            document.complain(document.value(path), f"{name}: {what}", fix)


def _plain(error: ErrorDetails) -> tuple[str, str]:
    """Pydantic's message in plain words: what is wrong, and what to do."""
    given = error["input"]
    shown = f"'{given}'" if isinstance(given, str | int | float | bool) else "this"
    context = error.get("ctx", {})
    match error["type"]:
        case "ip_v4_address":
            return f"{shown} is no IPv4 address", "write four numbers like 192.168.1.50"
        case "ip_v4_network":
            return f"{shown} is no IPv4 subnet", _subnet_advice(given)
        case "value_error":
            return f"{shown} {context['error']}", "correct the value"
        case "literal_error" | "enum":
            plain = re.sub("[^a-z]", "", str(given).lower())
            meant = f"did you mean '{plain}'?" if f"'{plain}'" in context["expected"] else ""
            return f"{shown} is not possible here", meant or f"use {context['expected']}"
        case "model_type" | "dict_type" | "model_attributes_type":
            return f"{shown} must be a mapping", "write `key: value` lines below it"
        case "string_type":
            return f"{shown} is not text", "put it in quotes"
        case "list_type":
            return f"{shown} must be a list", "write [a, b] or lines that start with '- '"
        case "too_short":
            return "at least one entry is needed", "add one"
        case "too_long":
            return f"at most {context['max_length']} entries are possible", "remove some"
        case _:
            return f"{shown}: {error['msg'].lower()}", "see `netlab schema`"


def _subnet_advice(given: object) -> str:
    try:
        return f"did you mean {IPv4Network(given, strict=False)}?"
    except ValueError:
        return "write an address and a prefix length like 10.0.0.0/24"


def _suggest(path: Path) -> str:
    known = _known_keys(path[:-1])
    near = difflib.get_close_matches(str(path[-1]), known, 1)
    return f"did you mean '{near[0]}'?" if near else f"known keys here: {', '.join(known)}"


def _known_keys(path: Path) -> list[str]:
    """The keys that the schema knows at `path`."""
    schema = json_schema()
    definitions = schema["$defs"]

    def mapping(part: Any) -> Any:
        """The alternative of `part` that is a mapping or a list, references followed."""
        options = [definitions.get(o.get("$ref", "")[8:], o) for o in part.get("anyOf", [part])]
        return next((o for o in options if o.get("type") in ("object", "array")), {})

    part = schema
    for step in path:
        names = part.get("patternProperties") or {}
        inner = part.get("items") if isinstance(step, int) else part.get("properties", {}).get(step)
        part = mapping(inner or next(iter(names.values()), {}))
    return sorted(part.get("properties", {}))
