"""What people are told to type: the programs are installed by `make up`, and known to doctor."""

from __future__ import annotations

import ast
import os
import re
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from click import Context

from netlab.cli import called
from netlab.cli import netlab as command_line
from netlab.cli.called import typed
from netlab.cli.labs.show import _TABLES
from netlab.diagnosis.cause import Cause, look_at
from netlab.kernel.host import doctor
from netlab.kernel.host.doctor import Health
from netlab.kernel.installed import NEEDED, TYPED

ROOT = Path(__file__).parents[2]
SOURCES = (
    *(ROOT / name for name in ("README.md", "Makefile")),
    *ROOT.glob("docs/**/*.md"),
    *(file for kind in ("py", "js", "rc") for file in (ROOT / "netlab").rglob(f"*.{kind}")),
)
OF_EVERY_MACHINE = {"cat", "id", "sh", "timeout"}
OUTSIDE = {"grep", "tail", "netlab"}
"""What a document's command is piped into, or followed by."""
FILLED_IN = re.compile(r"[A-Z]+|\$?\{.*")
"""COMMAND, {command}: no program."""


def programs(command: str) -> set[str]:
    """Those that a shell would start; `sh -c '…'` is looked into. Prose and Python end a command."""
    command = command.partition("`")[0]
    for quote in "\"'":  # Of the text in which the command stands.
        if command.count(quote) % 2:
            command = command.rpartition(quote)[0]
    lexer = shlex.shlex(command, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    words = list(lexer)
    ends = [n for n, word in enumerate(words) if set(word) <= set(";|&")]
    starts = [0, *(end + 1 for end in ends)]
    found = {words[start] for start in starts if start < len(words)} - {"done"}
    inside = programs(words[2]) if words[:2] == ["sh", "-c"] else set()
    return {name for name in found | inside if not FILLED_IN.fullmatch(name)}


def test_what_a_cause_says_to_look_at_is_installed():
    commands = {
        look_at(cause, version, on_a_switch)
        for cause in Cause
        for version in (4, 6)
        for on_a_switch in (False, True)
    }
    assert set().union(*map(programs, commands)) <= set(TYPED) | OF_EVERY_MACHINE


def test_what_documents_and_help_run_on_a_node_is_installed():
    named = {
        (file.relative_to(ROOT).as_posix(), program)
        for file in SOURCES
        for command in re.findall(r"exec (?:--lab \S+ )?\S+ -- (.*)", file.read_text())
        for program in programs(command)
    }
    assert len({file for file, _ in named}) > 5
    assert not {one for one in named if one[1] not in {*TYPED, *OF_EVERY_MACHINE, *OUTSIDE}}


def test_the_tables_of_show_are_like_those_of_installed_programs():
    told = re.findall(r"`([a-z]+) [^`]*`", str(_TABLES))
    assert set(told) - {"ipconfig"} <= set(TYPED)
    assert len(told) > 5


def packages(*variables: str) -> list[str]:
    """Those that the Makefile lists under these names."""
    text = (ROOT / "Makefile").read_text()
    return [
        package
        for name in variables
        for package in re.search(rf"^{name} := (.*)", text, re.MULTILINE)[1].split()
    ]


def test_make_up_installs_what_people_are_told_to_type():
    assert set(packages("PACKAGES_TYPED")) == {program.package for program in TYPED.values()}
    assert {program.package for program in NEEDED.values()} <= set(packages("PACKAGES_LAB"))


def test_first_steps_name_the_same_packages_for_who_has_no_make():
    page = ROOT / "docs" / "guide" / "first-steps.md"
    line = re.search(r"apt install ([^`\n]*)", page.read_text())[1]
    assert line.split() == ["pipx", *packages("PACKAGES_LAB", "PACKAGES_TYPED")]


@pytest.mark.parametrize("name", TYPED)
def test_doctor_says_what_is_missing_and_which_package_has_it(monkeypatch, name):
    monkeypatch.setattr(doctor, "_path_of", lambda program: None if program == name else "/bin/x")
    (check,) = doctor._typed_programs()
    assert (check.name, check.health, check.found) == (name, Health.WARNING, "not found")
    assert f"install the package {TYPED[name].package}" in check.cost


OF_FILES = {"scenarios", "validate", "plan", "schema", "graph", "completion"}
WITHOUT_ROOT = OF_FILES | {"unshare", "run", "doctor"}


COMMAND = re.compile(r"(?<![\w/-])(sudo )?netlab ([a-z]+)\b(?![^`\n]*--(?:dry-run|help))")


def texts(file: Path) -> Iterator[str]:
    """What a module may say: its strings, but no docstring."""
    tree = ast.parse(file.read_text())
    said = {
        id(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in said:
            yield node.value


@pytest.mark.parametrize("file", [*(ROOT / "netlab").rglob("*.py")], ids=lambda file: file.stem)
def test_a_command_that_needs_root_is_told_with_sudo(file):
    """The command line writes it as it has to be typed on this machine."""
    verbs = set(command_line.list_commands(Context(command_line))) - WITHOUT_ROOT
    # Within `netlab unshare` everybody is root.
    told = [
        match
        for text in texts(file)
        if "netlab unshare" not in text
        for match in COMMAND.findall(text)
    ]
    assert not [verb for sudo, verb in told if verb in verbs and not sudo]


@pytest.fixture
def calling(tmp_path, monkeypatch):
    """How a command is told to who called a program; `linked`: root's path has a link to it."""
    own, roots = tmp_path / "a folder" / "netlab", tmp_path / "sbin"
    own.parent.mkdir()
    roots.mkdir()
    own.touch(mode=0o755)

    def told(uid: int = 0, sudo: bool = False, linked: bool = True, argv: Path = own) -> str:
        (roots / "netlab").unlink(missing_ok=True)
        (roots / "netlab").symlink_to(own if linked else "/bin/true")
        monkeypatch.setattr(sys, "argv", [str(argv)])
        monkeypatch.setattr(os, "geteuid", lambda: uid)
        monkeypatch.setattr(called, "_ROOTS_PATH", str(roots))
        monkeypatch.setenv("PATH", str(roots) if uid == 0 else str(own.parent))
        if sudo:
            monkeypatch.setenv("SUDO_COMMAND", str(own))
        else:
            monkeypatch.delenv("SUDO_COMMAND", raising=False)
        called.as_root.cache_clear()
        return typed("`sudo netlab up nat` starts one; see `netlab scenarios`").replace(
            str(tmp_path), "TMP"
        )

    yield told
    called.as_root.cache_clear()


@pytest.mark.parametrize(
    ("who", "told"),
    [
        ({}, "netlab"),
        ({"sudo": True}, "sudo netlab"),
        ({"uid": 1000}, "sudo netlab"),
        ({"linked": False}, "'TMP/a folder/netlab'"),
        ({"sudo": True, "linked": False}, "sudo 'TMP/a folder/netlab'"),
        ({"uid": 1000, "linked": False}, "sudo 'TMP/a folder/netlab'"),
        (
            {"argv": Path("/x/__main__.py"), "linked": False},
            f"{shlex.quote(sys.executable)} -m netlab",
        ),
    ],
)
def test_a_command_is_told_as_it_can_be_typed(calling, who, told):
    assert calling(**who) == f"`{told} up nat` starts one; see `netlab scenarios`"
