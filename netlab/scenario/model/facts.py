"""Facts of state: what must be true of machines, beside who reaches whom."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from ipaddress import ip_address, ip_network
from typing import Annotated, Any, Literal

from netlab.scenario.addresses.mac import plain
from netlab.scenario.addresses.span import span
from netlab.scenario.model.marks import Valid, key, mapping
from netlab.scenario.model.values import Flag, ListenPort, OneLine, Patterns
from netlab.scenario.names import HOST_NAME, LONGEST_NAME
from netlab.scenario.text.paths import DataPath

NONE = "none"
"""The word for what must not be there."""
DEFAULT = "default"
"""The word for the destination of all packets."""


def _span(word: str) -> str:
    try:
        span(word)
    except ValueError as error:
        message = "must be an address, a range like 10.0.0.128-10.0.0.253, or a subnet"
        raise ValueError(message) from error
    return word


def _span_or_none(word: str) -> str:
    return word if word == NONE else _span(word)


def _destination(word: str) -> str:
    try:
        return (
            word if word == DEFAULT else str(ip_network(word) if "/" in word else ip_address(word))
        )
    except ValueError as error:
        raise ValueError("must be default, a subnet like 10.0.0.0/24, or an address") from error


def _mac_or_name(word: str) -> str:
    return plain(word) or word


def _listed(value: object) -> object:
    return value if isinstance(value, list) else [value]


def _words(*examples: str) -> dict[str, Any]:
    return {"type": "string", "examples": list(examples)}


_SPANS = _words("10.0.0.5/24", "10.0.0.128-10.0.0.253", "10.0.0.0/24")
SpanWord = Annotated[str, Valid(after=_span, schema=_SPANS)]
SpanWordOrNone = Annotated[str, Valid(after=_span_or_none, schema=_SPANS)]
Destination = Annotated[str, Valid(after=_destination, schema=_words("default", "10.0.0.0/24"))]
AddressOrName = Annotated[OneLine, Valid(max_length=150, schema=_words("10.0.0.2", "vmnet8-nat"))]
"""An address, an endpoint that has it, or `none`."""
MacOrName = Annotated[
    OneLine, Valid(after=_mac_or_name, max_length=150, schema=_words("00:0c:29:12:34:56", "vm1"))
]
Ports = Annotated[
    list[ListenPort], Valid(before=_listed, written=str | list[ListenPort], min_length=1)
]
Property = Literal["mac", "address", "machine-id", "hostname"]
Properties = Annotated[
    list[Property], Valid(before=_listed, written=Property | list[Property], min_length=1)
]
Answers = Annotated[
    dict[Annotated[str, Valid(pattern=HOST_NAME, max_length=LONGEST_NAME)], AddressOrName],
    Valid(min_length=1),
]


@mapping
class LeaseFact:
    """A lease that a machine's DHCP client must have: with these values, and any others."""

    address: SpanWord | None = key(
        default=None, description="The address, or the range or subnet that it lies in."
    )
    server: AddressOrName | None = key(
        default=None, description="Who gave it: a machine, a vmnet's DHCP server, or an address."
    )
    router: AddressOrName | None = key(
        default=None, description="The router option; none: there must be none."
    )
    dns: AddressOrName | None = key(
        default=None, description="The first name server; none: there must be none."
    )
    domain: Annotated[OneLine, Valid(max_length=253)] | None = key(
        default=None, description="The domain; none: there must be none."
    )
    seconds: Annotated[int, Valid(ge=1, le=4_294_967_295, strict=True)] | None = key(
        default=None, description="For how long it was given."
    )


@mapping
class RouteFact:
    """A route that a machine must have; of several to one destination, the one that packets take."""

    to: Destination = key(
        default=DEFAULT,
        description="default or a subnet: as it stands in the table. An address: as the kernel decides.",
    )
    via: AddressOrName | None = key(
        default=None, description="The next hop; none: the destination is on the cable."
    )
    interface: Annotated[OneLine, Valid(max_length=15)] | None = key(
        default=None, description="The interface by which it leads."
    )
    metric: Annotated[int, Valid(ge=0, le=4_294_967_295, strict=True)] | None = key(
        default=None, description="Its metric: this route is meant, not the one that packets take."
    )


@mapping
class NeighbourFact:
    """The MAC address that a machine must know for an address of its network; it asks by ARP if need be."""

    address: AddressOrName = key(description="An address, or the machine that has it.")
    mac: MacOrName | None = key(
        default=None,
        description="A MAC address, the machine whose it is, or none: nobody answers. Default: that of"
        " the machine named by `address`; of a plain address, any.",
    )


@mapping
class Fact:
    """A fact that must be true of each of these machines. It has one kind: one key besides on and holds."""

    on: Patterns = key(description="Machines or patterns: vm1, vm*; one adapter's: vm1@vmnet8.")
    holds: Flag = key(default=True, description="False: it must not be so.")
    lease: Literal["none"] | LeaseFact | None = key(
        default=None, description="Its DHCP lease; {}: any; none: it has none."
    )
    route: RouteFact | None = key(default=None, description="A route in its table.")
    address: SpanWordOrNone | None = key(
        default=None,
        description="An address that it has, or a range or subnet in which it has one; none: it has none.",
    )
    neighbour: NeighbourFact | None = key(
        default=None, description="The MAC address that it knows for a neighbour."
    )
    unique: Properties | None = key(
        default=None, description="What no other machine of its networks has, too."
    )
    resolves: Answers | None = key(
        default=None,
        description="Names, and the address that a program there gets for each: by /etc/hosts, else from"
        " its name servers, which are really asked; none: no address.",
    )
    listens: Ports | None = key(
        default=None,
        description="Ports at which a program waits for what comes from other machines.",
    )

    @property
    def kind(self) -> str:
        """The key that says what must be true."""
        return next(name for name in KINDS if getattr(self, name) is not None)

    @property
    def value(self) -> Any:
        """The value of that key."""
        return getattr(self, self.kind)

    @property
    def names(self) -> Iterator[tuple[DataPath, str | None]]:
        """Yield the endpoints, addresses and `none` that it compares with, each with its keys in the fact."""
        match self.value:
            case LeaseFact() as lease:
                for option in ("server", "router", "dns"):
                    yield ("lease", option), getattr(lease, option)
            case RouteFact() as route:
                yield ("route", "via"), route.via
            case NeighbourFact() as neighbour:
                yield ("neighbour", "address"), neighbour.address
                yield ("neighbour", "mac"), neighbour.mac
            case dict() as answers:
                for name, address in answers.items():
                    yield ("resolves", name), address

    @property
    def text(self) -> str:
        """The kind and its value, as in a file: `lease: {address: 10.0.0.128}`."""
        return f"{self.kind}: {_written(self.value)}"


KINDS = tuple(member.name for member in fields(Fact) if member.name not in ("on", "holds"))
"""The kinds of facts."""


def _written(value: Any) -> str:
    match value:
        case LeaseFact() | RouteFact() | NeighbourFact():
            return _written(dict(_set_fields(value)))
        case dict():
            return (
                "{" + ", ".join(f"{name}: {_written(inner)}" for name, inner in value.items()) + "}"
            )
        case [single]:
            return _written(single)
        case list():
            return "[" + ", ".join(map(_written, value)) + "]"
    return str(value)


def _set_fields(value: Any) -> Iterator[tuple[str, Any]]:
    for member in fields(value):
        if (inner := getattr(value, member.name)) is not None:
            yield member.name, inner


def _of_one_kind(fact: Fact) -> Fact:
    kinds = [name for name in KINDS if getattr(fact, name) is not None]
    if not kinds:
        raise ValueError(f"says nothing: give it one of {', '.join(KINDS)}")
    if len(kinds) > 1:
        raise ValueError(f"says several things: make a fact of each of {', '.join(kinds)}")
    return fact


CheckedFact = Annotated[Fact, Valid(after=_of_one_kind)]
