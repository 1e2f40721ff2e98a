"""Words for who types a command: the things of a running lab's scenario that can be changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netlab.scenario import vocabulary
from netlab.scenario.text import edit

if TYPE_CHECKING:
    from netlab.lab.labs import Lab


def set_targets(lab: Lab) -> list[str]:
    """List what `set_value` can change something of."""
    return edit.targets(lab.source.data)


def networks(lab: Lab) -> list[str]:
    """List what an adapter can be plugged into."""
    scenario = lab.source.scenario
    return [*scenario.vmnets, *scenario.segments]


def keys(lab: Lab, target: str) -> list[str]:
    """List the keys of a target."""
    return vocabulary.keys(edit.target_path(lab.source.data, target))


def values(lab: Lab, target: str, key: str) -> list[str]:
    """List the values of a target's key, where there are few."""
    if key == "network":
        return networks(lab)
    return vocabulary.values((*edit.target_path(lab.source.data, target), key))
