"""The base of every kind of resource."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import replace
from typing import ClassVar

from netlab.frozen import frozen
from netlab.node_interface import NamespaceInterface


@frozen
class Resource:
    """Something that a plan can hold. `str()` is a line for people; a text is indented below it."""

    alterable: ClassVar[tuple[str, ...]] = ()
    """Fields of which another value alters it in place; another value of any other makes it anew."""
    takes_a_name: ClassVar[bool] = False
    """True: it cannot be created while something else has its name."""

    @property
    def creation_order(self) -> int:
        """Its stage of creation: each kind comes after what it depends on."""
        raise NotImplementedError

    @property
    def namespaces(self) -> tuple[str, ...]:
        """The namespaces that it is in."""
        raise NotImplementedError

    @property
    def interfaces(self) -> tuple[NamespaceInterface, ...]:
        """Each interface that it creates."""
        return ()

    @property
    def identity(self) -> Hashable:
        """All but its alterable fields: equal for two states of one thing."""
        return replace(self, **dict.fromkeys(self.alterable)) if self.alterable else self

    def can_change_in_place_to(self, new: Resource) -> bool:
        """Return whether it can be altered to `new`, which has its identity."""
        return True

    def change_breaks_dependents(self, new: Resource) -> bool:
        """Return whether what depends on it does not survive that it is altered to `new`."""
        return False

    def uses(self, namespace: str, interface: str) -> bool:
        """Return whether it is about this interface, or about a service that may be bound to it."""
        return False

    def holds(self, resource: Resource) -> bool:
        """Return whether `resource` uses an interface of it."""
        return any(resource.uses(*interface) for interface in self.interfaces)

    def depends_on(self, base: Resource) -> bool:
        """Return whether it cannot exist without `base`."""
        return base.holds(self)


@frozen
class InNamespace(Resource):
    """Base of the kinds that are in one namespace, and die with it."""

    namespace: str

    @property
    def namespaces(self) -> tuple[str, ...]:
        """The namespace that it is in."""
        return (self.namespace,)


@frozen
class OnInterface(InNamespace):
    """Base of the kinds that are on one interface, and die with it."""

    interface: str

    renewed_by: ClassVar[type[OnInterface] | None] = None
    """The kind that has to be made anew, on the same interface, for this to come again."""

    @property
    def interface_key(self) -> NamespaceInterface:
        """The interface, by its namespace and name."""
        return NamespaceInterface(self.namespace, self.interface)

    def uses(self, namespace: str, interface: str) -> bool:
        """Return whether this is its interface."""
        return self.interface_key == (namespace, interface)


def with_text(title: str, text: str) -> str:
    """A line, and a text indented below it."""
    return "\n".join([title, *(f"    {line.expandtabs(4)}" for line in text.splitlines())])


def with_oddities(description: str, oddities: tuple[str, ...]) -> str:
    """A line that says what is odd about a thing."""
    return f"{description}, but {', '.join(oddities)}" if oddities else description
