"""Replies that are home: who is allowed to have made them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from netlab.diagnosis.diagnose import diagnose
from netlab.diagnosis.verdict import Verdict
from netlab.packets.packet import Frame, Part
from tests.unit.world import BACK, THERE, evidence, frames

FROM_THE_HOST = BACK.partition(" host.lan< ")[2]


def answer(points: str) -> list[Frame]:
    fields = {"ip.src": "10.0.0.2", "ip.dst": "10.0.0.1"}
    return [replace(one, fields={**one.fields, **fields}) for one in frames(points, Part.REPLY, 50)]


@pytest.mark.parametrize(
    ("target", "by", "verdict", "points"),
    [("pc", "host", Verdict.UNKNOWN, FROM_THE_HOST), ("nat", "pc", Verdict.ANSWERED, BACK)],
)
def test_another_machine_answers_only_if_the_target_has_passed_the_request_on(
    target, by, verdict, points
):
    """The host has it before the PC: what comes from there in the PC's name is a forgery."""
    found = frames(THERE) + answer(points)
    diagnosis = diagnose(evidence(found, target=target, address="10.0.0.2", answered=True))
    assert (diagnosis.verdict, diagnosis.at) == (verdict, by)
