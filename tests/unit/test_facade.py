"""The verbs are imported when they are used, and every one of them is there."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from netlab import lab, report

TREE = ast.parse(Path(lab.__file__).read_text())


@pytest.mark.parametrize("name", lab.__all__)
def test_every_name_leads_to_what_is_called_so(name):
    value = getattr(lab, name)
    assert value.__name__ == name
    assert value.__module__.startswith("netlab.lab.")


def test_the_table_is_what_may_be_imported():
    assert sorted(lab._SUBMODULE_OF) == lab.__all__
    assert set(lab.__all__) <= set(dir(lab))
    assert sorted(report._SUBMODULES) == report.__all__


def test_a_type_checker_sees_the_same_names_at_the_same_places():
    checked = {
        alias.name: node.module.removeprefix("netlab.lab.")
        for node in ast.walk(TREE)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("netlab.lab.")
        for alias in node.names
    }
    assert checked == lab._SUBMODULE_OF


def test_a_wrong_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match=r"'netlab\.lab' has no attribute 'verfy'"):
        getattr(lab, "verfy")  # noqa: B009  (the checker knows that it is wrong)


def test_no_module_has_a_verb_s_name():
    """Its import would make the verb's name the module's."""
    files = {file.stem for file in Path(lab.__file__).parent.iterdir()}
    assert not files & set(lab.__all__)


def test_importing_the_facade_imports_no_verb():
    code = "import sys, netlab.lab; print([n for n in sys.modules if n.startswith('netlab.lab.')])"
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout
    assert printed.decode().strip() == "[]"


def test_threads_may_use_verbs_for_the_first_time_at_once():
    code = """
import random, sys
from concurrent.futures import ThreadPoolExecutor
from netlab import lab

def use(seed):
    for name in random.Random(seed).sample(lab.__all__, len(lab.__all__)):
        getattr(lab, name)

sys.setswitchinterval(1e-6)
list(ThreadPoolExecutor(8).map(use, range(8)))
"""
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("name", report.__all__)
def test_every_module_of_report_is_where_its_table_says(name):
    assert getattr(report, name).__name__ == f"netlab.report.{report._SUBMODULES[name]}"
