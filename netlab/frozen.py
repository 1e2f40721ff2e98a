"""Frozen dataclasses that take no time to define.

`dataclass` writes five methods for each class and compiles them: half a millisecond, and a command
defines a hundred classes before it does anything. Here all classes share their methods but `__init__`,
which is compiled when the first object is made: of most classes, none ever is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import MISSING, FrozenInstanceError, dataclass, field, fields
from operator import attrgetter
from typing import Any, TypeVar, dataclass_transform

Class = TypeVar("Class")


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def frozen(kind: type[Class]) -> type[Class]:
    """Define a class as `@dataclass(frozen=True)` does, in less time; methods of the class's own stay."""
    return furnished(dataclass(init=False, repr=False, eq=False)(kind))


def furnished(kind: type[Class]) -> type[Class]:
    """Give a dataclass that has fields and no methods those of a frozen one."""
    members = fields(kind)  # type: ignore[arg-type]
    compared = _values(member.name for member in members if member.compare)
    hashed = _values(
        member.name
        for member in members
        if (member.compare if member.hash is None else member.hash)
    )

    def initialise(self: Any, *positional: Any, **named: Any) -> None:
        initialiser = _initialiser(kind)
        setattr(kind, "__init__", initialiser)  # noqa: B010
        initialiser(self, *positional, **named)

    def equal(self: Any, value: object) -> object:
        if value.__class__ is self.__class__:
            return compared(self) == compared(value)
        return NotImplemented

    methods = {
        "__init__": initialise,
        "__eq__": equal,
        "__hash__": lambda self: hash(hashed(self)),
        "__repr__": _shown,
        "__setattr__": _refuse_to_set,
        "__delattr__": _refuse_to_delete,
    }
    for name, method in methods.items():
        if name not in vars(kind):
            setattr(kind, name, method)
    return kind


def _shown(self: Any) -> str:
    shown = (member.name for member in fields(self) if member.repr)
    return f"{type(self).__qualname__}({', '.join(f'{name}={getattr(self, name)!r}' for name in shown)})"


def _refuse_to_set(self: Any, name: str, value: object) -> None:
    raise FrozenInstanceError(f"cannot assign to field '{name}'")


def _refuse_to_delete(self: Any, name: str) -> None:
    raise FrozenInstanceError(f"cannot delete field '{name}'")


def _values(names: Iterable[str]) -> Callable[[Any], object]:
    return attrgetter(*(tuple(names) or ("__class__",)))


def _initialiser(kind: Any) -> Callable[..., None]:
    """Compile `__init__`, which sets fields behind the back of `__setattr__`."""
    namespace: dict[str, Any] = {"_set": object.__setattr__, "_left_out": MISSING}
    positional, named, lines = ["self"], ["*"], []
    for member in fields(kind):
        name = value = member.name
        default = ""
        if member.default_factory is not MISSING:
            namespace[f"_new_{name}"], default = member.default_factory, "=_left_out"
            value = f"_new_{name}() if {name} is _left_out else {name}"
        elif member.default is not MISSING:
            namespace[f"_default_{name}"], default = member.default, f"=_default_{name}"
        (named if member.kw_only else positional).append(name + default)
        lines.append(f"_set(self, '{name}', {value})")
    if hasattr(kind, "__post_init__"):
        lines.append("self.__post_init__()")
    head = ", ".join(positional + named if named[1:] else positional)
    exec(f"def __init__({head}):\n " + "\n ".join(lines or ["pass"]), namespace)
    initialiser: Callable[..., None] = namespace["__init__"]
    initialiser.__qualname__ = f"{kind.__qualname__}.__init__"  # Errors name it.
    return initialiser
