"""The plan itself: an ordered list of nouns, and the difference of two."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property

from netlab.frozen import frozen
from netlab.plan.resources import (
    Address,
    Advertised,
    Bridge,
    Cable,
    DhcpClient,
    End,
    EtcFile,
    Ipv6,
    Lease,
    Listening,
    Namespace,
    Noun,
    Observed,
    Queue,
    Route,
    Ruleset,
    Service,
    Sysctl,
    stage,
)


@frozen
class Plan:
    """Everything that must exist for a lab, in the order of creation."""

    lab: str
    nouns: tuple[Noun, ...]

    @classmethod
    def of(cls, lab: str, nouns: Iterable[Noun]) -> Plan:
        """The nouns in order: by stage, and within a stage as given."""
        return cls(lab, tuple(sorted(nouns, key=stage)))

    @cached_property
    def namespaces(self) -> tuple[str, ...]:
        """Names of the namespaces, in the order of creation."""
        return tuple(noun.namespace for noun in self.nouns if isinstance(noun, Namespace))

    @cached_property
    def peers(self) -> dict[tuple[str, str], End]:
        """(namespace, interface) of every end of a cable, and its other end."""
        cables = [noun for noun in self.nouns if isinstance(noun, Cable)]
        return {
            (end.namespace, end.interface): other
            for cable in cables
            for end, other in ((cable.one, cable.other), (cable.other, cable.one))
        }


@frozen
class Difference:
    """What one set of nouns has and the other has not."""

    missing: tuple[Observed, ...]
    """Planned, but not there."""
    unplanned: tuple[Observed, ...]
    """There, but not planned."""

    def __bool__(self) -> bool:
        return bool(self.missing or self.unplanned)


def difference(planned: Iterable[Observed], observed: Iterable[Observed]) -> Difference:
    """Compare two lists of nouns as sets; each side keeps its order."""
    planned, observed = tuple(planned), tuple(observed)
    have, want = set(observed), set(planned)
    return Difference(
        tuple(noun for noun in planned if noun not in have),
        tuple(noun for noun in observed if noun not in want),
    )


def line(noun: Observed) -> str:
    """A noun as one line (a text is indented below it), for people and golden tests."""
    match noun:
        case Sysctl(where, key, value, optional):
            return f"sysctl {where} {key}={value}" + (" (if there)" if optional else "")
        case EtcFile(where, name, text):
            return _with_text(f"etc {where} {name}", text)
        case Bridge(where, name, mac, hub, oddities):
            return f"bridge {where}/{name} ({mac}){', a hub' if hub else ''}{_but(oddities)}"
        case End():
            return f"interface {_end(noun)}"
        case Cable(one, other, mtu):
            return f"cable {_end(one)} -- {_end(other)}, mtu {mtu}"
        case Queue(where, interface, rate, latency, jitter):
            speed = f" {rate} bit/s" * bool(rate)
            return f"queue {where}/{interface}{speed}" + (
                f", {latency} ± {jitter} µs later" * bool(latency)
            )
        case Address(where, interface, address):
            return f"address {where}/{interface} {address}"
        case Route(where, destination, gateway, metric):
            return f"route {where} {destination} via {gateway}" + f" metric {metric}" * bool(metric)
        case Ruleset(where, text):
            return _with_text(f"ruleset {where}", text)
        case Service(where, name, argv, config):
            return _with_text(f"service {where} {name}: {' '.join(argv)}", config)
        case Listening(where, service, protocol, port):
            return f"listening {where} {service} {protocol}/{port}"
        case DhcpClient(where, interface, host_name):
            return f"dhcp client {where}/{interface} for {host_name}"
        case Lease(where, interface):
            return f"lease {where}/{interface}"
        case Ipv6(where, interface, advertised, metric, local):
            listens = f", takes {advertised} of its router" * bool(advertised)
            listens += f", metric {metric}" * bool(metric)
            return f"ipv6 {where}/{interface}{listens}" + ", makes no fe80::" * (not local)
        case Advertised(where, interface, address, routed):
            way_out = " and a default route" * routed
            return f"advertised {where}/{interface} {address}{way_out}"
        case Namespace(where, oddities):
            return f"namespace {where}{_but(oddities)}"


def _but(oddities: tuple[str, ...]) -> str:
    return f", but {', '.join(oddities)}" if oddities else ""


def _with_text(first: str, text: str) -> str:
    return "\n".join([first, *(f"    {row.expandtabs(4)}" for row in text.splitlines())])


def _end(end: End) -> str:
    plugged = f" in {end.bridge}" if end.bridge else ""
    hardware = f" ({end.mac})" if end.mac else ""
    return f"{end.namespace}/{end.interface}{plugged}{hardware}{'' if end.up else ' off'}"
