"""The command line without root: help, files, exit codes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import click
import pytest

from netlab import cli
from netlab.cli import netlab as group
from tests.pace import HANG_SECONDS

CONTEXT = click.Context(group, info_name="netlab")
COMMANDS = {name: group.get_command(CONTEXT, name) for name in group.list_commands(CONTEXT)}


@dataclass(frozen=True)
class Done:
    returncode: int
    stdout: str
    stderr: str


@pytest.fixture
def netlab(capsys):
    """Run a command line in this process: most of its time is the interpreter's start."""

    def run(*words: str) -> Done:
        code = cli.run(words)
        return Done(code, *capsys.readouterr())

    return run


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_an_example(command):
    text = COMMANDS[command].get_help(click.Context(COMMANDS[command], CONTEXT, command))
    assert "Examples:" in text
    assert f"netlab {command}" in text
    for parameter in COMMANDS[command].params:
        if isinstance(parameter, click.Option):
            assert parameter.help, parameter.name


def test_a_command_has_the_name_under_which_it_is_found():
    assert {name: command.name for name, command in COMMANDS.items()} == {n: n for n in COMMANDS}


def test_everything_that_reports_has_json():
    reporting = set(COMMANDS) - {"exec", "shell", "schema", "unshare", "completion"}
    for name in reporting:
        command = COMMANDS[name]
        parts = command.commands.values() if isinstance(command, click.Group) else [command]
        for part in parts:
            assert "--json" in {flag for p in part.params for flag in p.opts}, (name, part.name)


def test_validate_is_quiet_about_good_files_and_exits_0(netlab):
    done = netlab("validate", "nat", "scenarios/bridged.yaml")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "nat: fine\nscenarios/bridged.yaml: fine\n"


def test_validate_reports_problems_of_all_files_and_exits_2(netlab):
    files = [f"tests/golden/errors/{name}.yaml" for name in ("keys", "macs")]
    done = netlab("validate", *files)
    assert done.returncode == 2
    assert all(f"{file}:" in done.stderr for file in files)
    assert "Traceback" not in done.stderr


def test_validate_json_goes_to_stdout_alone(netlab):
    done = netlab("validate", "tests/golden/errors/macs.yaml", "--json")
    problems = json.loads(done.stdout)["problems"]
    assert (done.returncode, len(problems), done.stderr) == (2, 4, "")
    assert set(problems[0]) == {"file", "line", "column", "what", "fix"}


@pytest.mark.parametrize(
    "words",
    [
        ("up", "no-such-scenario"),
        ("up", "nat", "--name", "Not A Name"),
        ("up", "scenarios"),
        ("validate", "/dev/null/x.yaml"),
        ("validate", "/etc/machine-id-that-is-not-there.yaml"),
        ("frobnicate",),
        ("up",),
        ("up", "nat", "--frobnicate"),
        ("completion", "tcsh"),
    ],
)
def test_a_wrong_command_line_exits_2_and_says_why(netlab, words):
    done = netlab(*words)
    assert done.returncode == 2
    assert done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_an_error_with_json_is_json_too(netlab):
    done = netlab("up", "no-such-scenario", "--json")
    assert json.loads(done.stdout)["error"]
    assert done.stderr.startswith("netlab: there is no scenario")


@pytest.mark.parametrize("words", [("plan", "nat"), ("up", "nat", "--dry-run")])
def test_a_dry_run_prints_the_plan_and_makes_nothing(netlab, words):
    done = netlab(*words)
    assert done.returncode == 0
    assert "namespace nat.vm1\n" in done.stdout
    assert not Path("/run/netlab/nat").exists()


def test_a_reader_that_leaves_is_no_error():
    command = f"{sys.executable} -m netlab plan nat | head -n 1; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(
        ["bash", "-c", command], capture_output=True, text=True, timeout=HANG_SECONDS
    )
    assert (done.stdout.splitlines()[-1], done.stderr) == ("0", "")


def test_scenarios_lists_titles_and_shows_a_file_to_start_from(netlab):
    listed = json.loads(netlab("scenarios", "--json").stdout)["scenarios"]
    assert {row["scenario"] for row in listed} >= {"nat", "bridged", "hostonly", "three-modes"}
    shown = netlab("scenarios", "--show", "nat").stdout
    assert shown == Path("scenarios/nat.yaml").read_text()


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_prints_a_script(netlab, shell):
    assert "_NETLAB_COMPLETE" in netlab("completion", shell).stdout


@pytest.mark.parametrize(
    ("typed", "expected"), [("netlab ver", "verify"), ("netlab up three", "three-modes")]
)
def test_completion_completes(typed, expected):
    words = typed.split()
    done = subprocess.run(
        [sys.executable, "-m", "netlab"],
        env={
            **os.environ,
            "_NETLAB_COMPLETE": "bash_complete",
            "COMP_WORDS": typed,
            "COMP_CWORD": str(len(words) - 1),
        },
        capture_output=True,
        text=True,
        timeout=HANG_SECONDS,
    )
    assert expected in done.stdout


def without_root(*words: str) -> subprocess.CompletedProcess[str]:
    # Root becomes nobody for everything but its own files, which may be where only root reads.
    nobody = "os.seteuid(65534); ctypes.CDLL(None).setfsuid(0);" if os.geteuid() == 0 else ""
    script = f"import ctypes, os; {nobody} from netlab.__main__ import main; main()"
    command = [sys.executable, "-c", script, *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=HANG_SECONDS)


@pytest.mark.parametrize("words", [("up", "nat"), ("status", "x")])
def test_without_root_it_exits_3_and_says_why(words):
    done = without_root(*words)
    assert done.returncode == 3, done.stderr
    assert "run it with sudo" in done.stderr or "no lab" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_file_is_drawn_without_root():
    done = without_root("graph", "scenarios/nat.yaml", "--format", "svg")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("<svg ")


def test_commands_on_files_load_nothing_of_linux_and_nothing_heavy():
    script = (
        "import sys; from netlab import cli;"
        "codes = [cli.run(words.split()) for words in sys.argv[1:]];"
        "bad = [m for m in sys.modules if m.startswith(('netlab.kernel.', 'netlab.probe.'))"
        " or m in ('fcntl', 'scapy', 'nftables', 'rich')];"
        "print(codes, bad, file=sys.stderr)"
    )
    words = ["validate nat", "plan nat --json", "scenarios --json", "schema"]
    words.append("graph scenarios/nat.yaml --format svg")
    done = subprocess.run(
        [sys.executable, "-c", script, *words], capture_output=True, text=True, timeout=HANG_SECONDS
    )
    assert done.stderr == "[0, 0, 0, 0, 0] []\n"


def test_version(netlab):
    assert netlab("--version").stdout.startswith("netlab, version ")
