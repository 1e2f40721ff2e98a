"""From a file name, or the name of a shipped scenario, to a checked Scenario.

All problems are reported at once. To find problems behind problems, what
fails the models is cut out of the data and the rest is checked further.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path as FilePath
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from netlab.errors import ScenarioError, UsageError
from netlab.scenario.checks import (
    PathProblem,
    check,
    check_endpoint_names,
    check_expectations,
    check_names,
)
from netlab.scenario.files import STDIN, locate
from netlab.scenario.loaded import LoadedScenario
from netlab.scenario.model import Scenario, read
from netlab.scenario.model_errors import ModelError, place, worded
from netlab.scenario.text.document import MAX_BYTES, Document, Path, parse
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

ENOUGH = 1_000
"""Problems of one kind that are put into words: who has more will see that."""


def load(name: str) -> LoadedScenario:
    """Read and check a scenario: what can be read once is read once. Raises UsageError or ScenarioError."""
    file = locate(name)
    try:
        with file.open("rb") as stream:
            text = stream.read(MAX_BYTES + 1)  # A device may have no end.
    except OSError as error:
        raise UsageError(f"cannot read '{file}': {error.strerror}") from error
    source = loads(text, "stdin" if name == STDIN else str(file))
    return source if file.is_file() else replace(source, name="stdin")


def loads(text: bytes, file: str) -> LoadedScenario:
    """Check the text of a scenario; `file` is for messages. Raises ScenarioError."""
    return _checked(parse(text, file))


def edited(source: LoadedScenario, data: dict[str, Any]) -> LoadedScenario:
    """A scenario with other data, its text changed as little as that takes. Raises ScenarioError."""
    from netlab.scenario.text.rewrite import rewrite

    document = rewrite(parse(source.text, source.file), data)
    return replace(_checked(document), name=source.name)


def _checked(document: Document) -> LoadedScenario:
    topology = _validate(document)
    if document.problems or topology is None:
        raise ScenarioError(document.problems)
    file, warnings = document.file, tuple(sorted(document.warnings))
    return LoadedScenario(
        FilePath(file).stem, file, document.text, topology, warnings, document.data
    )


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
    for error in islice(worded(data, errors), ENOUGH):
        _complain_of(error, document)
    broken = [place(data, error).path for error in errors]
    rest = copy.deepcopy(data) if errors else data
    if scenario is None:
        scenario = _salvage(rest, errors)
    if scenario and (clashes := list(check_names(scenario))):
        # What follows asks for things by their names.
        for finding in islice(clashes, ENOUGH):
            _note(finding, document)
        broken += [finding.path for finding in clashes]
        rest = copy.deepcopy(rest)
        for finding in clashes:
            _cut(rest, finding.path)
        scenario, errors = _read(rest)
        scenario = scenario or _salvage(rest, errors)
    if scenario is None:
        return None
    # What was cut out below a place, or beside it, explains what seems to be missing there.
    explained = {path[:length] for path in broken for length in range(len(path) + 1)}
    topology = resolve(scenario)
    findings = check(topology, partial(_keys, data))
    for finding in islice(findings, ENOUGH):
        if not explained & {finding.path, (*finding.path[:-1], finding.without)}:
            _note(finding, document)
    if ("expect",) not in explained:
        for finding in islice(_expectations(topology, data), ENOUGH):
            _note(finding, document)
    return topology


def _expectations(topology: Topology, data: Any) -> Iterator[PathProblem]:
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
        return read(data), []
    except ValidationError as error:
        return None, error.errors(include_url=False)


def _salvage(data: dict[str, Any], errors: list[ErrorDetails]) -> Scenario | None:
    """What is left when everything that fails is cut out; None if nothing usable is."""
    scenario = None
    while scenario is None:
        cut = [_cut(data, path) for path in {place(data, error).holder for error in errors}]
        added = [key for key in ("vmnets", "vms", "expect") if key not in data]
        data |= {key: {} for key in added}
        if not (any(cut) or added):
            return None
        scenario, errors = _read(data)
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


def _note(finding: PathProblem, document: Document) -> None:
    where = document.key(finding.path) if finding.on_key else document.value(finding.path)
    note = document.warn if finding.is_warning else document.complain
    note(where, finding.what, finding.fix)


def _complain_of(error: ModelError, document: Document) -> None:
    where, is_key = error.place.holder, error.place.on_key or error.place.is_missing
    position = document.key(where) if is_key else document.value(where)
    document.complain(position, error.what, error.fix)
