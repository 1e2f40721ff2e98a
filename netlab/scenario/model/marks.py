"""Marks of a model's keys and values for pydantic, which is loaded only where a text is checked.

A lab's record holds checked values: reading it needs the models, and no pydantic.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import MISSING, dataclass, field
from typing import Any, Literal, TypeVar, dataclass_transform

from netlab.frozen import furnished

Validator = Callable[[Any], object]
Marked = TypeVar("Marked")


def key(*, default: Any = MISSING, **metadata: Any) -> Any:
    """Declare a key of a mapping: its default where it is left out, and its entry in the schema.

    A default is shared by all mappings without the key: nobody changes it.
    """
    if not isinstance(default, dict | list):
        return field(default=default, metadata=metadata)

    def add_default(schema: dict[str, Any]) -> None:
        from pydantic_core import to_jsonable_python

        schema["default"] = to_jsonable_python(default)

    return field(
        default_factory=lambda: default, metadata={**metadata, "json_schema_extra": add_default}
    )


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(key,))
def mapping(kind: type[Marked]) -> type[Marked]:
    """Define a mapping of a scenario file: immutable, unknown keys refused."""
    kind.__pydantic_config__ = {"extra": "forbid"}  # type: ignore[attr-defined]
    return furnished(dataclass(init=False, repr=False, eq=False, kw_only=True)(kind))


class Valid:
    """The reading and checking of a value: the mark of an `Annotated` type.

    It stands for a group of pydantic's own marks, which are made when pydantic asks.
    """

    __is_annotated_types_grouped_metadata__: Literal[True] = True

    def __init__(
        self,
        *,
        before: Validator | None = None,
        after: Validator | None = None,
        instead: Validator | None = None,
        written: Any = None,
        schema: dict[str, Any] | None = None,
        **limits: Any,
    ) -> None:
        """Check `before`, `after` or `instead` of pydantic's own check; `written` is the type in the file."""
        self._before, self._after, self._instead = before, after, instead
        self._written, self._schema, self._limits = written, schema, limits

    def __iter__(self) -> Iterator[Any]:
        from pydantic import AfterValidator, BeforeValidator, Field, PlainValidator, WithJsonSchema

        if self._before and self._written:
            yield BeforeValidator(self._before, json_schema_input_type=self._written)
        elif self._before:
            yield BeforeValidator(self._before)
        if self._after:
            yield AfterValidator(self._after)
        if self._instead:
            yield PlainValidator(self._instead)
        if self._schema:
            yield WithJsonSchema(self._schema)
        if self._limits:
            yield Field(**self._limits)
