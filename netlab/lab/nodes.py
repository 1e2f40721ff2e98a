"""Commands on the machines of a lab."""

from __future__ import annotations

import os
from collections.abc import Sequence

from netlab.errors import UsageError
from netlab.lab.lifecycle import record, require_root


def execute(lab: str, node: str, command: Sequence[str], environment: dict[str, str]) -> None:
    """Replace this process by a command on a node. Returns only by an exception."""
    from netlab.kernel.namespaces import enter

    require_root()
    place = namespace_of(lab, node)
    enter.execute(place, node, command, environment)


def node_names(name: str) -> list[str]:
    """The nodes and switches of a lab."""
    from netlab.plan.names import node as node_of

    return [node_of(place) for place in record(name).namespaces]


def namespace_of(name: str, node: str) -> str:
    """The namespace of a node or switch. Raises UsageError for one that the lab does not have."""
    from netlab.plan.names import namespace

    known = node_names(name)
    if node not in known:
        from netlab.suggest import instead

        raise UsageError(f"the lab '{name}' has no node '{node}'", instead(node, known))
    return namespace(name, node)


def ensure_root() -> None:
    """Without root, go on as root in namespaces of one's own, where all labs end with this process.

    Then it returns only inside: the caller's process waits outside, and ends with the same exit
    code. Raises Missing where user namespaces are not allowed.
    """
    from netlab.kernel.host import rootless

    if os.geteuid() != 0:
        rootless.enter()


def unshare(command: Sequence[str]) -> None:
    """Run a command where labs need no root. Returns only by an exception, as `execute`."""
    from netlab.kernel.host import rootless
    from netlab.kernel.namespaces import enter

    rootless.enter()
    enter.replace(command, {})
