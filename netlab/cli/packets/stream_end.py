"""The end of a stream of packets, for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netlab.cli.output import say

if TYPE_CHECKING:
    from netlab.packets.stream import Stream


def say_end(stream: Stream, lost: int, consequence: str) -> None:
    """Say what a person must know about a stream that has ended."""
    if stream.gone:
        say("netlab: the lab has ended", to_stderr=True)
    if lost:
        say(f"netlab: {lost} packets were lost; {consequence}", to_stderr=True)
    if untold := stream.unread():
        say(f"netlab: {untold} frames were not told: they still waited at the end", to_stderr=True)
