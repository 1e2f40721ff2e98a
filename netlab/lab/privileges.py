"""Root, for the verbs that need it."""

from __future__ import annotations

import os

from netlab.kernel.host import doctor, rootless


def require_root() -> None:
    """Raise NeedsRoot without root."""
    doctor.require_root()


def ensure_root() -> None:
    """Without root, go on as root in namespaces of one's own, where all labs end with this process.

    Then it returns only inside: the caller's process waits outside, and ends with the same exit
    code. Raises Missing where user namespaces are not allowed.
    """
    if os.geteuid() != 0:
        rootless.enter()
