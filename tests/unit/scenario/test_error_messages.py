"""Golden error messages: each file in tests/golden/errors, with all that is wrong in it."""

from __future__ import annotations

import pytest

from netlab import lab  # noqa: F401  (all modes are known then)
from netlab.errors import ScenarioError
from netlab.scenario.loader import load_text
from tests.conftest import GOLDEN

FILES = sorted((GOLDEN / "errors").glob("*.yaml"))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_every_problem_is_reported_at_once_with_place_and_remedy(file, golden):
    with pytest.raises(ScenarioError) as raised:
        load_text(file.read_bytes(), file.name)
    golden(f"errors/{file.stem}.txt", f"{raised.value}\n")
    assert all(problem.fix for problem in raised.value.problems)
