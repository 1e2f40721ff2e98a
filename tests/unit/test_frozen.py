"""A frozen class does what a frozen dataclass does, and costs nothing until there is one."""

from __future__ import annotations

import pickle
import subprocess
import sys
from collections.abc import Callable
from dataclasses import FrozenInstanceError, asdict, dataclass, field, fields, replace
from functools import cached_property
from typing import Any

import pytest

from netlab.frozen import frozen
from netlab.scenario.model.marks import key, mapping
from tests.pace import HANG_SECONDS


def made_by(decorate: Callable[[type], type]) -> Any:
    @decorate
    class Text:
        """Some of everything."""

        name: str
        number: int = 7
        names: list[str] = field(default_factory=list, hash=False)
        hidden: str = field(default="secret", repr=False)
        aside: str = field(default="", compare=False)

        @cached_property
        def twice(self) -> int:
            return self.number * 2

    return Text


Ours, Theirs = made_by(frozen), made_by(dataclass(frozen=True))


@frozen
class Empty:
    """Has no fields."""


@frozen
class Named:
    """Has a word of its own for what it is."""

    name: str

    def __post_init__(self) -> None:
        if not self.name:
            raise ValueError("no name")

    def __str__(self) -> str:
        return self.name

    def __hash__(self) -> int:
        return 3


@frozen
class Further(Named):
    """Has a field more."""

    more: int = 1


@mapping
class Written:
    """A mapping of a file."""

    first: int = key(default=1)
    second: str


def test_it_is_as_a_frozen_dataclass():
    for given in ({"name": "a"}, {"name": "a", "number": 8, "names": ["x"], "aside": "b"}):
        ours, theirs = Ours(**given), Theirs(**given)
        assert asdict(ours) == asdict(theirs)
        assert repr(ours) == repr(theirs)
        assert hash(ours) == hash(theirs)
        assert ours == Ours(**given) and ours != theirs and ours != 1
        assert ours == replace(ours, aside="else")
        assert ours != replace(ours, hidden="else")
    assert Ours.__match_args__ == Theirs.__match_args__
    assert [member.name for member in fields(Ours)] == [member.name for member in fields(Theirs)]
    assert Ours("a").names is not Ours("a").names


def test_nothing_of_it_can_be_changed():
    ours = Ours("a")
    with pytest.raises(FrozenInstanceError, match="cannot assign to field 'name'"):
        ours.name = "b"
    with pytest.raises(FrozenInstanceError, match="cannot delete field 'name'"):
        del ours.name
    assert ours.twice == 14
    assert ours.twice is ours.twice
    assert ours == Ours("a"), "what was worked out of it is no part of it"


def test_wrong_arguments_are_told_as_ever():
    for kind in (Ours, Theirs):
        with pytest.raises(TypeError, match=r"__init__\(\) missing 1 required .*'name'"):
            kind()
        with pytest.raises(TypeError, match="unexpected keyword argument 'other'"):
            kind("a", other=1)


def test_a_class_may_have_no_fields_methods_of_its_own_and_heirs():
    assert Empty() == Empty() and repr(Empty()) == "Empty()" and hash(Empty()) == hash(Empty())
    assert Empty() != Named("a")
    assert hash(Named("a")) == 3 and str(Named("a")) == "a"
    with pytest.raises(ValueError, match="no name"):
        Named("")
    assert Further("a", 2) == Further("a", more=2) != Further("a")
    assert Further("a") != Named("a")
    assert pickle.loads(pickle.dumps(Further("a"))) == Further("a")
    with pytest.raises(ValueError, match="no name"):
        Further("")


def test_a_mapping_has_keys_in_any_order():
    assert Written(second="a") == Written(first=1, second="a")
    with pytest.raises(TypeError):
        Written(1, "a")


def test_no_method_is_compiled_before_there_is_an_object():
    script = (
        "import builtins; from netlab.frozen import frozen\n"
        "compiled, real = [], exec\n"
        # Since Python 3.13, `dataclass` compiles a text of no methods, too.
        "def told(text, *rest): compiled.extend(['__init__'] * ('__init__' in text)); real(text, *rest)\n"
        "builtins.exec = told\n"
        "@frozen\n"
        "class Some:\n"
        "    'One field.'\n"
        "    name: str\n"
        "before = len(compiled); Some('a'); Some('b')\n"
        "print(before, len(compiled))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=HANG_SECONDS
    )
    assert done.stdout == "0 1\n", done.stderr
