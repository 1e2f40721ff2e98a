"""Work done side by side: what becomes of each piece, and what is left if it is stopped."""

from __future__ import annotations

import os
import signal
import time

import pytest

from netlab.cli.packets.side_by_side import side_by_side
from netlab.errors import Interrupted, KernelError
from tests.pace import HANG_SECONDS


def test_every_piece_is_done_in_a_process_of_its_own():
    done = dict(side_by_side(lambda piece: (piece * 2, os.getpid()), [3, 1, 2], 2))
    assert {number: doubled for number, (doubled, _) in done.items()} == {0: 6, 1: 2, 2: 4}
    assert len({process for _, process in done.values()} - {os.getpid()}) == 3


def test_no_more_are_under_way_than_there_are_workers(tmp_path):
    def work(piece: int) -> int:
        (tmp_path / str(piece)).touch()
        under_way = len(list(tmp_path.iterdir()))
        time.sleep(0.05)
        (tmp_path / str(piece)).unlink()
        return under_way

    most = max(under_way for _, under_way in side_by_side(work, range(6), 2))
    assert most <= 2


def test_one_that_ends_without_a_word_is_told():
    with pytest.raises(KernelError, match="process has ended"):
        list(side_by_side(lambda _: os._exit(7), ["x"], 1))


def test_a_signal_ends_those_that_are_under_way(tmp_path):
    def work(piece: int) -> None:
        (tmp_path / str(piece)).write_text(str(os.getpid()))
        if piece == 1:
            os.kill(os.getppid(), signal.SIGTERM)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        time.sleep(HANG_SECONDS)

    with pytest.raises(Interrupted, match="SIGTERM"):
        list(side_by_side(work, [0, 1, 2], 2))
    begun = [int(file.read_text() or 0) for file in tmp_path.iterdir()]
    assert 1 <= len(begun) <= 2
    for process in begun:
        with pytest.raises(ProcessLookupError):
            os.kill(process, 0)
