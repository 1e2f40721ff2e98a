"""Commands that change a running lab. What does not differ is not touched."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import click

from netlab import lab
from netlab.cli.arguments import (
    ClientName,
    CommandGroup,
    LabName,
    NetworkName,
    SecondsArgument,
    Setting,
    Target,
    VmName,
    VmPort,
    examples,
    json_option,
    lab_of_group_option,
    lab_option,
    pass_output,
    same_lab,
    scenario_argument,
)
from netlab.cli.labs.show import table_command
from netlab.cli.output import Output, show
from netlab.errors import KernelError, UsageError

if TYPE_CHECKING:
    from netlab.lab import Lab
    from netlab.scenario.loaded import LoadedScenario

dry_run_option = click.option(
    "--dry-run", is_flag=True, help="Show what would be removed, altered and made; change nothing."
)


@click.command(
    epilog=examples("sudo netlab apply mine.yaml --dry-run", "sudo netlab apply mine.yaml")
)
@scenario_argument
@click.argument("name", required=False, type=LabName(), metavar="[LAB]")
@lab_option
@dry_run_option
@json_option
@pass_output
def apply(
    output: Output, scenario: str, name: str | None, lab_name: str | None, dry_run: bool
) -> None:
    """Bring a running lab to an edited scenario.

    Only what differs is touched; a change that fails on the way is taken back whole.
    """
    running = lab.attach(lab.find_lab(same_lab(name, lab_name)))
    _carry_out(output, running, lab.load(scenario), dry_run)


@click.command(epilog=examples("sudo netlab repair --dry-run", "sudo netlab repair"))
@click.argument("name", required=False, type=LabName(), metavar="[LAB]")
@lab_option
@dry_run_option
@json_option
@pass_output
def repair(output: Output, name: str | None, lab_name: str | None, dry_run: bool) -> int | None:
    """Undo what was changed in a running lab by hand.

    Addresses, routes, rules, settings, interfaces and services become what the scenario says, and
    what `status` calls drift is gone. What cannot be mended keeps nothing else from it, and is told in
    the end (exit code 3).
    """
    from netlab.report import data, text

    running = lab.attach(lab.find_lab(same_lab(name, lab_name)))
    unleased: list[lab.Unleased] = []
    difference = lab.plan_repair(running)
    if dry_run:
        output.result(
            data.change(difference, running.name), lambda: text.change(difference, done=False)
        )
        return None
    with output.changing(running, difference) as progress:
        done = lab.repair(running, progress, unleased.append)
    output.warn(unleased)
    output.result(data.repair(done, running.name, unleased), lambda: text.repair(done))
    if not done.left:
        return None
    show(text.unmended(done, running.name), to_stderr=True)
    return KernelError.exit_code


@click.command(
    "set",
    epilog=examples(
        "sudo netlab set vm1.eth0 connected=false       # pull the cable",
        "sudo netlab set vm1.eth0 network=vmnet1        # move it to another network",
        "sudo netlab set vmnet8 adapter=off             # as Windows disables VMnet8",
        "sudo netlab set vmnet8 stopped=[nat]           # stop VMware's NAT service",
        "sudo netlab set vmnet8 stopped=                # start it again",
    ),
)
@click.argument("target", type=Target(), metavar="WHAT")
@click.argument("settings", nargs=-1, required=True, type=Setting(), metavar="KEY=VALUE...")
@lab_option
@dry_run_option
@json_option
@pass_output
def assign(
    output: Output, target: str, settings: tuple[str, ...], lab_name: str | None, dry_run: bool
) -> None:
    """Change a value of a running lab's scenario, and the lab with it.

    WHAT is a VM (vm1), an adapter of one (vm1.eth0), a vmnet, a card of the host (host.eth0),
    host, lan or internet. Keys and values are those of a scenario file; no value takes the key out.
    """
    wanted = dict(_setting(word) for word in settings)
    running = lab.attach(lab.find_lab(lab_name))
    _carry_out(output, running, lab.set_value(running, target, wanted), dry_run)


@click.command(epilog=examples("sudo netlab add vm3 vmnet8", "sudo netlab add vm3 vmnet8 vmnet1"))
@click.argument("vm")
@click.argument("networks", nargs=-1, required=True, type=NetworkName(), metavar="NETWORK...")
@lab_option
@dry_run_option
@json_option
@pass_output
def add(
    output: Output, vm: str, networks: tuple[str, ...], lab_name: str | None, dry_run: bool
) -> None:
    """Add a VM to a running lab, with an adapter on each network."""
    running = lab.attach(lab.find_lab(lab_name))
    _carry_out(output, running, lab.add_vm(running, vm, list(networks)), dry_run)


@click.command(
    epilog=examples(
        "sudo netlab clone vm1 vm3                # VMware's Clone: a MAC of its own",
        "sudo netlab clone vm1 vm3 --as moved     # a copy of its files, answered with I moved it",
    )
)
@click.argument("vm", type=VmName())
@click.argument("new")
@click.option(
    "--as",
    "way",
    type=click.Choice(["clone", "moved", "copied"]),
    default="clone",
    show_default=True,
    help="VMware's Clone command, or a copy of the files and what was answered about it.",
)
@lab_option
@dry_run_option
@json_option
@pass_output
def clone(output: Output, vm: str, new: str, way: str, lab_name: str | None, dry_run: bool) -> None:
    """Add a copy of a VM to a running lab.

    Clone and copied give it a UUID and MACs of its own, moved leaves it the original's. What is set
    in the guest is the same in all: static addresses, static MACs and /etc/machine-id.
    """
    running = lab.attach(lab.find_lab(lab_name))
    _carry_out(output, running, lab.clone_vm(running, vm, new, way == "moved"), dry_run)


@click.command(epilog=examples("sudo netlab remove vm3"))
@click.argument("vm", type=VmName())
@lab_option
@dry_run_option
@json_option
@pass_output
def remove(output: Output, vm: str, lab_name: str | None, dry_run: bool) -> None:
    """Remove a VM from a running lab."""
    running = lab.attach(lab.find_lab(lab_name))
    _carry_out(output, running, lab.remove_vm(running, vm), dry_run)


@click.group(
    cls=CommandGroup,
    epilog=examples(
        "sudo netlab forward add 8080 vm1:80       # the host's port 8080 leads to vm1's web server",
        "sudo netlab forward add 5353/udp vm1:53",
        "sudo netlab forward list",
        "sudo netlab forward remove 8080",
    ),
)
@lab_of_group_option
def forward() -> None:
    """Ports of the host that lead to VMs behind NAT, as in the editor's NAT settings."""


@forward.command("add", epilog=examples("sudo netlab forward add 8080 vm1:80"))
@click.argument("port", metavar="PORT[/udp]")
@click.argument("target", type=VmPort(), metavar="VM:PORT")
@click.option(
    "--network", type=NetworkName(), metavar="VMNET", help="Whose NAT device; default: the VM's."
)
@lab_option
@dry_run_option
@json_option
@pass_output
def forward_add(
    output: Output,
    port: str,
    target: str,
    network: str | None,
    lab_name: str | None,
    dry_run: bool,
) -> None:
    """Let a port of the host lead to a VM's."""
    running = lab.attach(lab.find_lab(lab_name))
    number, protocol = _port(port)
    source = lab.add_forward(running, protocol, number, target, network)
    _carry_out(output, running, source, dry_run)


@forward.command("remove", epilog=examples("sudo netlab forward remove 8080"))
@click.argument("port", metavar="PORT[/udp]")
@lab_option
@dry_run_option
@json_option
@pass_output
def forward_remove(output: Output, port: str, lab_name: str | None, dry_run: bool) -> None:
    """Give a port of the host back."""
    running = lab.attach(lab.find_lab(lab_name))
    number, protocol = _port(port)
    _carry_out(output, running, lab.remove_forward(running, protocol, number), dry_run)


forward.add_command(table_command("forwards", "Ports that lead to a machine behind NAT."), "list")


@click.group(
    cls=CommandGroup,
    epilog=examples(
        "sudo netlab dhcp release vm1        # as ipconfig /release, dhclient -r",
        "sudo netlab dhcp renew vm1          # as ipconfig /renew",
        "sudo netlab dhcp renew host.eth0",
    ),
)
@lab_of_group_option
def dhcp() -> None:
    """Leases of a running lab's machines: given back, asked for anew.

    MACHINE is a machine, or one adapter of it: vm1, vm1.eth0.
    """


@dhcp.command("release", epilog=examples("sudo netlab dhcp release vm1"))
@click.argument("machine", type=ClientName())
@lab_option
@dry_run_option
@json_option
@pass_output
def dhcp_release(output: Output, machine: str, lab_name: str | None, dry_run: bool) -> None:
    """Let a VM give its lease back; it has no address until it renews.

    As ipconfig /release and dhclient -r: the server is told, and the client ends.
    """
    running = lab.attach(lab.find_lab(lab_name))
    _carry_out(output, running, lab.release_lease(running, machine), dry_run)


@dhcp.command("renew", epilog=examples("sudo netlab dhcp renew vm1"))
@click.argument("machine", type=ClientName())
@lab_option
@click.option(
    "--wait",
    type=SecondsArgument(min=0, min_open=True),
    default=15,
    show_default=True,
    metavar="SECONDS",
    help="How long to wait at most; who has asked in vain is waited for no longer.",
)
@dry_run_option
@json_option
@pass_output
def dhcp_renew(
    output: Output, machine: str, lab_name: str | None, wait: float, dry_run: bool
) -> None:
    """Let a machine ask its DHCP server anew, and wait until it has an address.

    As ipconfig /renew. Who gets no answer gives up its address after 4 s, and asks everybody.
    """
    from netlab.report import data, text

    running = lab.attach(lab.find_lab(lab_name))
    if dry_run:
        _carry_out(output, running, lab.renew_lease(running, machine), dry_run)
        return
    name = machine.partition(".")[0]
    machines = lab.status(lab.renew(running, machine, wait)).machines
    found = [one for one in machines if one.name == name]
    output.result(data.machines(found, running.name), lambda: text.machines(found))


def _port(word: str) -> tuple[int, str]:
    number, _, protocol = word.partition("/")
    if not re.fullmatch("[0-9]{1,5}", number) or protocol not in ("", "tcp", "udp"):
        raise UsageError(f"'{word}' is no port", "write 8080 or 5353/udp")
    return int(number), protocol or "tcp"


def _setting(word: str) -> tuple[str, str]:
    key, equals, value = word.partition("=")
    if not key or not equals:
        raise UsageError(f"'{word}' is no setting", "write KEY=VALUE, for example connected=false")
    return key, value


def _known(running: Lab) -> set[str]:
    """Warnings that `up` has given already; line numbers may have changed."""
    return {warning.what for warning in running.source.warnings}


def _carry_out(output: Output, running: Lab, source: LoadedScenario, dry_run: bool) -> None:
    from netlab.report import data, text

    output.warn(one for one in source.warnings if one.what not in _known(running))
    unleased: list[lab.Unleased] = []
    wanted, difference = lab.change(running, source)
    if dry_run:
        lab.refuse_busy_ports(running, wanted)
    elif difference:
        with output.changing(wanted, difference) as progress:
            lab.apply_change(running, wanted, difference, progress, unleased.append)
    output.warn(unleased)
    output.result(
        data.change(difference, running.name, unleased),
        lambda: text.change(difference, done=not dry_run),
    )
