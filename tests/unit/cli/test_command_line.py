"""The command line without root: help, files, exit codes."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import click
import pytest

from netlab import cli
from netlab.cli import netlab as group
from netlab.cli.arguments import KINDS
from netlab.cli.completion import split
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


def test_the_list_of_commands_has_the_first_sentence_of_each_help():
    """It is written where no command need be imported for it."""
    sentences = {name: command.get_short_help_str(1000) for name, command in COMMANDS.items()}
    assert group.summaries(CONTEXT) == sentences


def test_the_list_and_the_completion_of_commands_import_none():
    script = (
        "import sys; from netlab import cli; import click;"
        "context = click.Context(cli.netlab);"
        "items = cli.netlab.shell_complete(context, 'ca'); cli.netlab.get_help(context);"
        "rooms = [m for m in sys.modules if m.startswith(('netlab.cli.labs', 'netlab.cli.packets'))];"
        "print([(item.value, item.help) for item in items], rooms)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=HANG_SECONDS
    )
    items = [("capture", "Capture packets at several points at once,...")]
    assert done.stdout == f"{items} []\n", done.stderr


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


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        ("verfiy", "did you mean 'verify'?"),
        ("show adresses", "there is no table 'adresses'; did you mean 'addresses'?"),
        ("forward ad", "did you mean 'add'?"),
        ("dhcp relase", "did you mean 'release'?"),
        ("frobnicate", "`netlab --help` lists them"),
        ("show frobnicate", "`netlab show --help` lists them"),
        ("up nta", "did you mean 'nat'?"),
        ("up NAT", "did you mean 'nat'?"),
        ("up --dry-rnu nat", "Did you mean '--dry-run'?"),
    ],
)
def test_what_was_meant_is_named(netlab, words, meant):
    done = netlab(*words.split())
    assert (done.returncode, done.stdout) == (2, "")
    assert meant in done.stderr


def test_what_works_on_a_running_lab_takes_its_name_before_and_behind_the_verb():
    """`up`, `run` and what works on files alone do not."""
    without = {
        name for name, command in COMMANDS.items() if not any(p.name == "lab_name" for p in leaves(command))
    }  # fmt: skip
    files = {"up", "run", "scenarios", "validate", "plan", "schema"}
    assert without == files | {"doctor", "unshare", "completion"}
    for name in set(COMMANDS) - without:
        parts = getattr(COMMANDS[name], "commands", {}).values()
        for command in (COMMANDS[name], *parts):
            assert "--lab" in {flag for p in command.params for flag in p.opts}, command.name


def leaves(command: click.Command) -> list[click.Parameter]:
    """The parameters of a command, or of its subcommands."""
    parts = getattr(command, "commands", {}).values() or [command]
    return [parameter for part in parts for parameter in part.params]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("--lab x up nat", "`up` works on no running lab; leave --lab out"),
        ("--lab x show --lab y arp", "'x' and 'y' are two labs; name one of them"),
        ("show --lab x arp --lab y", "'x' and 'y' are two labs; name one of them"),
        ("verify x --lab y", "'x' and 'y' are two labs; name one of them"),
        ("apply nat x --lab y", "'x' and 'y' are two labs; name one of them"),
    ],
)
def test_one_lab_at_a_time(netlab, words, says):
    done = netlab(*words.split())
    assert (done.returncode, done.stderr) == (2, f"netlab: {says}\n")


@pytest.mark.parametrize(
    "words", ["--lab x show arp", "show --lab x arp", "show arp --lab x", "--lab x verify x"]
)
def test_a_lab_is_named_before_or_behind_the_verb(netlab, words):
    done = netlab(*words.split())
    assert done.returncode == 3
    assert "there is no lab 'x'" in done.stderr


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """A folder with a space, and a scenario with one in it."""
    place = tmp_path / "my labs"
    place.mkdir()
    (place / "my lab.yaml").write_text(Path("scenarios/nat.yaml").read_text())
    monkeypatch.chdir(place)
    return place


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("nofile.yaml", "there is no file 'nofile.yaml' in {folder}; correct the path"),
        ("./x", "there is no file 'x' in {folder}; correct the path"),
        ("mylab.yaml", "in {folder}; did you mean 'my lab.yaml'?"),
        ("nat.yaml", "in {folder}; did you mean the scenario 'nat', which comes with netlab?"),
        ("no/x.yaml", "there is no folder 'no' for 'x.yaml'; correct the path"),
    ],
)
@pytest.mark.parametrize("verb", ["up", "validate", "plan", "run", "graph"])
def test_a_file_that_is_not_there(netlab, folder, name, says, verb):
    done = netlab(verb, name)
    assert done.returncode == 2
    assert says.format(folder=folder) in done.stderr
    assert len(done.stderr) < 300


def test_a_file_with_a_space_gives_its_lab_a_name(netlab, folder):
    assert netlab("validate", "my lab.yaml").stdout == "my lab.yaml: fine\n"
    assert netlab("up", "my lab.yaml", "--dry-run").stdout.startswith("namespace my-lab.lan\n")
    assert "vmnet8" in netlab("graph", "my lab.yaml").stdout
    (folder / "bad one.yaml").write_text("vms: 7\n")
    assert "bad one.yaml:1:6: " in netlab("validate", "bad one.yaml").stderr


@pytest.mark.parametrize("verb", ["validate", "plan", "up --dry-run", "graph", "run"])
@pytest.mark.parametrize(
    "file", ["-", "/dev/stdin", "<(cat nat.yaml)", "<(exec cat nat.yaml | cat)"]
)
def test_a_pipe_is_a_file_that_is_read_once(verb, file, tmp_path):
    (tmp_path / "nat.yaml").write_text(Path("scenarios/nat.yaml").read_text())
    code = f"{shlex.quote(sys.executable)} -m netlab {verb} {file} < <(cat nat.yaml)"
    if verb == "run":  # As far as it gets without a kernel: the name of its lab.
        code = f"{shlex.quote(sys.executable)} -c '{RUN_PREPARES}' {file} < <(cat nat.yaml)"
    done = subprocess.run(
        ["bash", "-c", code], cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(Path.cwd())},
        capture_output=True, text=True, timeout=HANG_SECONDS,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    expected = {
        "validate": ": fine\n",
        "graph": "vmnet8",
        "run": "run-stdin",
        "plan": "namespace stdin.vm1\n",
        "up --dry-run": "namespace stdin.vm1\n",
    }
    assert expected[verb] in done.stdout


RUN_PREPARES = (
    "import sys; from netlab.cli.packets.run import prepare_run; from netlab import lab;"
    "print(prepare_run(lab.load(sys.argv[1])).name)"
)


def test_what_has_no_end_is_no_scenario(netlab):
    done = netlab("validate", "/dev/zero")
    assert done.returncode == 2
    assert "more than the 1,048,576 bytes that a scenario may have" in done.stderr


def test_what_is_learnt_is_no_result_of_tests(netlab, tmp_path):
    done = netlab("verify", "--learn", "--junit", str(tmp_path / "x.xml"))
    assert (done.returncode, done.stdout) == (2, "")
    assert "--learn prints rules, and writes no JUnit XML" in done.stderr


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("verify --junit {}", "there is no folder '/nodir'"),
        ("run none --junit {}", "there is no folder '/nodir'"),
        ("trace vm1 internet --html {}", "there is no folder '/nodir'"),
        ("trace vm1 internet --pcapng {}", "there is no folder '/nodir'"),
        ("graph nat -o {}", "there is no folder '/nodir'"),
        ("capture --all -w {}", "there is no folder '/nodir'"),
        ("verify --junit /", "it is a folder"),
        ("verify --junit -", "--junit writes a file, and '-' is none"),
        ("verify --junit /proc/x.xml", "cannot write '/proc/x.xml': "),
    ],
)
def test_where_something_is_to_be_written_is_looked_at_first(netlab, words, says):
    done = netlab(*words.format("/nodir/x.svg").split())
    assert (done.returncode, done.stdout) == (2, "")
    assert says in done.stderr


def test_help_tells_whole_sentences(netlab, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    for words in ([], ["show"], ["forward"]):
        assert "..." not in netlab(*words, "--help").stdout.partition("Commands:")[2]


def test_an_error_with_json_is_json_too(netlab):
    done = netlab("up", "no-such-scenario", "--json")
    assert json.loads(done.stdout)["error"]
    assert done.stderr.startswith("netlab: there is no scenario")


def made() -> dict[str, int]:
    """The folders of labs and the names of namespaces, with when they were made: `nat` may be up."""
    folders = (Path("/run/netlab"), Path("/run/netns"))
    entries = (entry for folder in folders if folder.is_dir() for entry in folder.iterdir())
    return {str(entry): entry.lstat().st_ctime_ns for entry in entries}


@pytest.mark.parametrize("words", [("plan", "nat"), ("up", "nat", "--dry-run")])
def test_a_dry_run_prints_the_plan_and_makes_nothing(netlab, words):
    before = made()
    done = netlab(*words)
    assert done.returncode == 0
    assert "namespace nat.vm1\n" in done.stdout
    assert made() == before


def test_a_reader_that_leaves_is_no_error():
    command = (
        f"{shlex.quote(sys.executable)} -m netlab plan nat | head -n 1; echo ${{PIPESTATUS[0]}}"
    )
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
    ("line", "words"),
    [
        ("netlab ", ["netlab", ""]),
        ("netlab ver", ["netlab", "ver"]),
        ("netlab up my\\ la", ["netlab", "up", "my la"]),
        ("netlab up 'my la", ["netlab", "up", "my la"]),
        ('netlab up "my', ["netlab", "up", "my"]),
        ("netlab up '", ["netlab", "up", ""]),
        ("netlab up my\\", ["netlab", "up", "my"]),
        ("netlab 'a b' #c", ["netlab", "a b", "#c"]),
        ("", [""]),
    ],
)
def test_a_line_is_split_as_the_shell_does_it(line, words):
    assert split(line) == words


@pytest.mark.parametrize(
    ("line", "replaced", "answers"),
    [
        ("netlab trace x --by=udp", "udp", "plain\tudp\t" + KINDS["udp[:PORT]"]),
        ("netlab up three", "three", "plain\tthree-modes\t\nscenario\tthree\t"),
        ("netlab graph --format=sv", "sv", "plain\tsvg\t"),
        ("netlab run --junit=my\\ fi", "my\\ fi", "file\tmy fi\t"),
        ("netlab run --junit=a:my\\ fi", "my\\ fi", "file\ta:my fi\ta:"),
    ],
)
def test_bash_is_told_what_it_puts_in(monkeypatch, capsys, line, replaced, answers):
    """Behind a `=` it replaces the rest only."""
    monkeypatch.setenv("_NETLAB_COMPLETE", "bash_complete")
    monkeypatch.setenv("COMP_LINE", line)
    monkeypatch.setenv("COMP_REPLACED", replaced)
    with pytest.raises(SystemExit):
        cli.run(())
    assert capsys.readouterr().out.strip("\n") == answers


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
        "rooms = ('netlab.kernel.', 'netlab.packets.', 'netlab.probes.');"
        "bad = [m for m in sys.modules if m.startswith(rooms)"
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


def test_ctrl_c_that_a_library_has_wrapped_is_no_fault_in_netlab():
    """As pydantic's core does with a signal that comes while it builds a model."""
    script = (
        "import os, signal, sys; from netlab import cli; from netlab.cli import ctrl_c\n"
        "signal.signal(signal.SIGINT, ctrl_c.interrupt)\n"
        "def build(*_, **__):\n"
        "    try: os.kill(os.getpid(), signal.SIGINT)\n"
        "    except KeyboardInterrupt: raise ValueError('no schema') from None\n"
        "cli.netlab.main = build\n"
        "sys.exit(cli.run(['list']))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=HANG_SECONDS
    )
    assert (done.returncode, done.stderr) == (130, "netlab: interrupted\n")
