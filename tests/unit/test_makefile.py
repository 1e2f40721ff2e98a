"""The Makefile in folders of any name: nothing is installed, and no link leaves the test's own folder."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NAMES = ("netlab", "vmnetlab")


@pytest.fixture(params=["plain", "two words", """it's "$HOME" & co"""])
def clone(request, tmp_path: Path) -> Path:
    """With programs that say how they are called, in place of netlab."""
    folder = tmp_path / request.param / "netlab"
    programs = folder / ".venv" / "bin"
    programs.mkdir(parents=True)
    shutil.copy(ROOT / "Makefile", folder)
    for name in NAMES:
        (programs / name).write_text(f'#!/bin/sh\necho "{name} $*"\n')
        (programs / name).chmod(0o755)
    return folder


def make(clone: Path, links: Path, *words: str, sudo: str = "") -> str:
    """What `make` prints, where everything is installed."""
    settled = ("--old-file=system", "--old-file=.venv/installed", f"LINK={links}", f"SUDO={sudo}")
    command = ["make", "--no-print-directory", *settled, *words]
    return subprocess.run(command, cwd=clone, capture_output=True, text=True, check=True).stdout


def test_make_up_uninstall_and_clean(clone, tmp_path):
    links = tmp_path / "links here"
    links.mkdir()
    done = make(clone, links, "up")
    assert done.startswith("netlab status nat\n\nnetlab verify nat\n")
    assert "\n  netlab shell vm1 " in done
    for name in NAMES:
        assert (links / name).readlink() == clone / ".venv" / "bin" / name
    assert make(clone, links, "link") == ""
    make(clone, links, "down")
    make(clone, links, "uninstall")
    assert not list(links.iterdir())
    assert not (clone / ".venv").exists()


def test_a_link_to_another_program_stays(clone, tmp_path):
    links = tmp_path / "links here"
    links.mkdir()
    (links / "netlab").symlink_to("/bin/true")
    assert "is another program: it stays" in make(clone, links, "link")
    make(clone, links, "uninstall")
    assert [link.name for link in links.iterdir()] == ["netlab"]


def test_who_needs_sudo_is_told_so(clone, tmp_path):
    assert "\n  env netlab shell vm1 " in make(clone, tmp_path, "up", sudo="env")
