"""Rules from which a machine is removed: those about it go, others say what is left of them."""

from __future__ import annotations

import pytest

from netlab.errors import UsageError
from netlab.scenario.text import edit

VMS = {name: {"nics": ["vmnet8"]} for name in ("vm1", "vm2", "vm3")}


def left(*rules: dict) -> list[dict]:
    """Return what is left of rules when vm3 is removed."""
    return edit.remove_vm({"vms": VMS, "expect": {"rules": list(rules)}}, "vm3")["expect"]["rules"]


@pytest.mark.parametrize(
    "rule",
    [
        {"from": "vm3", "by": "dhcp"},
        {"from": ["vm3@vmnet8"], "to": "vm1"},
        {"from": "vm1", "to": ["vm3"]},
        {"from": "vm1", "to": "vm2", "as": "vm3"},
        {"from": "vm1", "to": "vm2", "is": "blocked", "at": "vm3"},
        {"from": "vm1", "to": "vm2", "answered_by": "vm3"},
        {"from": "vm1", "to": "vm2", "through": "vm3"},
        {"from": "vm1", "to": "vm2", "through": ["host", "vm3"]},
        {"from": "vm1", "by": "dns:a.de", "dns": {"server": "vm3"}},
        {"from": "vm1", "by": "dhcp", "dhcp": {"server": "vm3"}},
    ],
)
def test_a_rule_about_a_machine_goes_with_it(rule):
    assert left(rule) == []


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"from": "vm1", "by": "dhcp"}, {"from": "vm1", "by": "dhcp"}),
        ({"from": ["vm1", "vm3"], "by": "dhcp"}, {"from": ["vm1"], "by": "dhcp"}),
        (
            {"from": "vm1", "dns": {"address": "1.2.3.4"}},
            {"from": "vm1", "dns": {"address": "1.2.3.4"}},
        ),
        ({"from": "vm1", "to": "vm2", "heard_by": "vm3"}, {"from": "vm1", "to": "vm2"}),
        (
            {"from": "vm1", "to": "vm2", "not_heard_by": ["vm3", "host"], "not_through": ["vm3"]},
            {"from": "vm1", "to": "vm2", "not_heard_by": ["host"]},
        ),
        ({"from": "vm*", "to": "host", "through": "vmnet8"},) * 2,
    ],
)
def test_what_is_left_of_a_rule_stays(before, after):
    assert left(before) == [after]


def test_what_has_copies_stays_as_long_as_they_do():
    copied = edit.clone_vm({"vms": VMS}, "vm3", "vm4", kept=False)
    with pytest.raises(UsageError, match="vm3 is what vm4 was copied from") as raised:
        edit.remove_vm(copied, "vm3")
    assert "netlab remove vm4" in str(raised.value)
    assert "vm3" not in edit.remove_vm(edit.remove_vm(copied, "vm4"), "vm3")["vms"]
