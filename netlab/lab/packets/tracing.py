"""Packets of a running lab: sent and followed, listened to, or reasoned about."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, nullcontext, suppress
from dataclasses import replace
from ipaddress import ip_address
from socket import if_nameindex
from typing import TYPE_CHECKING

from netlab.errors import KernelError, UsageError
from netlab.lab.lifecycle import require_root, run_directory
from netlab.lab.packets.network_map import LabWatcher, netmap
from netlab.suggest import instead

if TYPE_CHECKING:
    from netlab.diagnosis.cause import Diagnosis
    from netlab.diagnosis.history import Entry
    from netlab.diagnosis.journey import Step
    from netlab.explain.model import Explanation
    from netlab.kernel.rundir import RunDirectory
    from netlab.lab.lifecycle import Lab
    from netlab.packets.stream import Stream
    from netlab.packets.tap import Tap
    from netlab.scenario.expectation import Expectation
    from netlab.scenario.topology import Adapter
    from netlab.trace.audit import DropAudit
    from netlab.trace.trace import Trace, TraceRequest
    from netlab.traffic.conversations import Conversation
    from netlab.verify.matrix import Result

_AT_ONCE = 32
"""Probes that are followed together: each of n is flooded to n ports, and looked for in every frame."""


def verify(
    lab: Lab,
    progress: Callable[[int], None] | None = None,
    answers_only: bool = False,
    wanted: Sequence[Expectation] | None = None,
) -> list[Result]:
    """Measure who reaches whom, and compare it with what the scenario expects.

    Every packet is followed, so that one that was not answered is told with where and why it
    died; with `answers_only`, its two ends alone are looked at, which is faster.
    `progress` is told now and then how many more pairs have been measured. `wanted` are those of
    `lab.expectations` that are measured (see `pairs`); None: all.
    """
    from netlab.kernel.patience import postponed_signals
    from netlab.kernel.resources.observe import addresses
    from netlab.plan.names import node as node_of
    from netlab.scenario.expectation import witnesses
    from netlab.scenario.model import Family
    from netlab.verify.matrix import AdapterAddresses, MatrixInput, measure

    require_root()
    wanted = lab.expectations if wanted is None else wanted
    besides = witnesses(lab.expectations, wanted)
    measured = [*wanted, *besides]
    namespaces = {node_of(place): place for place in lab.plan.namespaces}
    ends = [namespaces[node.name] for node in lab.topology.endpoints]
    ipv4, ipv6 = addresses(ends)
    found: dict[Family, AdapterAddresses] = {
        Family.IPV4: {(node_of(place), name): own for (place, name), own in ipv4.items()},
        Family.IPV6: {(node_of(place), name): own for (place, name), own in ipv6.items()},
    }
    inputs = MatrixInput(lab.topology.endpoints, namespaces, found)
    watched = None if answers_only else netmap(lab)
    told = progress or (lambda done: None)
    with postponed_signals() as interruption:
        results = measure(measured, inputs, told, watched, interruption)
    unasked = {id(one) for one in besides}
    return [result for result in results if id(result.expectation) not in unasked]


def pairs(lab: Lab, sources: Sequence[str], targets: Sequence[str]) -> tuple[Expectation, ...]:
    """Those of a lab's expectations that are named on both sides, as in its rules: `vm1`, `vm*`, `host@lan`.

    No names: all. Raises UsageError for what names none of the matrix, or only pairs of a node with itself.
    """
    from netlab.scenario.expectation import selected

    return selected(lab.expectations, sources, targets)


def trace(
    lab: Lab, source: str, target: str | None = None, by: str = "icmp", wait: float = 0.0
) -> Trace:
    """Send one probe from a node to an endpoint or IP address, and follow it.

    `by` is the kind of probe (`probe.kinds`): `icmp`, `tcp:80`, `dns:www.example.com`, …
    Without a target, DNS asks the node's own server and DHCP everybody on the node's first
    network; DHCP's target may be a network. `wait` seconds pass before netlab's own receiver
    answers (tcp, udp, raw). Raises UsageError for what is none.
    """
    from netlab.lab.packets import targets

    require_root()
    asked = targets.question(lab, source, target, by, wait)
    leases = tuple(_leases(lab, run_directory(lab.name)))
    (traced,) = _followed(lab, [asked])
    history = replace(traced.history, start=(*traced.history.start, *leases))
    return replace(traced, history=history)


def ask_dhcp(lab: Lab, adapters: Sequence[Adapter]) -> list[Diagnosis]:
    """What becomes of a DHCP question of each of these adapters: `trace` for many at once."""
    from netlab.lab.packets import targets

    questions = targets.dhcp_questions(lab, adapters)
    few = (questions[at : at + _AT_ONCE] for at in range(0, len(questions), _AT_ONCE))
    return [traced.finding for some in few for traced in _followed(lab, some)]


def _followed(lab: Lab, questions: Sequence[TraceRequest]) -> list[Trace]:
    from netlab.kernel.patience import postponed_signals
    from netlab.kernel.process import services
    from netlab.trace.trace import traces

    complaints = services.dhcp_complaints(run_directory(lab.name))
    with postponed_signals() as interruption:
        return traces(netmap(lab), questions, interruption, complaints)


def audited_trace(
    lab: Lab, source: str, target: str | None = None, by: str = "icmp", wait: float = 0.0
) -> tuple[Trace, DropAudit]:
    """`trace`, and what the kernel says of its drops meanwhile. Raises Missing without tracepoints."""
    from netlab.kernel.host.tracepoints import audit
    from netlab.trace.audit import account

    require_root()
    with audit() as recorded:
        traced = trace(lab, source, target, by, wait)
    return traced, account(recorded, traced)


def _leases(lab: Lab, run: RunDirectory) -> Iterator[Entry]:
    """What each DHCP server has given."""
    from netlab.diagnosis.history import Entry
    from netlab.kernel.process.services import granted
    from netlab.kernel.rows import Granted
    from netlab.plan.names import node as node_of
    from netlab.plan.resources import Service

    for resource in lab.plan.resources:
        if isinstance(resource, Service):
            for expires, mac, address, name in granted(run, resource):
                yield Entry(node_of(resource.namespace), Granted(address, mac, name, expires))


def explain(lab: Lab, source: str, target: str, by: str = "icmp") -> Explanation:
    """Where a packet would go, and what would become of it; nothing is sent.

    `by` is `icmp`, `tcp:PORT` or `udp:PORT`. Raises UsageError for what is none.
    """
    with explainer(lab) as answer:
        return answer(source, target, by)


@contextmanager
def explainer(lab: Lab) -> Iterator[Callable[[str, str, str], Explanation]]:
    """`explain` for many questions, from one look at the lab."""
    from netlab.explain import explain, read
    from netlab.explain.model import probe as kind
    from netlab.lab.packets import targets

    require_root()
    places = netmap(lab)
    cables = {
        (places.nodes[place], interface): (places.nodes[other.namespace], other.interface)
        for (place, interface), other in lab.plan.peers.items()
    }
    with read.world(places, cables) as world:

        def answer(source: str, target: str, by: str) -> Explanation:
            probe = kind(by)
            start = targets.node(lab, source)
            end, to = targets.destination(lab, start, target, world.owners)
            if end == start.name:
                fix = "name another machine: no packet would leave"
                raise UsageError(f"{to} is {end} itself", fix)
            named = not targets.is_address(target)
            return explain.explain(world, start.name, end, ip_address(to), probe, named)

        yield answer


@contextmanager
def capture(
    lab: Lab, points: Sequence[str] = (), expression: str = "", snaplen: int | None = None
) -> Iterator[Stream]:
    """See the packets at some points of a lab, for the length of a block.

    A point is a node (`vm1`: all its adapters), an adapter (`vm1:eth0`) or a network (all its ports);
    no points: everywhere, also at what comes later. `expression` is a filter as tcpdump has them; of a
    frame, the first `snaplen` bytes are wanted. Signals end the stream, not the block. Raises UsageError,
    Missing.
    """
    from netlab.packets import bpf

    program = bpf.compiled(expression, snaplen or bpf.WHOLE) if expression or snaplen else b""
    with _tapped(lab, points, program) as stream:
        yield stream


@contextmanager
def watching(lab: Lab) -> Iterator[Stream]:
    """See every packet of a lab, but not all that it carries; what `probe.exchange.live` makes lines of."""
    from netlab.packets import filters

    with _tapped(lab, (), filters.HEADERS) as stream:
        yield stream


def exchange_filter(lab: Lab, names: Sequence[str]) -> Callable[[Conversation], bool]:
    """Whether an exchange has passed some nodes or networks; no names: any has.

    Raises UsageError for what the lab does not have.
    """
    from netlab.lab.packets import targets
    from netlab.plan.names import node as node_of

    for name in names:
        if ":" in name:
            raise UsageError(f"'{name}' is an adapter", "name its node or its network")
    chosen = {node_of(place): wanted for place, wanted in targets.points(lab, names).items()}

    def passes(step: Step) -> bool:
        wanted = chosen.get(step.node)
        if not wanted:
            return wanted is not None
        outlets = (step.came_in, *step.went_out) if step.came_in else step.went_out
        return any(one.interface in wanted for one in outlets)

    return lambda told: not names or any(passes(step) for step in told.steps)


@contextmanager
def _tapped(lab: Lab, points: Sequence[str], program: bytes) -> Iterator[Stream]:
    from netlab.kernel.patience import postponed_signals
    from netlab.lab.packets import targets
    from netlab.packets.stream import Stream

    require_root()
    _check_interfaces(lab, targets.points(lab, points))
    watcher = LabWatcher(lab)
    with postponed_signals() as interruption:
        stream = Stream(lambda taps: _renewed(watcher, points, program, taps), interruption)
        with closing(stream):
            stream.settle()
            yield stream


def _renewed(
    watcher: LabWatcher, points: Sequence[str], program: bytes, taps: Collection[Tap] | None
) -> list[Tap] | None:
    """The taps at some points of a lab as it is now: those that there are, and new ones.

    At first (None) all points have to be there, later they may come and go.
    """
    from netlab.kernel.closing import close_together
    from netlab.kernel.netlink.pool import allow_files
    from netlab.lab.packets import targets
    from netlab.packets.tap import Tap
    from netlab.plan.resources import Bridge

    if watcher.ended:
        return None
    lab = watcher()
    chosen = targets.points(lab, points, missing_ok=taps is not None)
    # What a switch sees on itself are copies of what it sees on its ports.
    own = {
        resource.namespace: resource.name
        for resource in lab.plan.resources
        if isinstance(resource, Bridge)
    }
    known = {
        tap.namespace: tap
        for tap in taps or ()
        if not tap.dead and set(tap.only) == chosen.get(tap.namespace)
    }
    fresh: list[Tap] = []
    allow_files(len(chosen))
    try:
        for place in (place for place in chosen if place not in known):
            with (
                nullcontext() if taps is None else suppress(KernelError)
            ):  # It may have gone just now.
                fresh.append(Tap(place, chosen[place], {"lo", own.get(place, "lo")}, program))
    except BaseException:
        close_together(fresh)
        raise
    return [*known.values(), *fresh]


def _check_interfaces(lab: Lab, chosen: Mapping[str, Collection[str]]) -> None:
    """An interface that ought to be there may be waited for; any other has to be there."""
    from netlab.kernel.namespaces.netns import inside
    from netlab.plan.names import node as node_of

    for place, wanted in chosen.items():
        if not wanted:
            continue
        node = node_of(place)
        with inside(place):
            present = {name for _, name in if_nameindex()}
        known = {*present, *(name for of, name in netmap(lab).peers if of == node)}
        for name in sorted(set(wanted) - known):
            raise UsageError(f"{node} has no interface '{name}'", instead(name, sorted(known)))
