"""Scenario files, read and checked."""

from __future__ import annotations

from netlab.scenario import loader
from netlab.scenario.loaded import LoadedScenario


def load(scenario: str) -> LoadedScenario:
    """Read a scenario: a file, or the name of a shipped one. Raises ScenarioError, UsageError."""
    return loader.load_named(scenario)
