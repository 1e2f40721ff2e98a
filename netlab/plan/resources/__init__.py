"""Everything that can exist in a lab: one frozen dataclass per kind of resource.

A plan is an ordered list of these. Because what is planned and what is observed
have the same types, drift is a set difference. A class says all that is pure about
its kind; its driver, in `netlab.kernel.resources` under the same file name, creates,
reads, alters and deletes it. A new kind is a class, a driver, and a row here and in
`kernel.resources.drivers`.
"""

from netlab.plan.resources.addresses import (
    ANYWHERE,
    DEFAULT_ROUTE,
    DEFAULT_ROUTE_6,
    Address,
    Advertised,
    FurtherAddress,
    Ipv6,
    Route,
)
from netlab.plan.resources.base import InNamespace, OnInterface, Resource
from netlab.plan.resources.interfaces import Bridge, Cable, CableEnd
from netlab.plan.resources.namespaces import EtcFile, Namespace, Sysctl
from netlab.plan.resources.queues import Queue
from netlab.plan.resources.rulesets import Ruleset
from netlab.plan.resources.services import DhcpClient, Lease, Listening, Service

__all__ = [
    "ANYWHERE",
    "DEFAULT_ROUTE",
    "DEFAULT_ROUTE_6",
    "Address",
    "Advertised",
    "Bridge",
    "Cable",
    "CableEnd",
    "DhcpClient",
    "EtcFile",
    "FurtherAddress",
    "InNamespace",
    "Ipv6",
    "Lease",
    "Listening",
    "Namespace",
    "OnInterface",
    "Queue",
    "Resource",
    "Route",
    "Ruleset",
    "Service",
    "Sysctl",
]
