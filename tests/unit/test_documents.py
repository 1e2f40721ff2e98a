"""The documents: made of the program where they can be, whole, linked, and short where they must be."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.documents import PAGES, README, ROOT
from tests.generated_pages import pages

DOCS = ROOT / "docs"
CONTRIBUTING, CHANGELOG = ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md"
WRITTEN = (*PAGES, CONTRIBUTING, CHANGELOG)
DECISIONS = sorted(DOCS.glob("design/[0-9]*.md"))
MADE = {DOCS / "reference" / name for name in ("commands.md", "format.md", "scenarios.md")}

ROOMS = "|".join(file.name for file in (ROOT / "netlab").iterdir() if file.is_dir())
PATH = re.compile(rf"`((?:(?:{ROOMS})/|tests/)[a-z_0-9/]*(?:\.\w+)?)`")
LINK = re.compile(r"\]\(([^)\s]+)\)")
TWO_SENTENCES = re.compile(r"[.!?][\"”’)*_]* (?=[A-Z`*\"“(\[])")
FENCED = re.compile(r"^ *```.*?^ *```", re.MULTILINE | re.DOTALL)


def name(file: Path) -> str:
    return str(file.relative_to(ROOT))


def prose(file: Path) -> str:
    """A page without its blocks of code."""
    return FENCED.sub("", file.read_text())


def links(file: Path) -> Iterator[tuple[Path, str]]:
    """The files that a page links to, each with its anchor."""
    for link in LINK.findall(prose(file)):
        if not re.match("https?:", link):
            path, _, anchor = link.partition("#")
            yield Path(os.path.normpath(file.parent / path)) if path else file, anchor


def anchors(file: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)", prose(file), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def sentences_of_one_line(line: str) -> list[str]:
    text = re.sub(r"^ *(?:[*-]|\d+\.) ", "", line)
    return TWO_SENTENCES.split(re.sub(r"`[^`]*`", "`", text))


@pytest.mark.parametrize("file", pages(), ids=name)
def test_a_page_that_is_made_of_the_program_is_up_to_date(file):
    assert file.read_text() == pages()[file], "make pages"


@pytest.mark.parametrize("file", WRITTEN, ids=name)
def test_links_lead_somewhere(file):
    for target, anchor in links(file):
        assert target.exists(), target
        assert not anchor or anchor in anchors(target), f"{name(target)}#{anchor}"


@pytest.mark.parametrize("file", WRITTEN, ids=name)
def test_files_that_are_named_are_there(file):
    for path in PATH.findall(prose(file)):
        folder = ROOT if path.startswith("tests/") else ROOT / "netlab"
        assert (folder / path).exists() or (folder / f"{path}.py").exists(), path


@pytest.mark.parametrize("file", [file for file in WRITTEN if file not in MADE], ids=name)
def test_a_line_has_one_sentence(file):
    lines = [line for line in prose(file).splitlines() if not line.startswith(("|", "#"))]
    assert not [line for line in lines if len(sentences_of_one_line(line)) > 1]


def test_readme_takes_three_minutes_and_contributing_two():
    assert README.stat().st_size <= 9 << 10
    assert CONTRIBUTING.stat().st_size <= 6 << 10


def test_readme_lists_every_page():
    """But single decisions and facts, which their own indexes list."""
    indexes = [DOCS / "design" / "index.md", DOCS / "vmware" / "index.md"]
    listed = {target for file in (README, *indexes) for target, _ in links(file)}
    assert not {*DOCS.glob("**/*.md")} - listed - {DOCS / "index.md"}


def test_the_menu_of_the_site_has_every_page():
    nav = yaml.safe_load((ROOT / "mkdocs.yml").read_text())["nav"]
    listed = {DOCS / page for page in _leaves(nav)} | {*DECISIONS}
    roots = {DOCS / "contributing.md", DOCS / "changelog.md"}  # `tests/site.py` makes these.
    assert listed - roots == {*DOCS.glob("**/*.md")}


def _leaves(nav: object) -> Iterator[str]:
    match nav:
        case str():
            yield nav
        case list():
            for entry in nav:
                yield from _leaves(entry)
        case dict():
            yield from _leaves([*nav.values()])


@pytest.mark.parametrize("number", range(1, len(DECISIONS) + 1))
def test_a_decision_has_its_number_and_its_parts(number):
    file = DECISIONS[number - 1]
    text = file.read_text()
    assert file.name.startswith(f"{number:04}-")
    assert text.startswith(f"# {number:04} ")
    assert "\n## Decision\n" in text
