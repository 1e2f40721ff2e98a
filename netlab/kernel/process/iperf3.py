"""iperf3 between two namespaces: a second of TCP, or of UDP."""

from __future__ import annotations

import json
import secrets
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from netlab.errors import KernelError, Missing
from netlab.kernel.installed import remedy
from netlab.kernel.namespaces import netns

PROGRAM = "iperf3"
_SECONDS = 1
_PATIENCE_SECONDS = 5
"""Time for a connection that is not made, beyond the measurement."""
_PORTS = range(20_000, 30_000)
"""Ports below those that kernels give to programs by themselves (ip_local_port_range)."""
_UDP = ("--udp", "--bitrate", "1M", "--length", "200")
"""625 datagrams: a sixth of a percent each."""


def tcp(source: str, target: str, address: str, bind: str = "") -> float:
    """Return the bits per second that arrive at an address of the namespace `target`.

    Raises Missing without iperf3; KernelError if it does not come through.
    """
    ended = _ended(source, target, address, bind)
    return float(ended["sum_received"]["bits_per_second"])


def udp_loss(source: str, target: str, address: str, bind: str = "") -> float:
    """Return the percent of datagrams that do not arrive. Raises as `tcp` does."""
    return float(_ended(source, target, address, bind, _UDP)["sum"]["lost_percent"])


def _ended(
    source: str, target: str, address: str, bind: str, options: tuple[str, ...] = ()
) -> dict[str, Any]:
    """Return the end of iperf3's report."""
    port = str(secrets.choice(_PORTS))
    words = ["--client", address, "--port", port, "--time", str(_SECONDS), "--json", *options]
    with _server(target, port):
        client = _start(source, [*words, *(["--bind", bind] if bind else [])])
        try:
            output, _ = client.communicate(timeout=_SECONDS + _PATIENCE_SECONDS)
        except subprocess.TimeoutExpired as error:
            raise KernelError("iperf3 got no answer", "see whether a connection is made") from error
        finally:
            client.kill()
            client.communicate()
    try:
        report = json.loads(output)
        if "error" in report:
            raise KernelError(f"iperf3 says: {report['error']}", "see whether a connection is made")
        ended: dict[str, Any] = report["end"]
    except (ValueError, KeyError, TypeError) as error:
        raise KernelError("iperf3 gave no report", "run it by hand to see why") from error
    return ended


@contextmanager
def _server(namespace: str, port: str) -> Iterator[None]:
    """Run a server for one test; it listens when the block begins."""
    server = _start(namespace, ["--server", "--one-off", "--port", port, "--forceflush"])
    assert server.stdout
    try:
        while (line := server.stdout.readline()) and "listening" not in line:
            pass
        if not line:
            raise KernelError("iperf3 cannot listen", "run it by hand to see why")
        yield
    finally:
        server.kill()
        server.communicate()


def _start(namespace: str, words: list[str]) -> subprocess.Popen[str]:
    try:
        with netns.inside(namespace):
            return subprocess.Popen(
                [PROGRAM, *words],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
                errors="replace",
            )
    except FileNotFoundError as error:
        raise Missing("iperf3 is not installed", remedy(PROGRAM)) from error
