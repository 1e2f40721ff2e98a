"""Fixtures for all tests. Those in `kernel/`, `scenarios/` and `commands/` need root, and fail without it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
GOLDEN = TESTS / "golden"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="write what is now printed")


@pytest.fixture
def golden(request: pytest.FixtureRequest):
    """Compare a text with a file below tests/golden; `--update-golden` writes the file."""

    def compare(name: str, text: str) -> None:
        file = GOLDEN / name
        if request.config.getoption("--update-golden"):
            file.write_text(text)
        assert file.is_file(), f"{file} is missing: run pytest with --update-golden and review it"
        assert text == file.read_text(), f"differs from {file}; --update-golden, if that is meant"

    return compare


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.relative_to(TESTS).parts[0] in ("kernel", "scenarios", "commands"):
            item.add_marker("kernel")
            if os.geteuid() != 0:
                item.add_marker(pytest.mark.usefixtures("needs_root"))


@pytest.fixture
def needs_root() -> None:
    pytest.fail("needs root: sudo make kernel")
