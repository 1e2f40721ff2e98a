"""Switches, and the cables between them and the nodes."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import replace

from netlab.frozen import frozen
from netlab.node_interface import NamespaceInterface
from netlab.plan.resources.base import InNamespace, OnInterface, Resource, with_oddities


@frozen
class Bridge(InNamespace):
    """A switch. Its MAC is set once: a bridge's own floats with its ports otherwise."""

    name: str
    mac: str
    hub: bool = False
    """True: it learns no addresses, and every frame goes to every port."""
    oddities: tuple[str, ...] = ()
    """Findings that no plan wants, in words: it is off, or speaks spanning tree."""

    creation_order = 3
    alterable = ("mac", "hub", "oddities")
    takes_a_name = True

    def __str__(self) -> str:
        hub = ", a hub" if self.hub else ""
        return with_oddities(
            f"bridge {self.namespace}/{self.name} ({self.mac}){hub}", self.oddities
        )

    @property
    def interfaces(self) -> tuple[NamespaceInterface, ...]:
        """A bridge is an interface."""
        return (NamespaceInterface(self.namespace, self.name),)


@frozen
class CableEnd(OnInterface):
    """An interface, plugged into a bridge or not: an end of a cable, or one that nobody planned."""

    mac: str | None = None
    """None: the kernel's choice (switch ports)."""
    bridge: str | None = None
    up: bool = True
    """False: switched off. A switch's end: the cable is pulled; a machine's: its adapter is disabled."""

    def __str__(self) -> str:
        return f"interface {self.description}"

    @property
    def description(self) -> str:
        """Its place, bridge and MAC, and whether it is off: `nat.vm1/eth0 in br0 (00:0c:29:…) off`."""
        bridge = f" in {self.bridge}" if self.bridge else ""
        mac = f" ({self.mac})" if self.mac else ""
        return f"{self.namespace}/{self.interface}{bridge}{mac}{'' if self.up else ' off'}"


@frozen
class Cable(Resource):
    """A veth pair."""

    a: CableEnd
    """The switch's end, of a cable between a node and a switch."""
    b: CableEnd
    mtu: int = 1500
    """Bytes."""

    creation_order = 4
    takes_a_name = True

    def __str__(self) -> str:
        return f"cable {self.a.description} -- {self.b.description}, mtu {self.mtu}"

    @property
    def ends(self) -> tuple[CableEnd, CableEnd]:
        """Both ends."""
        return self.a, self.b

    @property
    def is_up(self) -> bool:
        """True if it carries frames."""
        return self.a.up and self.b.up

    @property
    def namespaces(self) -> tuple[str, ...]:
        """The namespaces of both ends."""
        return self.a.namespace, self.b.namespace

    @property
    def interfaces(self) -> tuple[NamespaceInterface, ...]:
        """Both ends."""
        return self.a.interface_key, self.b.interface_key

    @property
    def identity(self) -> Hashable:
        """The cable with both ends on: either can be switched in place."""
        return replace(self, a=replace(self.a, up=True), b=replace(self.b, up=True))

    def change_breaks_dependents(self, new: Resource) -> bool:
        """Return whether a node's interface is switched off or on: it loses its routes.

        A cable that is pulled or plugged in at the switch, it survives.
        """
        assert isinstance(new, Cable)
        ends = zip(self.ends, new.ends, strict=True)
        return any(before.up != after.up and before.bridge is None for before, after in ends)

    def depends_on(self, base: Resource) -> bool:
        """Return whether it needs `base`, which may be a bridge that an end is plugged into."""
        if isinstance(base, Bridge):
            return any((end.namespace, end.bridge) in base.interfaces for end in self.ends)
        return super().depends_on(base)
