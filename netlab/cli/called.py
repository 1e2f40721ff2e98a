"""The way netlab is called on this machine: what people are told to type works as it stands there.

Texts everywhere write `sudo netlab …` of a command that needs root; what is typed for it is decided here.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import sys
from functools import cache
from pathlib import Path

NAMES = ("netlab", "vmnetlab")
_AS_ROOT = re.compile(r"\bsudo netlab\b")
_ROOTS_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""Where sudo looks for programs, unless the machine's administrator says otherwise."""


def typed(text: str) -> str:
    """Return a text whose commands of netlab's can be typed as they are."""
    return _AS_ROOT.sub(lambda _: as_root(), text)


@cache
def as_root() -> str:
    """Return `sudo netlab`; for who is root by other means, without sudo; or its path, if root finds none."""
    # What works on files only needs nothing of the kernel's, and no Linux.
    from netlab.kernel.host import rootless

    is_root = os.geteuid() == 0
    needs_sudo = not is_root or "SUDO_COMMAND" in os.environ
    program = _program(os.environ.get("PATH", os.defpath) if is_root else _ROOTS_PATH)
    return f"sudo {program}" if needs_sudo and not rootless.is_inside() else program


def _program(path: str) -> str:
    running = Path(sys.argv[0])
    name = running.name if running.name in NAMES else NAMES[0]
    program = shutil.which(name, path=path)
    if program and _is_this_netlab(Path(program).resolve(), running):
        return name
    if running.name in NAMES and running.is_file():
        return shlex.quote(str(running.absolute()))
    return f"{shlex.quote(sys.executable)} -m netlab"


def _is_this_netlab(program: Path, running: Path) -> bool:
    """Return whether a program is the one that runs, and not another checkout's or somebody else's."""
    return program == running.resolve() or program.parent == Path(sys.executable).parent
