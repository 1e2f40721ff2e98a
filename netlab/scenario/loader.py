"""From a file name, or the name of a shipped scenario, to a checked Scenario.

All problems are reported at once. To find problems behind problems, what
fails the models is cut out of the data and the rest is checked further.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from netlab.errors import ScenarioError, UsageError
from netlab.scenario import expectation, facts, model_errors
from netlab.scenario.checks import check, check_names
from netlab.scenario.files import STDIN, find_file
from netlab.scenario.loaded import LoadedScenario
from netlab.scenario.model import Scenario, read
from netlab.scenario.text.document import MAX_BYTES, Document, parse
from netlab.scenario.text.paths import DataPath, PathProblem
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


def load_named(name: str) -> LoadedScenario:
    """Read and check a scenario: a path, or the name of a shipped one. Raises UsageError or ScenarioError.

    The file is read once: standard input and pipes can be read once only.
    """
    file = find_file(name)
    try:
        with file.open("rb") as stream:
            text = stream.read(MAX_BYTES + 1)  # A device may have no end.
    except OSError as error:
        raise UsageError(f"cannot read '{file}': {error.strerror}") from error
    scenario = load_text(text, "stdin" if name == STDIN else str(file))
    return scenario if file.is_file() else replace(scenario, name="stdin")


def load_text(text: bytes, file: str) -> LoadedScenario:
    """Read and check the text of a scenario; `file` is for messages. Raises ScenarioError."""
    return _checked(parse(text, file))


def edited(source: LoadedScenario, data: dict[str, Any]) -> LoadedScenario:
    """Return a scenario with other data, its text changed as little as possible. Raises ScenarioError."""
    from netlab.scenario.text.rewrite import rewrite

    document = rewrite(parse(source.text, source.file), data)
    return replace(_checked(document), name=source.name)


def _checked(document: Document) -> LoadedScenario:
    topology = _validate(document)
    if document.problems or topology is None:
        raise ScenarioError(document.problems)
    file, warnings = document.file, tuple(sorted(document.warnings))
    return LoadedScenario(Path(file).stem, file, document.text, topology, warnings, document.data)


def _validate(document: Document) -> Topology | None:
    """Report every problem of a document; return its topology without what is wrong, if anything is left."""
    data = document.data
    if not isinstance(data, dict):
        fix = "start from `netlab scenarios --show nat`"
        document.report(PathProblem((), "a scenario is a mapping", fix))
        return None
    scenario, broken = _usable(data, document)
    if scenario is None:
        return None
    # What was cut out below a path, or beside it, explains what seems to be missing there.
    explained = {path[:length] for path in broken for length in range(len(path) + 1)}
    topology = resolve(scenario)
    for problem in islice(check(topology, partial(_keys, data)), ENOUGH):
        if not explained & {problem.path, (*problem.path[:-1], problem.missing_key)}:
            document.report(problem)
    if ("expect",) not in explained:
        _report(_expectations(topology, data), document)
    return topology


def _usable(data: dict[str, Any], document: Document) -> tuple[Scenario | None, list[DataPath]]:
    """Report what fails the models, and names that clash; return the scenario without it, and its paths."""
    scenario, errors = _read(data)
    _report(model_errors.problems(data, errors), document)
    broken = [model_errors.locate(data, error).path for error in errors]
    usable = copy.deepcopy(data) if errors else data
    if scenario is None:
        scenario = _salvage(usable, errors)
    if scenario and (clashes := list(check_names(scenario))):
        # What follows asks for things by their names.
        _report(clashes, document)
        broken += [problem.path for problem in clashes]
        usable = copy.deepcopy(usable)
        for problem in clashes:
            _cut(usable, problem.path)
        scenario, errors = _read(usable)
        scenario = scenario or _salvage(usable, errors)
    return scenario, broken


def _report(problems: Iterable[PathProblem], document: Document) -> None:
    for problem in islice(problems, ENOUGH):
        document.report(problem)


def _expectations(topology: Topology, data: Any) -> Iterator[PathProblem]:
    """Judge whether all pairs are covered only if every machine and network is still there."""
    scenario = topology.scenario
    vms, vmnets, lans = _keys(data, "vms"), _keys(data, "vmnets"), _keys(data, "lans")
    peers = {("lan", name) for name in _keys(data, "lan", "peers")}
    peers |= {(lan, name) for lan in lans for name in _keys(data, "lans", lan, "peers")}
    peers |= {(HOTSPOT, name) for name in _keys(data, "host", HOTSPOT)}
    segments = _keys(data, "segments")
    if (vms, peers, vmnets, lans, segments) == (
        set(scenario.vms),
        {(name, peer) for name, lan in scenario.all_lans.items() for peer in lan.peers}
        | {(HOTSPOT, name) for name in hotspot(scenario)},
        set(scenario.vmnets),
        set(scenario.lans),
        set(scenario.segments),
    ):
        return chain(expectation.problems(topology), facts.problems(topology))
    nodes = sorted(vms | {name for _, name in peers}, key=natural)
    routers = [router_of(LAN), *map(router_of, sorted(lans))]
    return expectation.unknown_names(scenario.expect, [*nodes, HOST, *routers, INTERNET])


def _read(data: Any) -> tuple[Scenario | None, list[ErrorDetails]]:
    try:
        return read(data), []
    except ValidationError as error:
        return None, error.errors(include_url=False)


def _salvage(data: dict[str, Any], errors: list[ErrorDetails]) -> Scenario | None:
    """Cut out of the data everything that fails; None if nothing usable is left."""
    scenario = None
    while scenario is None:
        paths = {model_errors.locate(data, error).holder for error in errors}
        cut = [_cut(data, path) for path in paths]
        added = [key for key in ("vmnets", "vms", "expect") if key not in data]
        data |= {key: {} for key in added}
        if not (any(cut) or added):
            return None
        scenario, errors = _read(data)
    return scenario


def _cut(data: Any, path: DataPath) -> bool:
    """Delete the innermost mapping entry on `path`. Returns False if it is already deleted."""
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
