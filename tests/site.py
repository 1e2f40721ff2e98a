"""What the site has besides docs/ (a hook of MkDocs): CONTRIBUTING, CHANGELOG, a menu of all decisions."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tests.documents import ROOT

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files

_BESIDE_DOCS = {"CONTRIBUTING.md": "contributing.md", "CHANGELOG.md": "changelog.md"}
"""Files of the repository's root, and their pages."""


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Put every decision into the menu, by number."""
    decisions = [f"design/{file.name}" for file in sorted((ROOT / "docs/design").glob("0*.md"))]
    assert config.nav
    work = next(entry["Work on it"] for entry in config.nav if "Work on it" in entry)
    next(entry["Decisions"] for entry in work if "Decisions" in entry).extend(decisions)
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the root's pages, their links as they are from docs/."""
    from mkdocs.structure.files import File

    for name, page in _BESIDE_DOCS.items():
        text = re.sub(r"\]\(docs/", "](", (ROOT / name).read_text())
        files.append(File.generated(config, page, content=text))
    return files
