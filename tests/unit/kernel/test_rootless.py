"""What a machine says that keeps user namespaces from plain users."""

from __future__ import annotations

from pathlib import Path

import pytest

from netlab.kernel.host import rootless


@pytest.mark.parametrize(
    ("setting", "value", "remedy"),
    [
        ("user/max_user_namespaces", "0", "user.max_user_namespaces=10000"),
        ("kernel/unprivileged_userns_clone", "0", "kernel.unprivileged_userns_clone=1"),
        (
            "kernel/apparmor_restrict_unprivileged_userns",
            "1",
            "kernel.apparmor_restrict_unprivileged_userns=0",
        ),
    ],
)
def test_a_setting_in_the_way_is_named_with_its_remedy(
    tmp_path: Path, monkeypatch, setting: str, value: str, remedy: str
):
    monkeypatch.setattr(rootless, "_KERNEL_SETTINGS", tmp_path)
    file = tmp_path / setting
    file.parent.mkdir()
    file.write_text(f"{1 - int(value)}\n")
    assert rootless.refusal("no").what == "no"
    file.write_text(f"{value}\n")
    refused = rootless.refusal("no")
    assert f"({setting.replace('/', '.')} is {value})" in refused.what
    assert f"sudo sysctl {remedy}`" in refused.fix
