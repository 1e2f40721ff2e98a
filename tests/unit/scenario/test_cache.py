"""What is remembered of a scenario is the same scenario, or it is not believed."""

from __future__ import annotations

import pickle
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from netlab import lab
from netlab.scenario import cache, loader, model, reference
from netlab.scenario.cache import recall, remember
from netlab.scenario.files import shipped
from netlab.scenario.loaded import LoadedScenario
from netlab.scenario.loader import load_text
from tests.pace import HANG_SECONDS

EXAMPLES = yaml.safe_load(Path(reference.__file__).with_name("examples.yaml").read_text())
WHOLE = {name: file.read_bytes() for name, file in shipped().items()} | {
    name: yaml.safe_dump(example).encode()
    for name, example in EXAMPLES.items()
    if name.split()[0] == "Scenario"
}


NAT = lab.load("nat")


@pytest.fixture
def reads(monkeypatch) -> list[bytes]:
    """The texts that were read because nothing was remembered."""
    read: list[bytes] = []

    def load_text(text: bytes, file: str) -> LoadedScenario:
        read.append(text)
        return NAT

    monkeypatch.setattr(loader, "load_text", load_text)
    return read


@pytest.mark.parametrize("name", WHOLE)
def test_what_is_remembered_is_the_same(reads, name):
    source = load_text(WHOLE[name], "x.yaml")
    memory = remember(source)
    recalled = recall(source.text, source.file, memory)
    assert not reads
    assert recalled == source
    assert recalled.data == source.data
    assert lab.prepare(recalled).plan == lab.prepare(source).plan


def test_what_was_changed_is_not_believed(reads):
    source = NAT
    memory = remember(source)
    damages = [memory[:-1], memory + b"\0", memory[32:], b"", b"\0", b"{}"]
    damages += [
        memory[:index] + bytes([memory[index] ^ 1]) + memory[index + 1 :]
        for index in range(0, len(memory), 97)
    ]
    for damage in damages:
        assert recall(source.text, source.file, damage) == source
    recall(source.text + b"\n", source.file, memory)
    assert len(reads) == len(damages) + 1


def test_what_another_netlab_remembered_is_not_believed(reads, monkeypatch):
    source = NAT
    memory = remember(source)
    monkeypatch.setattr(cache, "__version__", "0.0.1")
    recall(source.text, source.file, memory)
    assert len(reads) == 1


class _Evil:
    def __reduce__(self):
        return print, ("this was run",)


def test_nothing_that_does_anything_is_made_of_what_is_read(reads, capsys):
    """Even if who has changed it knows how it is sealed."""
    source = NAT
    for evil in (_Evil(), subprocess.run, pickle.Unpickler, Path("/etc/passwd")):
        memory = remember(replace(source, data=evil))
        assert recall(source.text, source.file, memory) == source
    assert len(reads) == 4
    assert "this was run" not in capsys.readouterr().out


def test_what_is_remembered_is_planned_without_the_libraries_that_read_a_text(tmp_path):
    source = lab.load("three-modes")
    (tmp_path / "known").write_bytes(remember(source))
    (tmp_path / "text").write_bytes(source.text)
    script = (
        "import sys; from pathlib import Path; from netlab import lab;"
        "from netlab.scenario.cache import recall;"
        "text, known = (Path(name).read_bytes() for name in sys.argv[1:]);"
        "planned = lab.prepare(recall(text, 'three-modes.yaml', known));"
        "planned.expectations;"
        "print([name for name in ('pydantic', 'pydantic_core', 'yaml') if name in sys.modules])"
    )
    files = [str(tmp_path / name) for name in ("text", "known")]
    done = subprocess.run(
        [sys.executable, "-c", script, *files],
        capture_output=True,
        text=True,
        timeout=HANG_SECONDS,
    )
    assert done.stdout == "[]\n", done.stderr


def test_another_key_or_word_is_another_shape():
    """Of what a newer netlab knows and a record does not, nothing is read from the record."""
    shapes = {kind: cache._shape(kind) for kind in (*model.MAPPINGS, *cache._WORDS)}
    assert all(shapes.values()), [kind for kind, shape in shapes.items() if not shape]
