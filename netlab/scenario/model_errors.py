"""Pydantic's errors about a file, in the words of the file: the path, what is wrong, what to do.

Pydantic speaks of Python: its locations name the members of unions and the marks of keys, a value that may be
one of several things is wrong in several ways, and `bool` or `string_too_long` say nothing to a person.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from ipaddress import IPv4Network
from typing import Any

from pydantic_core import ErrorDetails

from netlab.errors import UsageError
from netlab.frozen import frozen
from netlab.scenario.names import (
    DNS_NAME,
    DOMAIN_NAME,
    FORWARD_TARGET,
    HOST_NAME,
    HOST_NIC_NAME,
    LAN_NAME,
    NETWORK_NAME,
    NODE_NAME,
    VM_NIC_NAME,
)
from netlab.scenario.text.paths import DataPath, PathProblem
from netlab.scenario.vocabulary import keys
from netlab.suggest import near

_PATTERN_MEANING = {
    NODE_NAME: "a name is a host name label: letters, digits and hyphens, at most 63",
    NETWORK_NAME: "VMware's networks are called vmnet0, vmnet1, … vmnet255; others' names have"
    " 2 to 15 small letters, digits and hyphens",
    LAN_NAME: "a network's name has 1 to 15 small letters, digits and hyphens",
    DNS_NAME: "a server has a DNS name like www.example.com",
    DOMAIN_NAME: "a domain name is like localdomain or example.com",
    FORWARD_TARGET: "write a VM (or an address) and a port, like vm1:80",
    HOST_NAME: "names in /etc/hosts are like www.example.com or intranet",
    VM_NIC_NAME: "a VM's adapters are called eth0, eth1, … eth9, in the order of `nics`",
    HOST_NIC_NAME: "the host's cards are called eth0, … eth9 or enp3s0, and wlan0, … wlan9 or wlp2s0 (Wi-Fi)",
}

_KEY = "[key]"
"""Pydantic's mark for an error of a key."""

_SCHEMA = "see `netlab schema`"

_EXAMPLES = {
    "expect": "{default: blocked}",
    "mode": "nat",
    "network": "vmnet8",
    "nics": "[vmnet8]",
    "vmnets": "{vmnet8: {mode: nat, subnet: 10.0.0.0/24}}",
    "vms": "{vm1: {nics: [vmnet8]}}",
}
"""Values to write where a key is missing."""


@frozen
class ErrorLocation:
    """The location of one of pydantic's errors in the data."""

    path: DataPath
    on_key: bool
    """True: the key there is wrong, not its value."""
    is_missing: bool
    """True: there is nothing there, and there should be."""
    choice: DataPath | None
    """The value on the path that may be one of several things; None: there is none."""

    @property
    def holder(self) -> DataPath:
        """The path of the value; of a missing one, of the mapping or list that lacks it."""
        return self.path[:-1] if self.is_missing else self.path

    def problem(self, message: str, fix: str) -> PathProblem:
        """Return a problem at this location."""
        return PathProblem(self.holder, message, fix, on_key=self.on_key or self.is_missing)


def locate(data: Any, error: ErrorDetails) -> ErrorLocation:
    """Return an error's location: pydantic's, without the steps that the data do not have.

    These are the member of a union that was tried, `[key]` where a key is wrong, and keys of the long form
    of what the file has in short.
    """
    steps, choice = error["loc"], None
    is_missing = error["type"] == "missing"
    path: DataPath = ()
    for number, step in enumerate(steps, 1):
        if _has(data, step):
            data = data[step]
        elif not is_missing or number < len(steps):
            if choice is None and step != _KEY:
                choice = path
            continue
        path = (*path, step)
    on_key = _KEY in steps or error["type"] in (
        "unexpected_keyword_argument",
        "string_pattern_mismatch",
    )
    return ErrorLocation(path, on_key, is_missing, choice)


def _has(data: Any, step: str | int) -> bool:
    if isinstance(data, list):
        return isinstance(step, int) and step < len(data)
    return isinstance(data, dict) and step in data


def problems(data: Any, errors: Iterable[ErrorDetails]) -> Iterator[PathProblem]:
    """Yield the problems that pydantic's errors about data come to, each once."""
    choices: dict[DataPath, list[tuple[ErrorLocation, ErrorDetails]]] = {}
    for error in errors:
        location = locate(data, error)
        if location.choice is None:
            yield location.problem(*_message_and_fix(location, error))
        else:
            choices.setdefault(location.choice, []).append((location, error))
    for path, tried in choices.items():
        # What is wrong further in is of the member that has the value's form.
        inside = [(location, error) for location, error in tried if len(location.path) > len(path)]
        if inside or len(tried) == 1:
            for location, error in inside or tried:
                yield location.problem(*_message_and_fix(location, error))
        else:
            fixes = dict.fromkeys(_message_and_fix(location, error)[1] for location, error in tried)
            message = f"{_named(path)}{_shown(tried[0][1]['input'])} is not possible here"
            yield PathProblem(path, message, ", or ".join(fixes))


def _message_and_fix(location: ErrorLocation, error: ErrorDetails) -> tuple[str, str]:
    last = location.path[-1] if location.path else ""
    match error["type"]:
        case "missing" if isinstance(last, int):
            return (
                f"{_named(location.holder)}there is one entry too few",
                "give two, first and last",
            )
        case "missing":
            return f"'{last}' is missing", f"add `{last}: {_EXAMPLES.get(str(last), '…')}`"
        case "unexpected_keyword_argument":
            names = keys(location.path[:-1])
            fix = near(str(last), names) or f"known keys here: {', '.join(names)}"
            return f"unknown key '{last}'", fix
        case "string_pattern_mismatch":
            pattern, given = error["ctx"]["pattern"], str(error["input"])
            meant = f"did you mean '{given.lower()}'? " * bool(re.fullmatch(pattern, given.lower()))
            return f"'{given}' is no valid name", meant + _PATTERN_MEANING.get(pattern, _SCHEMA)
    message, fix = _of_value(error)
    return f"{_named(location.path) or 'the file: '}{message}", fix


def _named(path: DataPath) -> str:
    return f"{'.'.join(map(str, path))}: " if path else ""


def _shown(given: object) -> str:
    return f"'{given}'" if isinstance(given, str | int | float | bool) else "this"


def _of_value(error: ErrorDetails) -> tuple[str, str]:
    """Return message and fix for an error of one value."""
    given = error["input"]
    shown = _shown(given)
    context = error.get("ctx", {})
    match error["type"]:
        case "ip_v4_address":
            return f"{shown} is no IPv4 address", "write four numbers like 192.168.1.50"
        case "ip_v4_network":
            return f"{shown} is no IPv4 subnet", _subnet_advice(given)
        case "value_error" if isinstance(context["error"].__cause__, UsageError):
            return context["error"].__cause__.what, context["error"].__cause__.fix
        case "value_error":
            return f"{shown} {context['error']}", "correct the value"
        case "literal_error" | "enum":
            words = re.findall("'([^']*)'", context["expected"])
            plain = re.sub("[^a-z]", "", str(given).lower())
            meant = near(plain, words) or near(str(given), words)
            return f"{shown} is not possible here", meant or f"use {context['expected']}"
        case "dataclass_type" | "dict_type":
            return f"{shown} must be a mapping", "write `key: value` lines below it"
        case "string_type":
            return f"{shown} is not text", "put it in quotes"
        case "bool_type":
            return f"{shown} must be true or false", "write true or false"
        case "int_type" | "int_parsing" | "int_from_float" | "int_parsing_size":
            return f"{shown} must be a whole number", "write digits, without quotes"
        case "float_type" | "float_parsing":
            return f"{shown} must be a number", "write digits, without quotes"
        case "greater_than_equal":
            return f"{shown} is too small", f"use at least {context['ge']:g}"
        case "less_than_equal":
            return f"{shown} is too large", f"use at most {context['le']:g}"
        case "list_type" | "tuple_type":
            return f"{shown} must be a list", "write [a, b] or lines that start with '- '"
        case "too_short":
            return "at least one entry is needed", "add one"
        case "too_long" | "string_too_long" if isinstance(given, str):
            return f"{len(given)} letters are too many", f"use at most {context['max_length']}"
        case "too_long":
            return f"at most {context['max_length']} entries are possible", "remove some"
        case _:
            return f"{shown}: {error['msg'].lower()}", _SCHEMA


def _subnet_advice(given: object) -> str:
    try:
        return f"did you mean {IPv4Network(given, strict=False)}?"
    except ValueError:
        return "write an address and a prefix length like 10.0.0.0/24"
