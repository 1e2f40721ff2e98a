"""Plans as a person reviews them: by node, and what many of them have in common by its name.

What `netlab plan` prints goes in. `common` finds the texts that occur in several places (the settings of a
machine, files in /etc, rulesets, configurations); they have a golden file of their own, and a plan says only
their names. What is not common is printed in full, so nothing that a plan says is left out.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

_ETC = {"hostname", "hosts", "nsswitch.conf"}
"""Files that every machine has."""
_SEVERAL = 2
"""In so many places a text must occur to be common."""

Text = tuple[str, ...]


@dataclass(frozen=True)
class Entry:
    """A resource as it is printed: `kind namespace[/interface] rest`, and the text below it."""

    kind: str
    node: str
    rest: str
    text: Text = ()


def common(plans: Iterable[str]) -> Mapping[tuple[str, Text], str]:
    """Names of what several nodes have in common, by kind and text; the commonest of a name has no number."""
    counts = Counter(shared for plan in plans for shared in _shared(_entries(plan)))
    numbers: Counter[tuple[str, str]] = Counter()
    names = {}
    for (kind, name, text), count in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
        if count >= _SEVERAL:
            numbers[kind, name] += 1
            number = numbers[kind, name]
            names[kind, text] = name if number == 1 else f"{name}-{number}"
    return names


def listed(names: Mapping[tuple[str, Text], str]) -> str:
    """What is common, in full."""
    ordered = sorted((kind, name, text) for (kind, text), name in names.items())
    return "".join(
        f"{kind} {name}\n" + "".join(f"    {line}\n" for line in text)
        for kind, name, text in ordered
    )


def folded(plan: str, names: Mapping[tuple[str, Text], str]) -> str:
    """A plan by node, in the order of creation, with the names of what is common."""
    sections: dict[str, list[Entry]] = defaultdict(list)
    for entry in _entries(plan):
        sections[entry.node].append(entry)
    return "".join(
        f"{line}\n" for node in sections for line in _section(node, sections[node], names)
    )


def _entries(plan: str) -> list[Entry]:
    lines: list[list[str]] = []
    for line in plan.splitlines():
        if line.startswith((" ", "\t")):
            lines[-1].append(line.removeprefix("    "))
        else:
            lines.append([line])
    return [_entry(first, tuple(text)) for first, *text in lines]


def _entry(line: str, text: Text) -> Entry:
    """The entry of a line. A cable is the end's that is no switch's."""
    kind, rest = re.fullmatch(r"(dhcp client|\w+) (.*)", line).groups()
    lab = rest.partition(".")[0]
    if kind == "cable":
        ends, _, mtu = rest.rpartition(", mtu ")
        near, far = ends.split(" -- ")
        near, far = (far, near) if " in " in near else (near, far)
        rest = f"{near} -- {far}" + f", mtu {mtu}" * (mtu != "1500")
    rest = re.sub(rf"(?<![\w.-]){re.escape(lab)}\.", "", rest)
    node, words = re.fullmatch(r"([^\s/,:]+)[/\s]?(.*)", rest).groups()
    if kind == "etc":
        text = tuple(re.sub(rf"\b{re.escape(node)}\b", "NODE", line) for line in text)
    return Entry(kind, node, words, text)


def _shared(entries: Iterable[Entry]) -> Iterator[tuple[str, str, Text]]:
    """Kind, name and text of everything that may be common."""
    settings: dict[str, list[str]] = defaultdict(list)
    for entry in entries:
        if entry.kind == "sysctl":
            settings[entry.node].append(entry.rest)
        elif entry.kind == "etc" and entry.rest in _ETC:
            yield "etc", entry.rest, entry.text
        elif entry.kind == "ruleset":
            yield "ruleset", entry.text[0].split()[2], entry.text
        elif entry.kind == "service":
            name, command = entry.rest.split(": ", 1)
            yield "command", command.split()[0], (command,)
            yield "service", name, entry.text
    for group in settings.values():
        yield "settings", _role(_base(group)), _base(group)


def _base(settings: Iterable[str]) -> Text:
    """Those of a node's settings that are of no interface, and of no service."""
    return tuple(
        line for line in settings if re.search(r"bridge-nf|ip_forward|\.(all|default)\.", line)
    )


def _role(settings: Text) -> str:
    text = " ".join(settings)
    role = "switch" if "bridge-nf" in text else "router" if "ip_forward=1" in text else "machine"
    return role if "all.disable_ipv6=1" in text else f"{role}-ipv6"


def _section(
    node: str, entries: list[Entry], names: Mapping[tuple[str, Text], str]
) -> Iterator[str]:
    """The lines of one node. A name stands for the whole of what it names."""
    kinds: dict[str, list[Entry]] = defaultdict(list)
    for entry in entries:
        kinds[entry.kind].append(entry)
    yield _head(node, kinds, names)
    settings = [entry.rest for entry in kinds.pop("sysctl", ())]
    if ("settings", _base(settings)) in names:
        settings = [line for line in settings if line not in _base(settings)]
    if settings:
        yield f"  sysctl {' '.join(settings)}"
    addresses = _by_interface(kinds.pop("address", ()))
    clients = _by_interface(kinds.pop("dhcp client", ()))
    leases = {entry.rest for entry in kinds.pop("lease", ())}
    for entry in kinds.pop("cable", ()):
        interface, _, rest = entry.rest.partition(" ")
        asks = [f"dhcp client {words}" for words in clients.pop(interface, ())]
        asks += ["a lease"] if asks and interface in leases else []
        yield "  " + ", ".join([f"{interface} {rest}", *addresses.pop(interface, ()), *asks])
    for kind, left in (("address", addresses), ("dhcp client", clients)):
        for interface, several in left.items():
            leased = ", a lease" if kind == "dhcp client" and interface in leases else ""
            yield from (f"  {kind} {interface} {words}{leased}" for words in several)
    ports = _by_interface(kinds.pop("listening", ()))
    for entry in (entry for several in kinds.values() for entry in several):
        words = entry.rest
        if entry.kind == "service":
            name, command = words.split(": ", 1)
            known = names.get(("command", (command,)), command)
            words = ", ".join([f"{name}: {known}", *ports.get(name, ())])
        yield from _with_text(f"{entry.kind} {words}".rstrip(), entry, names)


def _head(node: str, kinds: dict[str, list[Entry]], names: Mapping[tuple[str, Text], str]) -> str:
    """The node, with the names of its settings, and its files in /etc that are short or as everywhere."""
    role = names.get(("settings", _base(entry.rest for entry in kinds["sysctl"])), "")
    texts = {entry.rest: entry.text for entry in kinds["etc"]}
    usual = {name for name, text in texts.items() if names.get(("etc", text)) == name}
    words = [role, "usual /etc"] if usual >= _ETC else [role]
    short = (
        []
        if not usual >= _ETC
        else [n for n, text in texts.items() if n not in _ETC and len(text) == 1]
    )
    words += [f"{name} {texts[name][0]}" for name in short]
    shown = set(short) | (_ETC if usual >= _ETC else set())
    kinds["etc"] = [entry for entry in kinds["etc"] if entry.rest not in shown]
    words += [entry.rest for entry in kinds.pop("namespace") if entry.rest]
    default = [
        entry.rest
        for entry in kinds["route"]
        if re.fullmatch(r"0\.0\.0\.0/0 via [\d.]+", entry.rest)
    ]
    words += [route.replace("0.0.0.0/0", "default") for route in default]
    kinds["route"] = [entry for entry in kinds["route"] if entry.rest not in default]
    words += [f"bridge {entry.rest}" for entry in kinds.pop("bridge", ())]
    known = [entry for entry in kinds["ruleset"] if ("ruleset", entry.text) in names]
    words += [f"ruleset {names['ruleset', entry.text]}" for entry in known]
    kinds["ruleset"] = [entry for entry in kinds["ruleset"] if entry not in known]
    return f"{node}: {', '.join(filter(None, words))}"


def _by_interface(entries: Iterable[Entry]) -> dict[str, list[str]]:
    """What is said of each interface, or service."""
    found = defaultdict(list)
    for entry in entries:
        name, _, words = entry.rest.partition(" ")
        found[name].append(words)
    return found


def _with_text(head: str, entry: Entry, names: Mapping[tuple[str, Text], str]) -> Iterator[str]:
    """A line, and its text below it, or the text's name."""
    if name := names.get((entry.kind, entry.text)):
        yield f"  {head} = {name}"
    else:
        yield f"  {head}"
        yield from (f"      {line}" for line in entry.text)
