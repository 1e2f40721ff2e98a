"""The plan itself: an ordered list of nouns, and the difference of two."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property

from netlab.frozen import frozen
from netlab.node_interface import NamespaceInterface
from netlab.plan.resources import (
    Address,
    Advertised,
    Bridge,
    Cable,
    CableEnd,
    DhcpClient,
    EtcFile,
    Ipv6,
    Lease,
    Listening,
    Namespace,
    Observed,
    Queue,
    Resource,
    Route,
    Ruleset,
    Service,
    Sysctl,
    creation_order,
)


@frozen
class Plan:
    """Everything that must exist for a lab, in the order of creation."""

    lab: str
    resources: tuple[Resource, ...]

    @classmethod
    def of(cls, lab: str, resources: Iterable[Resource]) -> Plan:
        """The nouns in order: by stage, and within a stage as given."""
        return cls(lab, tuple(sorted(resources, key=creation_order)))

    @cached_property
    def namespaces(self) -> tuple[str, ...]:
        """Names of the namespaces, in the order of creation."""
        return tuple(
            resource.namespace for resource in self.resources if isinstance(resource, Namespace)
        )

    @cached_property
    def peers(self) -> dict[NamespaceInterface, CableEnd]:
        """Every end of a cable, and its other end."""
        cables = [resource for resource in self.resources if isinstance(resource, Cable)]
        return {
            NamespaceInterface(end.namespace, end.interface): other
            for cable in cables
            for end, other in ((cable.one, cable.other), (cable.other, cable.one))
        }


@frozen
class Drift:
    """What one set of nouns has and the other has not."""

    missing: tuple[Observed, ...]
    """Planned, but not there."""
    unplanned: tuple[Observed, ...]
    """There, but not planned."""

    def __bool__(self) -> bool:
        return bool(self.missing or self.unplanned)


def drift_between(planned: Iterable[Observed], observed: Iterable[Observed]) -> Drift:
    """Compare two lists of nouns as sets; each side keeps its order."""
    planned, observed = tuple(planned), tuple(observed)
    have, want = set(observed), set(planned)
    return Drift(
        tuple(resource for resource in planned if resource not in have),
        tuple(resource for resource in observed if resource not in want),
    )


def line(resource: Observed) -> str:
    """A noun as one line (a text is indented below it), for people and golden tests."""
    match resource:
        case Sysctl(namespace, key, value, optional):
            return f"sysctl {namespace} {key}={value}" + (" (if there)" if optional else "")
        case EtcFile(namespace, name, text):
            return _with_text(f"etc {namespace} {name}", text)
        case Bridge(namespace, name, mac, hub, oddities):
            return f"bridge {namespace}/{name} ({mac}){', a hub' if hub else ''}{_but(oddities)}"
        case CableEnd():
            return f"interface {_end(resource)}"
        case Cable(one, other, mtu):
            return f"cable {_end(one)} -- {_end(other)}, mtu {mtu}"
        case Queue(namespace, interface, rate, latency, jitter):
            speed = f" {rate} bit/s" * bool(rate)
            return f"queue {namespace}/{interface}{speed}" + (
                f", {latency} ± {jitter} µs later" * bool(latency)
            )
        case Address(namespace, interface, address):
            return f"address {namespace}/{interface} {address}"
        case Route(namespace, destination, gateway, metric):
            return f"route {namespace} {destination} via {gateway}" + f" metric {metric}" * bool(
                metric
            )
        case Ruleset(namespace, text):
            return _with_text(f"ruleset {namespace}", text)
        case Service(namespace, name, argv, config):
            return _with_text(f"service {namespace} {name}: {' '.join(argv)}", config)
        case Listening(namespace, service, protocol, port):
            return f"listening {namespace} {service} {protocol}/{port}"
        case DhcpClient(namespace, interface, host_name):
            return f"dhcp client {namespace}/{interface} for {host_name}"
        case Lease(namespace, interface):
            return f"lease {namespace}/{interface}"
        case Ipv6(namespace, interface, advertised, metric, local):
            listens = f", takes {advertised} of its router" * bool(advertised)
            listens += f", metric {metric}" * bool(metric)
            return f"ipv6 {namespace}/{interface}{listens}" + ", makes no fe80::" * (not local)
        case Advertised(namespace, interface, address, routed):
            way_out = " and a default route" * routed
            return f"advertised {namespace}/{interface} {address}{way_out}"
        case Namespace(namespace, oddities):
            return f"namespace {namespace}{_but(oddities)}"


def _but(oddities: tuple[str, ...]) -> str:
    return f", but {', '.join(oddities)}" if oddities else ""


def _with_text(first: str, text: str) -> str:
    return "\n".join([first, *(f"    {row.expandtabs(4)}" for row in text.splitlines())])


def _end(end: CableEnd) -> str:
    plugged = f" in {end.bridge}" if end.bridge else ""
    hardware = f" ({end.mac})" if end.mac else ""
    return f"{end.namespace}/{end.interface}{plugged}{hardware}{'' if end.up else ' off'}"
