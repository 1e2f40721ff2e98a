"""Kernel names, from one place.

A namespace is `LAB.NODE`: neither part can hold a dot, so the split is
unambiguous. Interfaces have at most 15 characters; a longer name keeps its
beginning and gets a hash, and the same name always gives the same result.
"""

from __future__ import annotations

import re
from hashlib import sha256

from netlab.scenario.names import (
    LAB_NAME,
)

INTERFACE_LENGTH = 15
"""IFNAMSIZ - 1."""


def is_lab(name: str) -> bool:
    """Return whether a lab can have this name."""
    return re.fullmatch(LAB_NAME, name) is not None


def namespace(lab: str, node: str) -> str:
    """The namespace of a node or switch: `nat.vm1`."""
    return f"{lab}.{node}"


def lab_of(namespace_name: str) -> str | None:
    """The lab that a namespace of such a name may be of; None for a name that no lab would give."""
    match = re.fullmatch(r"([^./]+)\.[A-Za-z0-9-]+", namespace_name)
    return match[1] if match and is_lab(match[1]) else None


def node(namespace_name: str) -> str:
    """The node or switch of a namespace."""
    return namespace_name.partition(".")[2]


def port(peer: str, interface: str) -> str:
    """The switch port where `peer`'s interface is plugged in: `vm1-eth0`."""
    return interface_name(f"{peer}-{interface}")


def interface_name(name: str) -> str:
    """`name`, or a shortened form of it that the kernel can carry."""
    if len(name) <= INTERFACE_LENGTH:
        return name
    return f"{name[:4]}-{sha256(name.encode()).hexdigest()[:10]}"
