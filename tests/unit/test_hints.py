"""What people are told to type: the programs are installed by `make up`, and known to doctor."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from netlab.cli.show import _TABLES
from netlab.kernel import preflight
from netlab.kernel.installed import NEEDED, TYPED
from netlab.kernel.preflight import Health
from netlab.probe.cause import Cause, look_at

ROOT = Path(__file__).parents[2]
SOURCES = (
    *(ROOT / name for name in ("README.md", "Makefile")),
    *ROOT.glob("docs/*.md"),
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


def test_readme_names_the_same_packages_for_who_has_no_make():
    line = re.search(r"apt install ([^`\n]*)", (ROOT / "README.md").read_text())[1]
    assert line.split() == ["pipx", *packages("PACKAGES_LAB", "PACKAGES_TYPED")]


@pytest.mark.parametrize("name", TYPED)
def test_doctor_says_what_is_missing_and_which_package_has_it(monkeypatch, name):
    monkeypatch.setattr(preflight, "_found", lambda program: None if program == name else "/bin/x")
    (check,) = preflight._typed()
    assert (check.name, check.health, check.found) == (name, Health.WARNING, "not found")
    assert f"install the package {TYPED[name].package}" in check.cost
