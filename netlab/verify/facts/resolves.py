"""`resolves`: the addresses that a program on a machine gets for names, as its C library asks for them.

/etc/hosts first, then the name servers of /etc/resolv.conf in their order (nsswitch.conf: `files dns`). A
domain of `search` is added to a name without a dot at once, to another one after it was asked for in vain.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from ipaddress import ip_address

from netlab.diagnosis.cause import DNS_WORDS
from netlab.kernel.namespaces import netns
from netlab.kernel.wait import became_true
from netlab.messages import Message
from netlab.probes.base import Ends
from netlab.probes.dns import DnsProbe
from netlab.scenario.model.facts import NONE
from netlab.verify.facts.finding import Finding, Question, all_of
from netlab.verify.facts.sources import FactSources

_PATIENCE_SECONDS = 5.0
"""How long a server is waited for (resolv.conf(5): timeout), which is asked again after half of it."""
_FOREVER = 3600.0
_NO_SUCH_NAME = 3


def measure(questions: Sequence[Question], sources: FactSources) -> Iterator[Finding]:
    """Yield what each machine gets for its names. All ask at the same time."""
    lookups: list[list[_Lookup]] = [
        [
            _Lookup(question.endpoint.node.name, name, word, sources)
            for name, word in question.value.items()
        ]
        for question in questions
    ]
    every = [lookup for of_question in lookups for lookup in of_question]
    try:
        # Each server has its time, so that this has an end.
        became_true(
            lambda: not [lookup for lookup in every if lookup.goes_on()],
            _FOREVER,
            sources.interruption,
        )
    finally:
        for lookup in every:
            lookup.close()
    for of_question in lookups:
        yield all_of([lookup.finding() for lookup in of_question])


class _Lookup:
    """A name that a machine looks up: question by question, until one is answered."""

    def __init__(self, node: str, name: str, expected: str, sources: FactSources) -> None:
        self._node, self._name, self._expected, self._sources = node, name, expected, sources
        self._namespace = sources.namespaces[node]
        self._addresses: list[str] = []
        self._answerer: str = ""
        """Who has answered."""
        self._failure: str = ""
        """What the last of the servers has said, or that it has said nothing."""
        self._asked: DnsProbe | None = None
        self._steps = self._asking()
        self._is_over = False

    def goes_on(self) -> bool:
        """Take in what has come, and go on; return False if nothing more is to come."""
        if not self._is_over:
            self._is_over = next(self._steps, True)
        return not self._is_over

    def close(self) -> None:
        """Close the socket of the last question."""
        if self._asked:
            self._asked.close()

    def finding(self) -> Finding:
        """Return what has come of it."""
        if not self._addresses:
            text = Message(
                "{node} gets no address for {name}: {why}",
                node=self._node,
                name=self._name,
                why=self._failure,
            )
            return Finding(self._expected == NONE, text)
        text = Message(
            "{node} gets {address} for {name} from {source}",
            node=self._node,
            name=self._name,
            address=", ".join(map(self._sources.owner, self._addresses)),
            source=self._answerer,
        )
        return Finding(self._is_met(), text)

    def _is_met(self) -> bool:
        if self._expected == NONE:
            return False
        expected = self._sources.ips(self._expected)
        return all(ip_address(address) in expected for address in self._addresses)

    def _asking(self) -> Iterator[bool]:
        """Ask until somebody knows the name; yield False while an answer may come."""
        for words in netns.etc_lines(self._namespace, "hosts"):
            if self._name.lower() in map(str.lower, words[1:]):
                self._addresses, self._answerer = [words[0]], "/etc/hosts"
                return
        servers = netns.name_servers(self._namespace)
        if not servers:
            self._failure = Message("it has no name server")
        for name in _spellings(self._name, self._namespace):
            for server in servers:
                yield from self._ask(server, name)
                if self._addresses:
                    return
                if self._asked and self._asked.code in (0, _NO_SUCH_NAME):
                    break  # Another server is asked only where one does not answer, or cannot.

    def _ask(self, server: str, name: str) -> Iterator[bool]:
        if self._asked:
            self._asked.close()
        self._asked = probe = DnsProbe(Ends(self._namespace, None, server, "", "", ""), name)
        shown = self._sources.owner(server)
        begun, tries = time.monotonic(), 0
        while (waited := time.monotonic() - begun) < _PATIENCE_SECONDS and probe.reply is None:
            if waited >= tries * _PATIENCE_SECONDS / 2:
                tries += 1
                try:
                    probe.send()
                except OSError as error:
                    self._failure = Message("{server}: {error}", server=shown, error=error.strerror)
                    return
            probe.poll()
            yield False
        if probe.reply is None:
            self._failure = Message(
                "{server} has not answered for {count} s",
                server=shown,
                count=int(_PATIENCE_SECONDS),
            )
            return
        self._addresses, self._answerer = probe.addresses, shown
        if not self._addresses:
            word = DNS_WORDS.get(str(probe.code), f"error {probe.code}")
            self._failure = Message("{server} answers: {word}", server=shown, word=word)


def _spellings(name: str, namespace: str) -> list[str]:
    """Return the names that are asked for, one after the other."""
    domains = [
        words[1:] for words in netns.etc_lines(namespace, "resolv.conf") if words[0] == "search"
    ]
    longer = [f"{name}.{domain}" for domain in (domains[-1] if domains else [])]
    return [name, *longer] if "." in name else [*longer, name]
