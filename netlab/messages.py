"""Texts for people: English in the code, other languages in the gettext catalogues of `locale/`.

A text is an English sentence with named places: `"{address} is at {mac}"`; `make messages` collects it.
What is shown at once is translated by `translator(language)`. What is shown later, by a caller who knows
the language, is a `Message`. Linux's own texts (a rule, a route) are plain strings in every language.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache, reduce
from gettext import translation
from pathlib import Path
from typing import Self

ENGLISH = "en"
LOCALE = Path(__file__).with_name("locale")
_DOMAIN = "netlab"
_SCRIPTS = {"zh": "zh-Hans"}
"""Tags of languages that have several scripts: HTML chooses fonts by them."""


@cache
def languages() -> tuple[str, ...]:
    """English, and every language that has a compiled catalogue, in the order of the alphabet."""
    catalogues = LOCALE.glob(f"*/LC_MESSAGES/{_DOMAIN}.mo")
    return (ENGLISH, *sorted(catalogue.parts[-3] for catalogue in catalogues))


@cache
def translator(language: str) -> Callable[[str], str]:
    """Return gettext's function for a language; English needs no catalogue.

    A text that the catalogue lacks stays English. Raises OSError if there is no such catalogue.
    """
    return str if language == ENGLISH else translation(_DOMAIN, LOCALE, [language]).gettext


def N_(text: str) -> str:  # noqa: N802
    """Mark a text that is translated elsewhere, so that Babel finds it; gettext's name for this."""
    return text


def language_name(language: str) -> str:
    """Return what speakers of a language call it."""
    # Translators: instead of "English", the name of your language in your language.
    return translator(language)(N_("English"))


def language_tag(language: str) -> str:
    """Return a language's tag in HTML: `zh-Hans`."""
    return _SCRIPTS.get(language, language.replace("_", "-"))


class Message(str):
    """A text in English that can be rendered in another language.

    As `oslo_i18n.Message`, it is a `str`: JSON and comparisons see English. Joined to another text or
    formatted into one it becomes plain English, so it is an argument of the other `Message` instead.
    """

    msgid: str
    """English, with named places."""
    arguments: Mapping[str, object]

    def __new__(cls, msgid: str, /, **arguments: object) -> Self:
        message = super().__new__(cls, msgid.format(**arguments))
        message.msgid, message.arguments = msgid, arguments
        return message

    def __getnewargs_ex__(self) -> tuple[tuple[str], dict[str, object]]:
        return (self.msgid,), dict(self.arguments)

    def render(self, language: str) -> str:
        """Return the text in a language, and its arguments with it."""
        arguments = {
            name: argument.render(language) if isinstance(argument, Message) else argument
            for name, argument in self.arguments.items()
        }
        return translator(language)(self.msgid).format(**arguments)


def render(text: str, language: str) -> str:
    """Return a text in a language if it is a `Message`; any other one as it is."""
    return text.render(language) if isinstance(text, Message) else text


def in_languages(text: str) -> dict[str, str]:
    """Return a text in every language."""
    return {language: render(text, language) for language in languages()}


def join_and(names: Iterable[str]) -> str:
    """Return `vm1 and vm2`, in the order of the alphabet."""
    return _joined(N_("{first} and {second}"), sorted(names))


def join_or(names: Sequence[str]) -> str:
    """Return `10.0.0.1 or 10.0.0.2`, in the order given."""
    return _joined(N_("{first} or {second}"), names)


def _joined(text: str, names: Sequence[str]) -> str:
    if not names:
        return ""
    return reduce(lambda first, second: Message(text, first=first, second=second), names)


both = join_and


def said(key: str, **arguments: object) -> Message:
    """Return the message of a key."""
    return Message(_KEYS[key], **arguments)


_KEYS = {
    "is at": N_("{address} is at {mac}"),
    "is at, of": N_("{address} is at {mac} ({owner})"),
    "would ask": N_("asks who has {address}: {mac} ({owner})"),
    "behind port": N_("{owner} is behind the port {port}"),
    "flooded": N_("nobody knows the port of {owner}: to every port"),
    "goes on as": N_("{before} goes on as {after}"),
    "no carrier": N_("no interface of it is up with a cable that is up"),
    "no address": N_("no interface of it has an IPv{version} address"),
    "the kernel": N_("the kernel: {error}"),
    "not sent": N_("could not be sent: {error}"),
    "not seen leaving": N_("was not seen leaving its source"),
    "no source": N_("its kernel names no source address"),
    "down": N_("{interface} is down or has no carrier"),
    "unanswered": N_("it asked who has {address}, and nobody answered"),
    "in vain": N_("it would ask who has {address}, and nobody would answer"),
    "elsewhere": N_("{asked}; {owner} has it, on another network"),
    "overheard": N_("frames for {mac} reached {count} others"),
    "given to one": N_("{node} gave it to {peer} alone, and nobody there has {mac}"),
    "is there": N_("{owner} has {mac}, on the same network"),
    "nobody there": N_("{switch} gives it to every port, and nobody there has {mac}"),
    "isolated": N_("the ports {one} and {other} of {switch} are isolated"),
    "same mac": N_("{mac} is the MAC address of {node} and of {others}"),
    "same ip": N_("{twins} both have {address}; {at} got it"),
    "same ip too": N_("{twins} both have {address}; {at} would get it"),
    "route of kind": N_("the route says {kind}: {route}"),
    "no route": N_("the kernel, for {target}: {error}"),
    "no route to": N_("it has no route to {address}"),
    "not its own": N_("{target} is not its own, and {setting} is 0"),
    "rp_filter": N_("a reply to {source} would not leave by {interface} (rp_filter)"),
    "ttl": N_("its time to live runs out here"),
    "of mac": N_("{mac}: {rule}"),
    "of ARP": N_("ARP: {rule}"),
    "of neighbours": N_("neighbour discovery: {rule}"),
    "of protocol": N_("IP protocol {protocol}: {rule}"),
    "grew": N_("{count} of {node} grew by {number}"),
    "tells of fewer": N_("{count} tells of fewer packets"),
    "resets": N_("{who} resets the connection"),
    "reports": N_("{who} reports {protocol} type {kind}, code {code}"),
    "and rule": N_("{report}; {rule}"),
    "answers": N_("{server} answers: {word}"),
    "would end": N_("the reply would end on {node}: {why}"),
    "last seen": N_("the reply was last seen on {node}: {why}"),
    "turned": N_(
        "{node} answers by another adapter than it is asked by: its route is {route}, "
        "and the question comes in at {interface}"
    ),
    "and so": N_("{why}; {what}"),
    "in short": N_("{cause}, {evidence}"),
    "could not leave": N_("the reply could not leave {node}: {why}"),
    "translated": N_("{node} had translated the request, and has no entry for it now"),
    "not taken": N_("a reply came in, and no program got it"),
    "not sighted": N_("a program got a reply, and no tap saw it arrive"),
    "silent": N_("{node} listens on udp/53, and nothing came back"),
    "sent something": N_("{node} has sent datagrams meanwhile, and no reply was seen leaving it"),
    "no server": N_("nobody whom it reached listens on udp/67"),
    "offered nothing": N_("{server} got it and offered nothing"),
    "waits": N_("{program} waits on {protocol} {address}"),
    "nobody waits": N_("no program waits on {protocol} {address}"),
    "answered as": N_("{node} asked {address}, and the reply comes from {other}"),
    "takes for its own": N_("{node} would take the answer for its own"),
    "translated back to": N_("a reply to {before} is one to {after}"),
    "translated back from": N_("a reply of {before} is one of {after}"),
    "by another": N_("it was answered, but by {who}"),
    "by another too": N_("it would be answered, but by {who}"),
    "header": N_("{protocol} header"),
    "extension": N_("{protocol} extension header"),
    "message": N_("{protocol} message"),
    "packet": N_("{protocol} packet"),
    "datagram": N_("{protocol} datagram"),
    "question": N_("{protocol} question"),
    "response of": N_("{protocol} response"),
    "cut": N_("{what} cut after {have} of {size} bytes"),
    "cut off": N_("{what} cut off"),
    "too short": N_("{what} says that it has {size} bytes"),
    "version": N_("IPv{version} header says that it is version {found}"),
    "strange ARP": N_("ARP message with addresses of {mac} and {ip} bytes"),
    "many extensions": N_("more than {most} IPv6 extension headers"),
    "lost": N_("{count} frames found no room in a buffer"),
    "never quiet": N_("after {seconds} s, its packets were still seen: somebody sends them again"),
    "never read": N_("after {seconds} s, what others send was not read to its end"),
    "nothing tells": N_("no rule, no error and no count tells why"),
    "not certain": N_("not certain: {why}"),
    "rules of routing": N_("its ip rules look at more than addresses"),
    "rule": N_("rule {rule}"),
    "chain": N_("chain {chain}"),
    "bridges": N_("{node} bridges its adapters"),
    "kind": N_("a route of the kind {kind}"),
    "no address for": N_("{interface} has no address for {rule}"),
    "all answer": N_("{who} would all answer for {address}"),
    "ignores echo": N_("it is told to ignore echo requests ({setting})"),
}
