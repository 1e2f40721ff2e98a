"""Which Python module speaks to libnftables."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from netlab.errors import Missing
from netlab.kernel.nftables import nft


@pytest.fixture(autouse=True)
def anew():
    """The module is chosen once in a process."""
    known = sys.modules.get("nftables")
    nft.module.cache_clear()
    yield
    nft.module.cache_clear()
    if known:
        sys.modules["nftables"] = known


def test_the_distribution_s_module_is_taken_where_it_is(monkeypatch, tmp_path):
    """It is a package of two files, of which one imports the other."""
    monkeypatch.setattr(nft, "_DISTRIBUTION", str(tmp_path / "none"))
    assert nft.module_origin() == f"the Python module {nft.module().__file__}"
    package = tmp_path / "nftables"
    package.mkdir()
    shutil.copy(nft.module().__file__, package / "nftables.py")
    (package / "__init__.py").write_text("from .nftables import *\n")
    monkeypatch.setattr(nft, "_DISTRIBUTION", str(tmp_path))
    nft.module.cache_clear()
    assert Path(nft.module().__file__) == package / "__init__.py"
    assert nft.module_origin() == "python3-nftables of the distribution"
    assert nft.module().Nftables().cmd("list ruleset")[0] in (0, -1)


def test_a_module_without_its_library_says_what_to_install(monkeypatch, tmp_path):
    (tmp_path / "nftables.py").write_text(
        "class Nftables:\n    def __init__(self): raise OSError('no')\n"
    )
    monkeypatch.setattr(nft, "_DISTRIBUTION", str(tmp_path))
    with pytest.raises(Missing, match="not usable: no; install the system package libnftables1"):
        nft.module()
