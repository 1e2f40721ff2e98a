"""The verbs: the only place where the rooms meet, and the public Python API.

    from netlab import lab

    running = lab.up(lab.load("nat"))
    results = lab.verify(running)
    lab.down(running)

Every function raises errors of `netlab.errors`. What needs the kernel or
packets is imported inside the verb that uses it.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from functools import cached_property
from ipaddress import IPv4Address, IPv4Network, ip_address
from typing import TYPE_CHECKING, Any

from netlab import __version__
from netlab.errors import Interrupted, KernelError, NoSuchLab, SystemRefused, UsageError
from netlab.scenario import mode

if TYPE_CHECKING:
    from netlab.explain.world import Explanation
    from netlab.kernel.create import Progress
    from netlab.kernel.observe import Observation
    from netlab.kernel.owners import Owners
    from netlab.kernel.rundir import Record, RunDirectory
    from netlab.plan.change import Change
    from netlab.plan.nouns import Namespace
    from netlab.plan.plan import Difference, Plan
    from netlab.probe.account import Account
    from netlab.probe.history import Entry
    from netlab.probe.journey import Map
    from netlab.probe.matrix import Result
    from netlab.probe.stream import Stream
    from netlab.probe.tap import Tap
    from netlab.probe.trace import Trace
    from netlab.scenario.expectation import Expectation
    from netlab.scenario.source import Source
    from netlab.scenario.topology import Leg, Topology


def _modes() -> tuple[mode.Mode, ...]:
    from netlab.plan.build import MODES

    return tuple(MODES)


mode.known_by(_modes)


@dataclass(frozen=True)
class Lab:
    """A lab: its name, what the user asked for, and what must therefore exist."""

    name: str
    source: Source
    plan: Plan

    @property
    def topology(self) -> Topology:
        """Every machine, network and adapter that the user asked for."""
        return self.source.topology

    @cached_property
    def expectations(self) -> tuple[Expectation, ...]:
        """What must be true of every ordered pair of endpoints."""
        from netlab.scenario.expectation import matrix

        return matrix(self.topology)


@dataclass(frozen=True)
class Machine:
    """A node as it is now."""

    name: str
    role: str
    namespace: str
    interfaces: tuple[Interface, ...]
    uuid: str | None
    """A VM's, as its BIOS has it."""
    machine_id: str | None
    """A VM's, as its guest has it: copies of a guest share it."""


@dataclass(frozen=True)
class Interface:
    """A node's adapter as it is now."""

    name: str
    network: str
    state: str
    """up: as planned, with a cable that is up at both ends; otherwise down."""
    mac: str
    addresses: tuple[str, ...]
    lease: dict[str, str] | None
    """What DHCP gave; None for a static adapter, {} if it has no lease."""
    model: str | None
    """What kind of card a guest sees, if the scenario says so."""
    released: bool = False
    """The guest has given its lease back, and asks for none (`without_lease`)."""


@dataclass(frozen=True)
class Status:
    """A lab as it is now."""

    lab: Lab
    record: Record
    machines: tuple[Machine, ...]
    drift: Difference


def load(scenario: str) -> Source:
    """Read a scenario: a file, or the name of a shipped one."""
    from netlab.scenario.load import load as read

    return read(scenario)


def prepare(source: Source, name: str | None = None) -> Lab:
    """Plan a lab without touching anything.

    Raises UsageError if a port of the host's that is to lead to a VM, or its proxy's, is a service's.
    """
    from netlab.plan import ports
    from netlab.plan.build import build
    from netlab.scenario.names import lab_name

    checked = lab_name(name or source.name)
    plan = build(checked, source.topology)
    for (protocol, port), program in ports.taken_by_services(plan, source.topology).items():
        raise _busy(protocol, port, program)
    if server := ports.name_server_at_proxy(plan, source.topology):
        raise UsageError(
            f"port 53 is the host's DNS ({server}), and cannot be its proxy's",
            "give `host: {proxy: …}` another port, for example 3128",
        )
    return Lab(checked, source, plan)


def up(lab: Lab, progress: Progress | None = None) -> None:
    """Build a lab. Whatever goes wrong or is interrupted leaves nothing behind.

    Raises LabExists, NeedsRoot, Missing, SystemRefused, KernelError, Interrupted.
    """
    from netlab.kernel import preflight
    from netlab.kernel.create import create
    from netlab.kernel.patience import postponed_signals
    from netlab.kernel.remove import remove
    from netlab.kernel.room import require_room
    from netlab.kernel.rundir import Record, RunDirectory

    preflight.require()
    require_room(lab.plan)
    run = RunDirectory(lab.name)
    record = Record(
        lab.name, lab.source.name, lab.source.file, __version__, lab.plan.namespaces, time.time()
    )
    with postponed_signals() as interruption, run.created():
        preflight.refuse_taken(lab.plan.namespaces)
        try:
            run.fill(record, lab.source.text, lab.source.remembered())
            create(lab.plan, run, progress or (lambda noun, moment: None), interruption)
            run.write(replace(record, ready=True))
            interruption.check()
        except BaseException as error:
            try:
                remove(run, record)
            except KernelError as failure:
                error.add_note(str(failure))
            raise


def warnings(lab: Lab) -> list[str]:
    """What works in a lab of this size on this machine, but not for all its machines at once."""
    from netlab.kernel.room import warnings

    return warnings(lab.plan)


@contextmanager
def undone_by_signals(lab: Lab) -> Iterator[None]:
    """A block of which `up` is a part: a signal anywhere inside it ends the lab."""
    from netlab.kernel.patience import postponed_signals

    with postponed_signals() as interruption:
        yield
        try:
            interruption.check()
        except Interrupted:
            down(lab.name)
            raise


def change(lab: Lab, source: Source) -> tuple[Lab, Change]:
    """The lab that another scenario would make of a running one, and how to come there."""
    from netlab.plan.change import change as between

    wanted = prepare(source, lab.name)
    return wanted, between(lab.plan, wanted.plan)


def assigned(lab: Lab, target: str, settings: dict[str, str]) -> Source:
    """The lab's scenario with some values changed (see `scenario.edit.assign`), checked."""
    from netlab.scenario import edit

    return _edited(lab, edit.assign(lab.source.data, target, settings))


def with_vm(lab: Lab, name: str, networks: list[str]) -> Source:
    """The lab's scenario with another VM, checked."""
    from netlab.scenario import edit

    return _edited(lab, edit.add_vm(lab.source.data, name, networks))


def with_clone(lab: Lab, vm: str, name: str, kept: bool) -> Source:
    """The lab's scenario with a copy of a VM; `kept`: with its UUID and MACs, as "I moved it"."""
    from netlab.scenario import edit

    return _edited(lab, edit.clone_vm(lab.source.data, vm, name, kept))


def without_vm(lab: Lab, name: str) -> Source:
    """The lab's scenario without one of its VMs, checked."""
    from netlab.scenario import edit

    return _edited(lab, edit.remove_vm(lab.source.data, name))


def without_lease(lab: Lab, target: str) -> Source:
    """The lab's scenario with the lease of a VM (`vm1`), or of one adapter (`vm1.eth0`), given back.

    As `dhclient -r` and `ipconfig /release` do it. Raises UsageError if no DHCP client runs there.
    """
    from netlab.scenario import edit
    from netlab.scenario.topology import Role

    data = lab.source.data
    for leg in _clients(lab, target):
        if lab.topology.nodes[leg.node].role is not Role.VM:
            what = f"{leg.node} is no VM: its lease cannot be given back"
            raise UsageError(what, f"`netlab dhcp renew {target}` lets it ask anew")
        data = edit.assign(data, f"{leg.node}.{leg.interface}", {"released": "true"})
    return _edited(lab, data)


def with_lease(lab: Lab, target: str) -> Source:
    """The lab's scenario with what `without_lease` gave back asked for again. Raises UsageError."""
    from netlab.scenario import edit

    data = lab.source.data
    for leg in _clients(lab, target):
        if leg.released:
            data = edit.assign(data, f"{leg.node}.{leg.interface}", {"released": ""})
    return _edited(lab, data)


def renew(lab: Lab, target: str, seconds: float = 15.0, progress: Progress | None = None) -> Lab:
    """Let a machine (`vm1`), or one adapter of it, ask DHCP anew, and wait for the answer.

    As `ipconfig /renew` does it: a server that does not answer within 5 s loses its client, who then
    asks everybody. Returns the lab, changed if there was a lease that had been given back. Raises
    UsageError if nothing there is configured by DHCP; KernelError after `seconds` without an address.
    """
    from netlab.kernel import leases
    from netlab.kernel.patience import postponed_signals
    from netlab.plan.names import namespace
    from netlab.plan.nouns import DhcpClient

    _require_root()
    asking = {(namespace(lab.name, leg.node), leg.holder) for leg in _clients(lab, target)}
    bound = [
        noun
        for noun in lab.plan.nouns
        if isinstance(noun, DhcpClient) and (noun.namespace, noun.interface) in asking
    ]
    run = _run_directory(lab.name)
    with postponed_signals() as interruption, run.locked():
        for client in bound:
            leases.renew(run, client, seconds, interruption)
    return apply(lab, with_lease(lab, target), progress)


def _clients(lab: Lab, target: str) -> list[Leg]:
    """The adapters that are configured by DHCP. Raises UsageError if there are none."""
    from netlab.scenario.topology import Role

    name, _, interface = target.partition(".")
    node = lab.topology.nodes.get(name)
    if node is None:
        known = ", ".join(one.name for one in lab.topology.endpoints)
        raise UsageError(f"there is no machine '{name}'", f"there are: {known}")
    legs = [leg for leg in node.legs if interface in ("", leg.interface)]
    if not legs:
        its = ", ".join(leg.interface for leg in node.legs)
        raise UsageError(f"there is no adapter '{target}'", f"it has: {its}")
    if clients := [leg for leg in legs if leg.by_dhcp]:
        return clients
    settable = node.role in (Role.VM, Role.HOST)
    raise UsageError(
        f"{target} has no address from DHCP: it is static",
        f"`netlab set {name}.{legs[0].interface} address=` lets it ask for one"
        if settable
        else "it asks for one if the scenario gives it none: see `netlab apply --help`",
    )


def with_forward(
    lab: Lab, protocol: str, port: int, target: str, network: str | None = None
) -> Source:
    """The lab's scenario with another port of the host that leads to a VM, checked.

    `target` is a VM or an address, and a port: `vm1:80`. Raises UsageError if it is not clear which
    NAT network is meant; ScenarioError.
    """
    from netlab.scenario import edit

    vmnet = network or _nat_network(lab, target.partition(":")[0])
    return _edited(lab, edit.add_forward(lab.source.data, vmnet, protocol, port, target))


def refuse_busy_ports(lab: Lab, wanted: Lab) -> None:
    """Raise UsageError if a port of the host's that is to lead to a VM is a running program's.

    Only ports are looked at that lead nowhere yet; the lab's own services are `prepare`'s to judge.
    """
    from netlab.kernel.services import process
    from netlab.kernel.sockets import read_listening
    from netlab.plan import ports
    from netlab.plan.names import namespace
    from netlab.plan.nouns import Service
    from netlab.scenario.topology import HOST

    new = ports.forwarded(wanted.topology) - ports.forwarded(lab.topology)
    if not new:
        return
    _require_root()
    host, run = namespace(lab.name, HOST), _run_directory(lab.name)
    own = {
        process(run, noun)
        for noun in lab.plan.nouns
        if isinstance(noun, Service) and noun.namespace == host
    }
    for one in read_listening([host])[host]:
        if (one.protocol, one.port) in new and (one.pid is None or one.pid not in own):
            raise _busy(one.protocol, one.port, one.program if one.pid else "another program")


def _busy(protocol: str, port: int, program: str) -> UsageError:
    what = f"the host's {protocol} port {port} is busy: {program} waits on it"
    return UsageError(what, "end that program, or let another port of the host lead to the VM")


def without_forward(lab: Lab, protocol: str, port: int) -> Source:
    """The lab's scenario without a port that leads to a VM, checked. Raises UsageError."""
    from netlab.scenario import edit

    return _edited(lab, edit.remove_forward(lab.source.data, protocol, port))


def _nat_network(lab: Lab, vm: str) -> str:
    """The NAT network that a VM (or an address) is on, or the only one, as the scenario calls it."""
    scenario = lab.source.scenario
    translated = [name for name, one in scenario.vmnets.items() if one.mode.nat_device]
    if vm in scenario.vms:
        found = [nic.network for nic in scenario.vms[vm].nics]
    else:
        subnets = {name: one.own_subnet for name, one in scenario.vmnets.items()}
        found = [name for name, subnet in subnets.items() if subnet and _is_inside(vm, subnet)]
    meant = [name for name in translated if name in found] or translated
    if len(meant) == 1:
        return meant[0]
    if not meant:
        raise UsageError(f"the lab '{lab.name}' has no NAT network", "only a NAT device forwards")
    raise UsageError("several NAT networks could be meant", f"name one of: {', '.join(meant)}")


def _is_inside(text: str, subnet: IPv4Network) -> bool:
    try:
        return IPv4Address(text) in subnet
    except ValueError:
        return False


def _edited(lab: Lab, data: dict[str, Any]) -> Source:
    from netlab.scenario.load import edited

    return edited(lab.source, data)


def apply(lab: Lab, source: Source, progress: Progress | None = None) -> Lab:
    """Bring a running lab to another scenario: `change`, and `carry_out` what it takes."""
    return carry_out(lab, *change(lab, source), progress)


def carry_out(lab: Lab, wanted: Lab, difference: Change, progress: Progress | None = None) -> Lab:
    """Bring a running lab to what `change` has said; what is equal in both is not touched.

    A failure or a signal on the way leaves the lab as it was. Raises UsageError if a port that is to
    lead to a VM is busy, NoSuchLab, SystemRefused if `lab` is not as the last change left it or that
    was cut off, KernelError, Interrupted.
    """
    from netlab.kernel import netns
    from netlab.kernel.change import change as bring_about
    from netlab.kernel.patience import postponed_signals

    _require_root()
    source, run = wanted.source, _run_directory(lab.name)
    with postponed_signals() as interruption, run.locked():
        _refuse_outdated(lab, run)
        if _cut_off(lab, run):
            raise SystemRefused(
                f"a change of the lab '{lab.name}' was cut off in its middle",
                f"`netlab repair {lab.name}` ends what it has left",
            )
        refuse_busy_ports(lab, wanted)
        before = run.read()
        both = tuple(dict.fromkeys((*before.namespaces, *wanted.plan.namespaces)))
        after = replace(
            before, scenario=source.name, file=source.file, namespaces=wanted.plan.namespaces
        )
        # Written first: what a crash leaves of either must be found by `down`.
        run.write(replace(before, namespaces=both))
        try:
            bring_about(difference, run, progress or (lambda noun, moment: None), interruption)
            run.rewrite(after, source.text, source.remembered())
        except BaseException:
            left = (one for one in both if one in before.namespaces or netns.inode(one))
            run.write(replace(before, namespaces=tuple(left)))
            raise
    return wanted


def _refuse_outdated(lab: Lab, run: RunDirectory) -> None:
    """A change is planned before the lab is locked: another command may have been faster."""
    if run.scenario.read_bytes() != lab.source.text:
        what = f"another netlab command has changed the lab '{lab.name}' meanwhile"
        raise SystemRefused(what, "do it again")


def mending(lab: Lab) -> Change:
    """What `repair` would do."""
    from netlab.kernel.observe import observe
    from netlab.plan.change import mend

    _require_root()
    run = _run_directory(lab.name)
    return mend(lab.plan, (*observe(lab.plan, run).nouns, *_cut_off(lab, run)))


def _cut_off(lab: Lab, run: RunDirectory) -> tuple[Namespace, ...]:
    """Machines of another scenario: what a change has left that could not even be taken back."""
    from netlab.kernel import netns
    from netlab.plan.nouns import Namespace

    planned = set(lab.plan.namespaces)
    others = (name for name in run.read().namespaces if name not in planned)
    return tuple(Namespace(name) for name in others if netns.inode(name))


def repair(lab: Lab, progress: Progress | None = None) -> Change:
    """Bring a running lab back to its scenario, whatever was done to it by hand; tell what that took.

    What somebody made goes, what is missing or another comes anew. A failure or a signal on the way
    leaves it as it was. Raises SystemRefused if `lab` is not as the last change left it, KernelError,
    Interrupted.
    """
    from netlab.kernel.change import change as carry_out
    from netlab.kernel.patience import postponed_signals

    _require_root()
    run = _run_directory(lab.name)
    with postponed_signals() as interruption, run.locked():
        _refuse_outdated(lab, run)
        wanted = mending(lab)
        carry_out(wanted, run, progress or (lambda noun, moment: None), interruption)
        run.write(replace(run.read(), namespaces=lab.plan.namespaces))
    return wanted


def down(name: str) -> None:
    """End a lab, whatever state it is in. Reads what was made, not the scenario."""
    from netlab.kernel.patience import postponed_signals
    from netlab.kernel.remove import remove

    _require_root()
    run = _run_directory(name)
    with postponed_signals(), run.locked():
        remove(run, run.read())


def sweep() -> None:
    """Remove what labs have left in /etc that were running when the machine was switched off."""
    from netlab.kernel.remove import sweep

    _require_root()
    sweep()


def names() -> list[str]:
    """The labs that exist, whole or broken."""
    from netlab.kernel.rundir import labs

    return labs()


def pick(name: str | None, how: str = "--lab LAB") -> str:
    """The lab that is meant: `name`, or the only one. Raises NoSuchLab, which tells `how` to name it."""
    existing = names()
    if name is not None:
        _run_directory(name).read()
        return name
    if len(existing) == 1:
        return existing[0]
    if not existing:
        raise NoSuchLab("no lab is running", "`netlab up nat` starts one")
    raise NoSuchLab(
        f"several labs are running: {', '.join(existing)}", f"name one of them: `{how}`"
    )


def record(name: str) -> Record:
    """What is written down about a lab. Raises NoSuchLab."""
    return _run_directory(name).read()


def attach(name: str) -> Lab:
    """A running lab, planned again from the copy of its scenario. Raises NoSuchLab."""
    from netlab.scenario.source import recall

    run = _run_directory(name)
    known = run.read()
    if not known.ready:
        with run.locked():  # Raises SystemRefused if it is being built or ended just now.
            pass
        raise NoSuchLab(
            f"the lab '{name}' is not complete", f"`netlab down {name}` ends what is left of it"
        )
    memory = run.memory.read_bytes() if run.memory.is_file() else b""
    source = recall(run.scenario.read_bytes(), known.file, memory)
    return prepare(replace(source, name=known.scenario), name)


def status(lab: Lab) -> Status:
    """Look at a running lab: addresses, leases, and drift from the plan."""
    from netlab.kernel.observe import observe
    from netlab.plan.plan import difference

    _require_root()
    run = _run_directory(lab.name)
    observed = observe(lab.plan, run)
    machines = tuple(_machines(lab, run, observed))
    there = (*observed.nouns, *_cut_off(lab, run))
    return Status(lab, run.read(), machines, difference(lab.plan.nouns, there))


def verify(
    lab: Lab, progress: Callable[[int], None] | None = None, answers_only: bool = False
) -> list[Result]:
    """Measure who reaches whom, and compare it with what the scenario expects.

    Every packet is followed, so that one that was not answered is told with where and why it
    died; with `answers_only`, its two ends alone are looked at, which is faster.
    `progress` is told now and then how many more pairs have been measured.
    """
    from netlab.kernel.observe import addresses, ipv6_addresses
    from netlab.kernel.patience import postponed_signals
    from netlab.plan.names import node as node_of
    from netlab.probe.matrix import Addresses, measure
    from netlab.scenario.model import Family

    _require_root()
    namespaces = {node_of(place): place for place in lab.plan.namespaces}
    ends = [namespaces[node.name] for node in lab.topology.endpoints]
    readers: dict[Family, Callable[[list[str]], Addresses]] = {
        Family.IPV4: addresses,
        Family.IPV6: ipv6_addresses,
    }
    found: dict[Family, Addresses] = {
        family: {
            (node_of(place), interface): known for (place, interface), known in read(ends).items()
        }
        for family, read in readers.items()
        if any(one.over is family for one in lab.expectations)
    }
    watched = None if answers_only else where(lab)
    told = progress or (lambda done: None)
    with postponed_signals() as interruption:
        return measure(lab.expectations, found, namespaces, told, watched, interruption)


def trace(
    lab: Lab, source: str, target: str | None = None, by: str = "icmp", wait: float = 0.0
) -> Trace:
    """Send one probe from a node to an endpoint or IP address, and follow it.

    `by` is the kind of probe (`probe.kinds`): `icmp`, `tcp:80`, `dns:www.example.com`, …
    Without a target, DNS asks the node's own server and DHCP everybody on the node's first
    network; DHCP's target may be a network. `wait` seconds pass before netlab's own receiver
    answers (tcp, udp, raw). Raises UsageError for what is none.
    """
    from netlab import aim
    from netlab.kernel import services
    from netlab.kernel.patience import postponed_signals
    from netlab.probe.trace import trace as follow

    _require_root()
    run = _run_directory(lab.name)
    asked = aim.question(lab, source, target, by, wait)
    complaints = services.dhcp_complaints(run, asked.ends.mac)
    leases = tuple(_leases(lab, run))
    with postponed_signals() as interruption:
        traced = follow(where(lab), asked, interruption, complaints)
    history = replace(traced.history, start=(*traced.history.start, *leases))
    return replace(traced, history=history)


def _leases(lab: Lab, run: RunDirectory) -> Iterator[Entry]:
    """What each DHCP server has given."""
    from netlab.kernel.rows import Granted
    from netlab.kernel.services import granted
    from netlab.plan.names import node as node_of
    from netlab.plan.nouns import Service
    from netlab.probe.history import Entry

    for noun in lab.plan.nouns:
        if isinstance(noun, Service):
            for expires, mac, address, name in granted(run, noun):
                yield Entry(node_of(noun.namespace), Granted(address, mac, name, expires))


def audited_trace(
    lab: Lab, source: str, target: str | None = None, by: str = "icmp", wait: float = 0.0
) -> tuple[Trace, Account]:
    """`trace`, and what the kernel says of its drops meanwhile. Raises Missing without tracepoints."""
    from netlab.kernel.tracepoints import audit
    from netlab.probe.account import account

    _require_root()
    with audit() as recorded:
        traced = trace(lab, source, target, by, wait)
    return traced, account(recorded, traced)


def where(lab: Lab) -> Map:
    """The lab as a packet meets it."""
    from netlab.plan.names import node as node_of
    from netlab.plan.nat import plumbing
    from netlab.plan.nouns import Bridge
    from netlab.probe.journey import BridgeInside, Map
    from netlab.scenario.topology import HOST

    translates = any(
        network.mode and (network.mode.nat_device or network.mode.routing)
        for network in lab.topology.vmnets
    )
    cards = [leg for leg in lab.topology.nodes[HOST].legs if leg.network.lan]
    switches = frozenset(node_of(n.namespace) for n in lab.plan.nouns if isinstance(n, Bridge))
    return Map(
        nodes={place: node_of(place) for place in lab.plan.namespaces},
        switches=switches - set(lab.topology.nodes),
        bridges={
            name: BridgeInside(node.primary.holder, node.primary.mac)
            for name, node in lab.topology.nodes.items()
            if name in switches
        },
        peers={
            (node_of(place), interface): node_of(other.namespace)
            for (place, interface), other in lab.plan.peers.items()
        },
        plumbing=plumbing(lab.topology),
        doors=frozenset((HOST, card.interface) for card in cards if translates),
    )


def owners(lab: Lab) -> Owners:
    """Whose every IP and MAC address of the lab is now. Raises KernelError."""
    from netlab.kernel import spaces
    from netlab.plan.names import node as node_of

    _require_root()
    return spaces.owners({place: node_of(place) for place in lab.plan.namespaces})


def following_owners(lab: Lab) -> Callable[[], Owners]:
    """`owners` for whatever goes on for long: asked anew if the last answer is a second old."""
    known, since = owners(lab), time.monotonic()

    def latest() -> Owners:
        nonlocal known, since
        if time.monotonic() - since > 1:
            with suppress(KernelError):  # The lab has ended: its last packets are still to be told.
                known = owners(lab)
            since = time.monotonic()
        return known

    return latest


@contextmanager
def listening(
    lab: Lab, points: Sequence[str] = (), expression: str = "", snaplen: int | None = None
) -> Iterator[Stream]:
    """See the packets at some points of a lab, for the length of a block.

    A point is a node (`vm1`: all its adapters), an adapter (`vm1:eth0`) or a network (all its ports);
    no points: everywhere. `expression` is a filter as tcpdump has them; of a frame, the first `snaplen`
    bytes are wanted. Signals end the stream, not the block. Raises UsageError, Missing.
    """
    from netlab.probe import bpf

    program = bpf.compiled(expression, snaplen or bpf.WHOLE) if expression or snaplen else b""
    with _tapped(lab, points, program) as stream:
        yield stream


@contextmanager
def watching(lab: Lab) -> Iterator[Stream]:
    """See every packet of a lab, but not what TCP carries; what `probe.exchange.live` makes lines of."""
    from netlab.probe import bpf

    with _tapped(lab, (), bpf.HEADERS_OF_TCP) as stream:
        yield stream


@contextmanager
def _tapped(lab: Lab, points: Sequence[str], program: bytes) -> Iterator[Stream]:
    from netlab import aim
    from netlab.kernel.closing import close_together
    from netlab.kernel.handles import allow_files
    from netlab.kernel.patience import postponed_signals
    from netlab.plan.nouns import Bridge
    from netlab.probe.stream import Stream
    from netlab.probe.tap import Tap

    _require_root()
    chosen = aim.points(lab, points)
    # What a switch sees on itself are copies of what it sees on its ports.
    own = {noun.namespace: noun.name for noun in lab.plan.nouns if isinstance(noun, Bridge)}
    with postponed_signals() as interruption, ExitStack() as stack:
        allow_files(len(chosen))
        taps: list[Tap] = []
        stack.callback(close_together, taps)
        for place, only in chosen.items():
            taps.append(Tap(place, only, {"lo", own.get(place, "lo")}, program))
        for tap in taps:
            _check_interfaces(lab, tap, chosen[tap.namespace])
        yield Stream(taps, interruption)


def explain(lab: Lab, source: str, target: str, by: str = "icmp") -> Explanation:
    """Where a packet would go, and what would become of it; nothing is sent.

    `by` is `icmp`, `tcp:PORT` or `udp:PORT`. Raises UsageError for what is none.
    """
    with explaining(lab) as answer:
        return answer(source, target, by)


@contextmanager
def explaining(lab: Lab) -> Iterator[Callable[[str, str, str], Explanation]]:
    """`explain` for many questions, from one look at the lab."""
    from netlab import aim
    from netlab.explain import gather, way
    from netlab.explain.world import probe as kind

    _require_root()
    places = where(lab)
    cables = {
        (places.nodes[place], interface): (places.nodes[other.namespace], other.interface)
        for (place, interface), other in lab.plan.peers.items()
    }
    with gather.world(places, cables) as world:

        def answer(source: str, target: str, by: str) -> Explanation:
            probe = kind(by)
            start = aim.node(lab, source)
            end, to = aim.destination(lab, start, target, world.owners)
            if end == start.name:
                fix = "name another machine: no packet would leave"
                raise UsageError(f"{to} is {end} itself", fix)
            return way.explain(world, start.name, end, ip_address(to), probe)

        yield answer


@contextmanager
def running(lab: Lab, progress: Progress | None = None) -> Iterator[Lab]:
    """A lab for the length of a block: up, and down whatever happens inside, signals included."""
    from netlab.kernel.patience import postponed_signals

    with postponed_signals() as interruption:
        up(lab, progress)
        try:
            with interruption.at_once():
                yield lab
        finally:
            down(lab.name)


def execute(lab: str, node: str, command: Sequence[str], environment: dict[str, str]) -> None:
    """Replace this process by a command on a node. Returns only by an exception."""
    from netlab.kernel import enter

    _require_root()
    place = place_of(lab, node)
    enter.execute(place, node, command, environment)


def ensure_root() -> None:
    """Without root, go on as root in namespaces of one's own, where all labs end with this process.

    Then it returns only inside: the caller's process waits outside, and ends with the same exit
    code. Raises Missing where user namespaces are not allowed.
    """
    from netlab.kernel import rootless

    if os.geteuid() != 0:
        rootless.enter()


def unshare(command: Sequence[str]) -> None:
    """Run a command where labs need no root. Returns only by an exception, as `execute`."""
    from netlab.kernel import enter, rootless

    rootless.enter()
    enter.replace(command, {})


def places(name: str) -> list[str]:
    """The nodes and switches of a lab."""
    from netlab.plan.names import node as node_of

    return [node_of(place) for place in record(name).namespaces]


def place_of(name: str, node: str) -> str:
    """The namespace of a node or switch. Raises UsageError for one that the lab does not have."""
    from netlab.plan.names import namespace

    known = places(name)
    if node not in known:
        raise UsageError(f"the lab '{name}' has no node '{node}'", f"it has: {', '.join(known)}")
    return namespace(name, node)


def _check_interfaces(lab: Lab, tap: Tap, wanted: set[str]) -> None:
    """An interface that ought to be there may be waited for; any other has to be there."""
    from netlab.plan.names import node as node_of

    node = node_of(tap.namespace)
    known = {*tap.interfaces, *(name for place, name in where(lab).peers if place == node)}
    for name in sorted(wanted - known):
        has = ", ".join(sorted(known))
        raise UsageError(f"{node} has no interface '{name}'", f"it has: {has}")


def _run_directory(name: str) -> RunDirectory:
    from netlab.kernel.rundir import RunDirectory

    return RunDirectory(name)


def _require_root() -> None:
    from netlab.kernel import preflight

    preflight.require_root()


def _machines(lab: Lab, run: RunDirectory, observed: Observation) -> Iterator[Machine]:
    from netlab.kernel.services import lease
    from netlab.plan.names import namespace
    from netlab.plan.nouns import Cable, Lease

    cables = [noun for noun in observed.nouns if isinstance(noun, Cable)]
    plugged = {
        (end.namespace, end.interface) for cable in cables for end in (cable.one, cable.other)
    }
    for node in lab.topology.nodes.values():
        place = namespace(lab.name, node.name)
        interfaces = tuple(
            Interface(
                leg.interface,
                leg.network.name,
                "up" if (place, leg.interface) in plugged else "down",
                leg.mac,
                tuple(
                    str(one)
                    for known in (observed.addresses, observed.ipv6)
                    for one in known.get((place, leg.holder), ())
                    if not leg.bare
                ),
                lease(run, Lease(place, leg.holder)) if leg.by_dhcp else None,
                leg.model,
                leg.released,
            )
            for leg in node.legs
        )
        yield Machine(
            node.name,
            node.role.value,
            place,
            interfaces,
            str(node.uuid) if node.uuid else None,
            node.guest.hex if node.guest else None,
        )
