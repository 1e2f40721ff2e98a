"""A lab as it is now, as far as a matrix needs it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from ipaddress import IPv4Interface, IPv6Interface
from typing import TYPE_CHECKING

from netlab.frozen import frozen
from netlab.node_interface import NodeInterface
from netlab.scenario.model import Family

if TYPE_CHECKING:
    from netlab.diagnosis.journey import NetworkMap
    from netlab.scenario.expectation import Expectation
    from netlab.scenario.topology import Node
    from netlab.trace.model import TraceRequest

AdapterAddresses = Mapping[NodeInterface, tuple[IPv4Interface | IPv6Interface, ...]]
"""The addresses of one family that interfaces have now: (node, interface) to addresses."""


@frozen
class MatrixInput:
    """A lab as it is now, as far as a matrix needs it."""

    nodes: Collection[Node]
    """Every node that may have an address that is seen."""
    namespaces: Mapping[str, str]
    """Node to namespace, of every node."""
    addresses: Mapping[Family, AdapterAddresses]
    netmap: NetworkMap
    request: Callable[[Expectation, str, str], TraceRequest]
    """The probe of an expectation from an IP address (empty: as the kernel chooses) to another."""
    dhcp_complaints: Callable[[str], Mapping[str, str]] = lambda mac: {}
    """See `netlab.trace.trace.traces`."""
    gone: Collection[str] = ()
    """Nodes whose namespace is gone; the addresses are those that they had."""
