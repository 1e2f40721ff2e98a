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

Kind = TypeVar("Kind")


class _Methods:
    """What every frozen dataclass has."""

    _compared: Callable[[Any], object]
    _hashed: Callable[[Any], object]

    def __repr__(self) -> str:
        shown = (one.name for one in fields(self) if one.repr)  # type: ignore[arg-type]
        values = (f"{name}={getattr(self, name)!r}" for name in shown)
        return f"{self.__class__.__qualname__}({', '.join(values)})"

    def __eq__(self, other: object) -> bool:
        if other.__class__ is not self.__class__:
            return NotImplemented
        return self._compared(self) == self._compared(other)

    def __hash__(self) -> int:
        return hash(self._hashed(self))

    def __setattr__(self, name: str, value: object) -> None:
        raise FrozenInstanceError(f"cannot assign to field '{name}'")

    def __delattr__(self, name: str) -> None:
        raise FrozenInstanceError(f"cannot delete field '{name}'")


_METHODS = ("__repr__", "__eq__", "__hash__", "__setattr__", "__delattr__")


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def frozen(kind: type[Kind]) -> type[Kind]:
    """`@dataclass(frozen=True)`, but for the time that it takes; methods of the class's own stay."""
    return furnished(dataclass(init=False, repr=False, eq=False)(kind))


def furnished(kind: type[Kind]) -> type[Kind]:
    """A dataclass that has fields and no methods, with those of a frozen one."""
    untyped: Any = kind
    own = fields(untyped)
    untyped._compared = _values(one.name for one in own if one.compare)
    untyped._hashed = _values(
        one.name for one in own if (one.compare if one.hash is None else one.hash)
    )
    for name in _METHODS:
        if name not in vars(kind):
            setattr(kind, name, vars(_Methods)[name])

    def initialise(self: Any, *positional: Any, **named: Any) -> None:
        untyped.__init__ = _initialiser(untyped)
        untyped.__init__(self, *positional, **named)

    untyped.__init__ = initialise
    return kind


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
