"""README and docs/ show commands with their true output: every `console` block is run, and compared."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from netlab import lab
from tests.documents import PAGES, ROOT, blocks, is_as_promised, steps, trimmed
from tests.pace import HANG_SECONDS

DOCUMENTS = [file for file in PAGES if blocks("console", file)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "tests").symlink_to(ROOT / "tests")
    return tmp_path


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda file: str(file.relative_to(ROOT)))
def test_every_command_prints_what_the_document_says(folder, document):
    """In the lab `nat`, which is up."""
    bin_ = folder / "bin"
    bin_.mkdir()
    (bin_ / "netlab").symlink_to(Path(sys.executable).with_name("netlab"))
    (bin_ / "sudo").write_text('#!/bin/sh\nSUDO_COMMAND="$*" exec "$@"\n')
    (bin_ / "sudo").chmod(0o755)
    path = f"{bin_}:{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT), "LC_ALL": "C.UTF-8"}
    others = lab.names()
    lab.up(lab.prepare(lab.load("nat")))
    try:
        for command, promised in steps(document):
            done = subprocess.run(
                command, shell=True, cwd=folder, env=environment, timeout=HANG_SECONDS, text=True,
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            )  # fmt: skip
            assert is_as_promised(done.stdout, promised), f"$ {command}\n{trimmed(done.stdout)}"
    finally:
        for left in set(lab.names()) - set(others):  # One that failed in its middle has several.
            lab.down(left)


GUIDE = ROOT / "docs" / "guide"


def test_the_picture_is_what_status_draws():
    from netlab.report.topology.drawing import draw

    picture = next(text for text in blocks("", GUIDE / "first-steps.md") if "═" in text)
    planned = lab.prepare(lab.load("nat"))
    leased = {("vm1", "eth0"): ["10.0.0.128"], ("vm2", "eth0"): ["10.0.0.129"]}
    static = {
        (adapter.node, adapter.interface): [str(adapter.address)]
        for node in planned.topology.nodes.values()
        for adapter in node.adapters
        if adapter.address
    }
    assert draw(planned.topology, {**static, **leased}) + "\n" == picture


def test_the_scenario_that_is_explained_is_the_shipped_one():
    text = blocks("yaml", GUIDE / "scenarios.md")[0]
    assert text == (ROOT / "scenarios" / "nat.yaml").read_text()


def test_the_python_example_runs():
    example = blocks("python", ROOT / "docs" / "reference" / "python.md")[0]
    exec(compile(example, "python.md", "exec"), {})
