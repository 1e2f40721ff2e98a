"""The unit tests with the lowest and with the newest versions of the libraries that pyproject.toml allows.

    make test-versions

Each run has a virtual environment of its own, which is thrown away.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
_RANGE = re.compile(r"(?P<name>[\w.-]+)>=(?P<lowest>[\w.]+),<[\d.]+")
_VERSIONS = """
import sys
from importlib.metadata import version
print(*(f"{name} {version(name)}" for name in sys.argv[1:]), sep=", ")
"""


def main() -> int:
    newest = dependencies()
    lowest = [f"{name}=={version}" for name, version in map(lower_bound, newest)]
    outcomes = {"lowest": _passes(lowest), "newest": _passes(newest)}
    for name, passed in outcomes.items():
        print(f"{name} versions: {'fine' if passed else 'failed'}")
    return not all(outcomes.values())


def dependencies() -> list[str]:
    """What netlab needs to run, with the range of its versions: `click>=8.1,<9`."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]


def lower_bound(dependency: str) -> tuple[str, str]:
    """Name and lowest version. Raises ValueError unless the range has both ends."""
    bounds = _RANGE.fullmatch(dependency)
    if not bounds:
        raise ValueError(f"pyproject.toml: '{dependency}' must have a lower and an upper bound")
    return bounds["name"], bounds["lowest"]


def _passes(wanted: list[str]) -> bool:
    """Whether the unit tests pass with these libraries."""
    with tempfile.TemporaryDirectory(prefix="netlab-versions-") as folder:
        python = Path(folder, "bin", "python")
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        pip = [python, "-m", "pip", "--disable-pip-version-check", "--quiet"]
        subprocess.run([*pip, "install", "--editable", f"{ROOT}[dev]", *wanted], check=True)
        names = [lower_bound(dependency)[0] for dependency in dependencies()]
        subprocess.run([python, "-c", _VERSIONS, *names], check=True)
        tests = [python, "-m", "pytest", "-q", "tests/unit"]
        return subprocess.run(tests, cwd=ROOT).returncode == 0


if __name__ == "__main__":
    sys.exit(main())
