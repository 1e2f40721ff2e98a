"""Commands on the machines of a lab."""

from __future__ import annotations

from collections.abc import Sequence

from netlab.errors import UsageError
from netlab.kernel.host import rootless
from netlab.kernel.host.doctor import require_root
from netlab.kernel.namespaces import enter
from netlab.lab.registry import record
from netlab.plan import names
from netlab.suggest import instead


def execute(lab: str, node: str, command: Sequence[str], environment: dict[str, str]) -> None:
    """Replace this process by a command on a node. Returns only by an exception.

    `environment` is added to this process's. Raises NeedsRoot, NoSuchLab, UsageError.
    """
    require_root()
    enter.execute(namespace_of(lab, node), node, command, environment)


def node_names(name: str) -> list[str]:
    """List the nodes and switches of the lab of that name. Raises NoSuchLab."""
    return [names.node(namespace) for namespace in record(name).namespaces]


def namespace_of(name: str, node: str) -> str:
    """Return the namespace of a node or switch. Raises UsageError for one that the lab does not have."""
    existing = node_names(name)
    if node not in existing:
        raise UsageError(f"the lab '{name}' has no node '{node}'", instead(node, existing))
    return names.namespace(name, node)


def unshare(command: Sequence[str]) -> None:
    """Run a command where labs need no root. Returns only by an exception, as `execute`."""
    rootless.enter()
    enter.replace(command, {})
