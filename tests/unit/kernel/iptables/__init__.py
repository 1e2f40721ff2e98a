"""Rules as Docker, ufw and firewalld leave them, in the words of iptables-save -c."""

from __future__ import annotations

from pathlib import Path


def saved(name: str) -> str:
    """Return a file's text."""
    return (Path(__file__).parent / f"{name}.save").read_text()


DOCKER, UFW, FIREWALLD = map(saved, ("docker", "ufw", "firewalld"))
