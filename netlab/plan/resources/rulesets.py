"""Rulesets of nftables."""

from __future__ import annotations

from netlab.frozen import frozen
from netlab.plan.resources.base import InNamespace, with_text


@frozen
class Ruleset(InNamespace):
    """A namespace's nftables tables, as text that `nft -f` takes."""

    text: str

    creation_order = 8
    alterable = ("text",)

    def __str__(self) -> str:
        return with_text(f"ruleset {self.namespace}", self.text)
