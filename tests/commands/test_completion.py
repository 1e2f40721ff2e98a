"""Completion in the shells themselves: keys are typed on a terminal, and what stands there then is read."""

from __future__ import annotations

import os
import pty
import select
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from netlab import lab
from tests.pace import HANG_SECONDS

ROOT = Path(__file__).parents[2]
START = ("\x01", "args ", "\r")
"""To the start of the line, a command before it, go: it tells which words the shell has."""
STARTED = {
    "bash": ["bash", "--norc", "--noprofile", "-i"],
    "zsh": ["zsh", "-f", "-i"],
}
PREPARED = {
    "bash": 'args() { printf "<%s>" "$@"; echo "<END>"; }; eval "$(netlab completion bash)"',
    "zsh": 'args() { printf "<%s>" "$@"; echo "<END>"; }; autoload -U compinit && compinit -D -u;'
    ' bindkey -e; unsetopt beep; eval "$(netlab completion zsh)"',
}


@pytest.fixture(scope="module", autouse=True)
def running() -> Iterator[lab.Lab]:
    with lab.running(lab.prepare(lab.load("three-modes"), "complete")) as up:
        yield up


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    place = tmp_path_factory.mktemp("completion")
    (place / "bin").mkdir()
    (place / "bin" / "netlab").write_text(f'#!/bin/sh\nexec {sys.executable} -m netlab "$@"\n')
    (place / "bin" / "netlab").chmod(0o755)
    here = place / "here"
    (here / "some labs").mkdir(parents=True)
    for name in ("my lab.yaml", "thesis.yaml", "notes.txt", "some labs/a b.yml", "it's.yaml"):
        (here / name).touch()
    return place


def environment(folder: Path) -> dict[str, str]:
    path = f"{folder / 'bin'}:{os.environ['PATH']}"
    kept = {
        "HOME": str(folder / "here"),
        "PATH": path,
        "PYTHONPATH": str(ROOT),
        "LC_ALL": "C.UTF-8",
    }
    return {**kept, "TERM": "dumb", "PS1": "READY", "HISTFILE": "/dev/null"}


class Terminal:
    """A shell on a terminal."""

    def __init__(self, shell: str, folder: Path) -> None:
        self.pid, self.near = pty.fork()
        if self.pid == 0:
            os.chdir(folder / "here")
            os.execvpe(shell, STARTED[shell], environment(folder))
        self.read("READY")
        self.type(f"{PREPARED[shell]}; echo PREPARED | tr A-Z a-z\r")
        self.read("prepared")

    def type(self, keys: str) -> None:
        os.write(self.near, keys.encode())

    def read(self, last: str) -> str:
        got, hangs = "", time.monotonic() + HANG_SECONDS
        while last not in got:
            assert time.monotonic() < hangs, got
            if select.select([self.near], [], [], 1)[0]:
                got += os.read(self.near, 1 << 16).decode(errors="replace")
        return got

    def words(self, keys: str) -> list[str]:
        """What stands on the line, word by word as the shell has it, when keys have been typed."""
        self.type("".join((keys, *START)))
        found = self.read("<END>").rpartition("<END>")[0].rpartition("\n")[2]
        return found.removeprefix("<").removesuffix(">").split("><")

    def close(self) -> None:
        os.close(self.near)
        os.waitpid(self.pid, 0)


@pytest.fixture(scope="module", params=STARTED)
def terminal(request, folder) -> Iterator[Terminal]:
    shell = Terminal(request.param, folder)
    yield shell
    shell.close()


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("ver", "verify"),
        ("up three", "up three-modes"),
        ("run thes", "run thesis.yaml"),
        ("verify --lab=com", "verify --lab=complete"),
        ("show --lab com", "show --lab complete"),
        ("status com", "status complete"),
        ("show addr", "show addresses"),
        ("show arp vmnet8-n", "show arp vmnet8-nat"),
        ("trace vm1 host@l", "trace vm1 host@lan"),
        ("trace vm1 www", "trace vm1 www.example.com"),
        ("trace vm1 --by dn", "trace vm1 --by dns:"),
        ("capture vm1:", "capture vm1:eth0"),
        ("capture vm1:e", "capture vm1:eth0"),
        ("verify --from vm4 --to rou", "verify --from vm4 --to router"),
        ("set vm1.", "set vm1.eth0"),
        ("set vm1.eth0 conn", "set vm1.eth0 connected="),
        ("set vm1.eth0 connected=f", "set vm1.eth0 connected=false"),
        ("dhcp renew vm2.", "dhcp renew vm2.eth0"),
        ("forward add 8080 vm2", "forward add 8080 vm2:"),
        ("completion z", "completion zsh"),
        ("verify --junit no", "verify --junit notes.txt"),
    ],
)
def test_a_word_is_completed(terminal, typed, words):
    assert terminal.words(f"netlab {typed}\t") == ["netlab", *words.split()]


@pytest.mark.parametrize(
    ("typed", "word"),
    [
        ("up my", "my lab.yaml"),
        (r"up my\ l", "my lab.yaml"),
        ("up 'my l", "my lab.yaml"),
        ('up "my l', "my lab.yaml"),
        (r"up some\ labs/a", "some labs/a b.yml"),
        ("up 'some labs/a", "some labs/a b.yml"),
        ("up so", "some labs"),
        ("up it", "it's.yaml"),
        ("up not", "not"),
        ("verify --junit my", "my lab.yaml"),
        ("verify --junit=my", "--junit=my lab.yaml"),
    ],
)
def test_a_file_with_a_space_is_one_word(terminal, typed, word):
    *_, last = terminal.words(f"netlab {typed}\t")
    assert last.rstrip("/") == word


def test_names_of_scenarios_stand_beside_files(folder):
    """`th` may go on as a scenario or as a file."""
    script = (
        'eval "$(netlab completion bash)"; compopt() { :; };'
        "COMP_LINE='netlab up th' COMP_POINT=12 COMP_WORDS=(netlab up th) COMP_CWORD=2;"
        '_netlab_completion netlab th up; printf "%s\n" "${COMPREPLY[@]}"'
    )
    done = subprocess.run(
        ["bash", "--norc", "-c", script], cwd=folder / "here", env=environment(folder),
        capture_output=True, text=True, timeout=HANG_SECONDS,
    )  # fmt: skip
    assert (done.stdout.split(), done.stderr) == (["three-modes", "thesis.yaml"], "")


@pytest.mark.parametrize(
    ("typed", "found"),
    [
        ("up th", ["thesis.yaml", "three-modes"]),
        ("up my", ["my lab.yaml"]),
        ("show addr", ["addresses"]),
        ("verify --lab=com", ["--lab=complete"]),
        ("trace vm1 host@", ["host@lan", "host@vmnet1", "host@vmnet8"]),
        ("capture vm1:", ["vm1:eth0"]),
        ("set vm1.eth0 connected=", ["connected=false", "connected=true"]),
        ("verify --junit no", ["notes.txt"]),
        ("verify --junit=no", ["--junit=notes.txt"]),
        ("up not", []),
    ],
)
def test_fish_completes(folder, typed, found):
    script = f"netlab completion fish | source; complete -C {shlex.quote(f'netlab {typed}')}"
    done = subprocess.run(
        ["fish", "--no-config", "-c", script], cwd=folder / "here", env=environment(folder),
        capture_output=True, text=True, timeout=HANG_SECONDS,
    )  # fmt: skip
    assert done.stderr == ""
    assert sorted(line.partition("\t")[0] for line in done.stdout.splitlines()) == found


def test_without_a_lab_nothing_of_one_is_proposed(folder):
    line = {"COMP_LINE": "netlab exec --lab nobody v", "_NETLAB_COMPLETE": "fish_complete"}
    done = subprocess.run(
        ["netlab"], env={**environment(folder), **line}, capture_output=True, text=True,
        timeout=HANG_SECONDS,
    )  # fmt: skip
    assert (done.stdout.strip(), done.stderr) == ("", "")
