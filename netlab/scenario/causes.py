"""Words for why a packet was dropped, as expectations name them. A room above knows them: `diagnosis`."""

from __future__ import annotations

from collections.abc import Callable, Iterable

_source: Callable[[], Iterable[str]] = tuple


def known_by(source: Callable[[], Iterable[str]]) -> None:
    """Set the source of all causes, which this room must not import."""
    global _source
    _source = source


def causes() -> tuple[str, ...]:
    """Return the causes: `firewall`, `arp-unanswered`, …"""
    return tuple(_source())
