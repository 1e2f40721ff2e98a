"""A virtual machine that stands still is told in words, with what its kernel has said last."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.vm.guest import Guest
from tests.vm.image import Image
from tests.vm.report import Unusable

CONSOLE = "booting\nwatchdog: BUG: soft lockup - CPU#1 stuck for 26s! [ping:1234]\nRIP: nft_do_chain+0x6f\n"


@pytest.fixture
def guest(tmp_path: Path, monkeypatch) -> Guest:
    """One that was never started, and a program `ssh` that does what the command says, here."""
    ssh = tmp_path / "ssh"
    ssh.write_text('#!/bin/sh\nfor command; do :; done\nexec sh -c "$command"\n')
    ssh.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    console = tmp_path / "console.log"
    console.write_text(CONSOLE)
    return Guest(Image(tmp_path), tmp_path / "disk.qcow2", "tcg", console)


def test_a_command_ends_with_its_own_code(guest):
    assert guest.run("exit 7") == 7
    assert guest.ask("echo here") == "here\n"


@pytest.mark.parametrize("way", [Guest.run, Guest.ask])
def test_one_that_answers_no_more_is_told_with_the_end_of_its_console(guest, way):
    """ssh itself ends with 255 when nothing has come for a while."""
    with pytest.raises(Unusable, match=r"(?s)answers no more; .*soft lockup.*nft_do_chain"):
        way(guest, "exit 255")


def test_one_whose_command_does_not_end_is_told_so_too(guest):
    with pytest.raises(Unusable, match=r"(?s)`sleep 60` has not ended in 0 s; .*soft lockup"):
        guest.run("sleep 60", seconds=0.1)
