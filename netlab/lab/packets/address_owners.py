"""The owners of a lab's addresses."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netlab.kernel.host.doctor import require_root
from netlab.kernel.state import spaces
from netlab.kernel.state.owners import Owners
from netlab.lab.packets.network_map import namespaces

if TYPE_CHECKING:
    from netlab.lab.labs import Lab


def owners(lab: Lab) -> Owners:
    """Ask the kernel who has which IP and MAC address of the lab now. Raises NeedsRoot, KernelError."""
    require_root()
    return spaces.owners(namespaces(lab))
