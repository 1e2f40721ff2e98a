"""The sockets that send and see while echo requests are under way: ICMP sockets, taps, sending threads."""

from __future__ import annotations

import os
import selectors
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING

from netlab.errors import KernelError
from netlab.kernel.nftables.nftrace import RuleTrace
from netlab.kernel.signals import Interruption
from netlab.packets import filters, mmsg
from netlab.packets.icmp_socket import IcmpSocket
from netlab.packets.tap import Tap

if TYPE_CHECKING:
    from concurrent.futures import Future

    from netlab.verify.unanswered import LossAnalyzer

_COPIES = 6
"""Sightings of a probe and its reply on one machine, at most."""

_SENDERS = 8
"""Sending threads at most: none has more to do with more processors than that."""

_INTERRUPTION_SECONDS = 0.1
"""Ctrl-C may have to wait so long."""


class EchoSockets:
    """A context manager: everything that sends and sees during a round."""

    def __init__(
        self,
        namespaces: Iterable[str],
        is_ipv6: bool,
        analyzer: LossAnalyzer | None,
        interruption: Interruption,
    ) -> None:
        self.analyzer = analyzer
        self._namespaces, self._is_ipv6 = namespaces, is_ipv6
        self._interruption = interruption

    def __enter__(self) -> EchoSockets:
        from concurrent.futures import ThreadPoolExecutor

        with ExitStack() as stack:
            self.icmp_sockets: dict[str, IcmpSocket] = {}
            self._selector = stack.enter_context(selectors.DefaultSelector())
            delivered = filters.IPV6_DELIVERED if self._is_ipv6 else filters.IPV4_DELIVERED
            for name in sorted(self._namespaces):
                self.icmp_sockets[name] = icmp_socket = IcmpSocket(name, self._is_ipv6, delivered)
                stack.callback(icmp_socket.close)
                self._selector.register(icmp_socket.icmp, selectors.EVENT_READ, icmp_socket)
            for watcher in self.analyzer.watching if self.analyzer else ():
                self._selector.register(watcher.socket, selectors.EVENT_READ, watcher)
            self._pool = ThreadPoolExecutor(min(len(os.sched_getaffinity(0)), _SENDERS))
            stack.callback(self._pool.shutdown, cancel_futures=True)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def most_at_once(self) -> int:
        """Return for how many probes a socket's buffer holds all copies."""
        return min(icmp_socket.capacity() for icmp_socket in self.icmp_sockets.values()) // _COPIES

    def send(
        self, source: str, bind: str | None, messages: Sequence[tuple[bytes, bytes]]
    ) -> Future[dict[int, int]]:
        """Send from a namespace in a thread of its own: see `mmsg.send`. Raises OSError, KernelError.

        The kernel works for the sender: it gives an ARP request to all ports of a switch before it returns.
        """
        icmp_socket = self.icmp_sockets[source]
        sender = icmp_socket.sender(bind)
        if sender not in self._selector.get_map():  # The kernel reports there what has left.
            self._selector.register(sender, selectors.EVENT_READ, icmp_socket)
        try:
            return self._pool.submit(mmsg.send, sender.fileno(), messages)
        except RuntimeError as error:
            raise KernelError(
                f"no thread can be started: {error}", "raise pids.max or `ulimit -u`"
            ) from error

    def ready(self, seconds: float) -> Iterator[IcmpSocket | Tap | RuleTrace]:
        """Yield the sockets that can be read now, or within that time. Raises Interrupted."""
        self._interruption.check()
        for key, _ in self._selector.select(min(max(seconds, 0), _INTERRUPTION_SECONDS)):
            yield key.data
            if isinstance(key.data, Tap) and key.data.flooded:
                self._selector.unregister(key.fileobj)
            self._interruption.check()
