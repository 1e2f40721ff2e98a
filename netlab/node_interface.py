"""Keys of interfaces: by the node that people name, and by the namespace that the kernel knows."""

from __future__ import annotations

from typing import NamedTuple


class NodeInterface(NamedTuple):
    """An interface of a node (VM, host, NAT device or switch) of a lab."""

    node: str
    interface: str


class NamespaceInterface(NamedTuple):
    """An interface of a namespace of the machine."""

    namespace: str
    interface: str
