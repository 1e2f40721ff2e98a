"""Driver of rulesets."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace

from netlab.errors import KernelError
from netlab.kernel import files
from netlab.kernel.nftables import nft
from netlab.kernel.resources.base import Context, Driver, LabState, NamespaceState
from netlab.plan.resources import Resource, Ruleset


class RulesetDriver(Driver[Ruleset]):
    """Loads rulesets, and records how they are shown when they are new."""

    def create(self, resource: Ruleset, context: Context) -> None:
        shown = nft.create(resource.namespace, resource.text)
        files.write(str(context.run.ruleset(resource.namespace)), shown)

    def read(self, resource: Ruleset, lab: LabState) -> Ruleset | None:
        """The ruleset, compared as it is shown now and was when it was new: nft rewrites what it is given.

        Another libnftables may have come meanwhile that writes it otherwise.
        """
        shown = lab.of(resource).ruleset
        if not shown:
            return None
        recorded = lab.run.ruleset(resource.namespace)
        same = recorded.is_file() and shown == recorded.read_text()
        if not same:
            with suppress(KernelError):
                same = shown == nft.normalized(resource.text)
        return resource if same else replace(resource, text=shown)

    def alter(self, old: Ruleset, new: Ruleset, context: Context) -> None:
        shown = nft.replace(new.namespace, old.text, new.text)
        files.write(str(context.run.ruleset(new.namespace)), shown)

    def delete(self, resource: Ruleset, context: Context) -> None:
        nft.delete(resource.namespace, resource.text)
        files.remove(str(context.run.ruleset(resource.namespace)))

    def unplanned(self, state: NamespaceState, planned: set[Resource]) -> Iterator[Ruleset]:
        if state.ruleset and not any(isinstance(resource, Ruleset) for resource in planned):
            yield Ruleset(state.name, state.ruleset)
