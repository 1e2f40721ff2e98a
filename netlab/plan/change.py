"""From one plan to another: what has to go, what has to come, what is altered in place. Pure.

What is equal in both plans is not touched, unless it stands on something that
goes: an address on its interface, a route on the address by which its gateway
is reached, a service on the cards of its machine.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from netlab.plan.nouns import (
    Address,
    Advertised,
    Bridge,
    Cable,
    DhcpClient,
    EtcFile,
    Ipv6,
    Lease,
    Listening,
    Namespace,
    Noun,
    Queue,
    Route,
    Ruleset,
    Service,
    Sysctl,
    stage,
)
from netlab.plan.plan import Plan


@dataclass(frozen=True)
class Change:
    """How to come from one plan to another."""

    removed: tuple[Noun, ...]
    """In this order."""
    altered: tuple[tuple[Noun, Noun], ...]
    """Old and new: the same thing with another content, which nothing else notices."""
    created: tuple[Noun, ...]
    """In this order."""

    def __bool__(self) -> bool:
        return bool(self.removed or self.altered or self.created)

    def gives_back(self, client: DhcpClient) -> bool:
        """Whether a client that goes can tell its server: not if it is torn from its network."""
        return not any(
            (end.namespace, end.interface) == (client.namespace, client.interface)
            for noun in self.removed
            if isinstance(noun, Cable)
            for end in (noun.one, noun.other)
        )

    @property
    def reverse(self) -> Change:
        """The way back."""
        altered = tuple((new, old) for old, new in reversed(self.altered))
        return Change(self.created[::-1], altered, self.removed[::-1])


def change(old: Plan, new: Plan) -> Change:
    """What `apply` has to do."""
    before, after = set(old.nouns), set(new.nouns)
    goes = [noun for noun in old.nouns if noun not in after]
    comes = [noun for noun in new.nouns if noun not in before]
    successors = {_identity(noun): noun for noun in comes}
    altered = [
        (noun, successors[_identity(noun)])
        for noun in goes
        if _identity(noun) in successors and _in_place(noun, successors[_identity(noun)])
    ]
    kept = {noun for pair in altered for noun in pair}
    gone = set(goes) - kept
    shaken = gone | {noun for noun, successor in altered if _interrupts(noun, successor)}
    while fallen := {
        noun for noun in old.nouns if noun not in shaken | kept and _falls(noun, shaken)
    }:
        gone |= fallen
        shaken |= fallen
    removed = sorted((noun for noun in old.nouns if noun in gone), key=stage, reverse=True)
    created = [
        noun for noun in new.nouns if noun not in kept and (noun in gone or noun not in before)
    ]
    return Change(tuple(removed), tuple(altered), tuple(sorted(created, key=stage)))


def _identity(noun: Noun) -> tuple[object, ...]:
    """What makes two nouns the same thing, whatever its content."""
    match noun:
        case Sysctl(namespace, key):
            return Sysctl, namespace, key
        case EtcFile(namespace, name):
            return EtcFile, namespace, name
        case Ruleset(namespace):
            return Ruleset, namespace
        case Bridge():
            return (replace(noun, hub=False),)
        case Queue(namespace, interface):
            return Queue, namespace, interface
        case DhcpClient():
            return (replace(noun, terms=()),)
        case Cable(one, other):
            return Cable, replace(one, up=True), replace(other, up=True), noun.mtu
        case _:
            return (noun,)


def _in_place(old: Noun, new: Noun) -> bool:
    """A DHCP client that nobody is to give anything keeps what it has, until its lease ends."""
    return isinstance(old, Sysctl | EtcFile | Ruleset | Bridge | Cable | Queue) or (
        isinstance(new, DhcpClient) and not new.terms
    )


def _interrupts(old: Noun, new: Noun) -> bool:
    """A machine's interface that is switched off or on loses its routes; a pulled cable it survives."""
    if not (isinstance(old, Cable) and isinstance(new, Cable)):
        return False
    ends = zip((old.one, old.other), (new.one, new.other), strict=True)
    return any(before.up != after.up and before.bridge is None for before, after in ends)


def _falls(noun: Noun, gone: Iterable[Noun]) -> bool:
    return any(_stands_on(noun, one) for one in gone)


def _stands_on(noun: Noun, base: Noun) -> bool:
    match base, noun:
        case Namespace(namespace), _:
            return namespace in _namespaces(noun)
        case Bridge(namespace, name), Cable(one, other):
            return any((end.namespace, end.bridge) == (namespace, name) for end in (one, other))
        case Cable(one, other), _:
            return any(_uses(noun, end.namespace, end.interface) for end in (one, other))
        case Address(namespace, _, address), Route(where, _, gateway):
            return where == namespace and gateway in address.network
        case Service(namespace, name), Listening(where, service):
            return (where, service) == (namespace, name)
        case DhcpClient(namespace, interface), Lease(where, its):
            return (where, its) == (namespace, interface)
        case Ipv6(namespace, interface), Address(where, its, address):
            return (where, its) == (namespace, interface) and address.version == 6
        case Ipv6(namespace, interface), Advertised(where, its):
            return (where, its) == (namespace, interface)
        case Ipv6(namespace), Service() | Listening():
            return namespace == noun.namespace
        case _:
            return False


def _namespaces(noun: Noun) -> Iterator[str]:
    if isinstance(noun, Cable):
        yield from (noun.one.namespace, noun.other.namespace)
    else:
        yield noun.namespace


def _uses(noun: Noun, namespace: str, interface: str) -> bool:
    """Whether a noun is about an interface, or about a service that may be bound to it."""
    match noun:
        case Address() | Ipv6() | Advertised() | DhcpClient() | Lease() | Queue():
            return (noun.namespace, noun.interface) == (namespace, interface)
        case Sysctl():
            return noun.namespace == namespace and f".{interface}." in f".{noun.key}."
        case Service() | Listening():
            return noun.namespace == namespace
        case _:
            return False
