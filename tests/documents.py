"""README and docs/ show commands with their true output: their `console` blocks, to be run."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
PAGES = (README, *sorted(ROOT.glob("docs/**/*.md")))


def blocks(kind: str, document: Path = README) -> list[str]:
    """What stands between the fences of a kind."""
    text = document.read_text()
    return re.findall(rf"^```{kind}\n(.*?)^```", text, re.DOTALL | re.MULTILINE)


def steps(document: Path) -> list[tuple[str, str]]:
    """Every command and the output that a document promises; `…` stands for anything."""
    found = []
    for block in blocks("console", document):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, output = part.partition("\n")
            found.append((command, output))
    return found


def is_as_promised(output: str, promised: str) -> bool:
    """Whether a command printed what the document says."""
    return re.fullmatch(_pattern(promised), trimmed(output)) is not None


def trimmed(output: str) -> str:
    """Without spaces at ends of lines, which no document has."""
    return "\n".join(line.rstrip() for line in output.rstrip().splitlines())


def _pattern(promised: str) -> str:
    lines = [re.escape(line.rstrip()).replace("…", ".*") for line in promised.rstrip().splitlines()]
    return "\n".join(lines)
