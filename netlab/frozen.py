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
    """`@dataclass(frozen=True)`, but for the time that it takes; methods of the class's own stay."""
    return furnished(dataclass(init=False, repr=False, eq=False)(kind))


def furnished(kind: type[Class]) -> type[Class]:
    """A dataclass that has fields and no methods, with those of a frozen one."""
    own = fields(kind)  # type: ignore[arg-type]
    compared = _values(one.name for one in own if one.compare)
    hashed = _values(one.name for one in own if (one.compare if one.hash is None else one.hash))

    def initialise(self: Any, *positional: Any, **named: Any) -> None:
        initialiser = _initialiser(kind)
        setattr(kind, "__init__", initialiser)  # noqa: B010
        initialiser(self, *positional, **named)

    def equal(self: Any, other: object) -> object:
        if other.__class__ is self.__class__:
            return compared(self) == compared(other)
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
    shown = (one.name for one in fields(self) if one.repr)
    return f"{type(self).__qualname__}({', '.join(f'{name}={getattr(self, name)!r}' for name in shown)})"


def _refuse_to_set(self: Any, name: str, value: object) -> None:
    raise FrozenInstanceError(f"cannot assign to field '{name}'")


def _refuse_to_delete(self: Any, name: str) -> None:
    raise FrozenInstanceError(f"cannot delete field '{name}'")


def _values(names: Iterable[str]) -> Callable[[Any], object]:
    return attrgetter(*(tuple(names) or ("__class__",)))


def _initialiser(kind: Any) -> Callable[..., None]:
    """`__init__`, which sets fields behind the back of `__setattr__`."""
    known: dict[str, Any] = {"_set": object.__setattr__, "_left_out": MISSING}
    positional, named, lines = ["self"], ["*"], []
    for one in fields(kind):
        name = value = one.name
        default = ""
        if one.default_factory is not MISSING:
            known[f"_new_{name}"], default = one.default_factory, "=_left_out"
            value = f"_new_{name}() if {name} is _left_out else {name}"
        elif one.default is not MISSING:
            known[f"_default_{name}"], default = one.default, f"=_default_{name}"
        (named if one.kw_only else positional).append(name + default)
        lines.append(f"_set(self, '{name}', {value})")
    if hasattr(kind, "__post_init__"):
        lines.append("self.__post_init__()")
    head = ", ".join(positional + named if named[1:] else positional)
    exec(f"def __init__({head}):\n " + "\n ".join(lines or ["pass"]), known)
    initialiser: Callable[..., None] = known["__init__"]
    initialiser.__qualname__ = f"{kind.__qualname__}.__init__"  # Errors name it.
    return initialiser
