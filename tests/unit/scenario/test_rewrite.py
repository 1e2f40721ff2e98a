"""A text with other data: it says exactly what is wanted, and what is not meant stays byte for byte."""

from __future__ import annotations

import json
import random
from textwrap import dedent
from typing import Any

import pytest

from netlab.errors import ScenarioError, UsageError
from netlab.scenario import files
from netlab.scenario.ports import ForwardedPorts
from netlab.scenario.text import edit, rewrite
from netlab.scenario.text.document import MAX_BYTES, parse


def rewritten(text: str, data: Any) -> str:
    return rewrite.rewrite(parse(text.encode(), "x.yaml"), data).text.decode()


def without(data: Any, *path: str | int) -> Any:
    copy = json.loads(json.dumps(data))
    holder = copy
    for step in path[:-1]:
        holder = holder[step]
    del holder[path[-1]]
    return copy


def having(data: Any, *path_and_value: Any) -> Any:
    *path, last, value = path_and_value
    copy = json.loads(json.dumps(data))
    holder = copy
    for step in path:
        holder = holder[step]
    if isinstance(holder, list) and last == len(holder):
        holder.append(value)
    else:
        holder[last] = value
    return copy


@pytest.mark.parametrize(
    ("text", "change", "becomes"),
    [
        ("a: 1 # one\nb: 2\n", ("a", 5), "a: 5 # one\nb: 2\n"),
        ("a: 'q'   # one\n", ("a", "on"), "a: on   # one\n"),
        ("a: {b: 1,   c: [ 2 ]}\n", ("a", "c", 0, 3), "a: {b: 1,   c: [ 3 ]}\n"),
        ("vms:\n  vm1: {}\n", ("vms", "vm1", "k", 1), "vms:\n  vm1: {k: 1}\n"),
        ("vms:\n  vm1: # x\n", ("vms", "vm1", [1]), "vms:\n  vm1: [1] # x\n"),
        ("a: {b: 1}", ("a", "c", 2), "a: {b: 1, c: 2}"),
        ("a: {b: 1, }", ("a", "c", 2), "a: {b: 1, c: 2, }"),
        ("a: {\n  b: 1 # x\n}\n", ("a", "c", 2), "a: {\n  b: 1, c: 2 # x\n}\n"),
        ("a:\n  b: 1 # x\n\nc: 2\n", ("a", "d", 3), "a:\n  b: 1 # x\n  d: 3\n\nc: 2\n"),
        ("a:\n  b: {c: 1}", ("a", "d", 3), "a:\n  b: {c: 1}\n  d: 3"),
        ("a:\r\n  b: 1\r\nc: 2\r\n", ("a", "d", 3), "a:\r\n  b: 1\r\n  d: 3\r\nc: 2\r\n"),
        (
            "a:\n  - b: 1\n    c: 2 # x\n",
            ("a", 0, "d", 3),
            "a:\n  - b: 1\n    c: 2 # x\n    d: 3\n",
        ),
        ("a:\n- 1 # x\n# y\nb: 2\n", ("a", 1, {"c": 3}), "a:\n- 1 # x\n- {c: 3}\n# y\nb: 2\n"),
        ("a: [1, 2] # x\n", ("a", 2, "3"), 'a: [1, 2, "3"] # x\n'),
        ("a:\n  b: 1 # x\n  # y\nc: 2\n", ("a", 5), "a: 5\n  # y\nc: 2\n"),
        ("a:\n  b:\n  - 1\nc: 2\n", ("a", {"b": 1, "d": 2}), "a:\n  b: 1\n  d: 2\nc: 2\n"),
        ("a: |\n  x\n  y\n\n# c\nb: 1\n", ("a", "z"), "a: z\n\n# c\nb: 1\n"),
        ("a: |\n  x\n", ("b", 1), "a: |\n  x\nb: 1\n"),
        ('a: "b\n  c" # x\n', ("a", "d"), "a: d # x\n"),
        ("a: &x {k: 1}\nb: *x\n", ("b", "k", 2), "a: &x {k: 1}\nb: {k: 2}\n"),
        ("a: &x {k: 1} # y\nb: *x # z\n", ("a", "k", 2), "a: &x {k: 2} # y\nb: {k: 1} # z\n"),
        ("a: &x 1\nb: *x\n", ("a", 2), "a: 2\nb: 1\n"),
        ("\ufeffa: 1\n", ("b", 2), "\ufeffa: 1\nb: 2\n"),
        ("网: {甲: 😀, 乙: 1} # 注\n", ("网", "乙", "丙"), "网: {甲: 😀, 乙: 丙} # 注\n"),
        ("--- # x\na: 1\n...\n# y\n", ("b", 2), "--- # x\na: 1\nb: 2\n...\n# y\n"),
        ("# x\n{}\n", ("a", 1), "# x\n{a: 1}\n"),
    ],
)
def test_what_is_set_or_added(text, change, becomes):
    edited = having(parse(text.encode(), "x").data, *change)
    assert rewritten(text, edited) == becomes


@pytest.mark.parametrize(
    ("text", "path", "becomes"),
    [
        ("a: 1 # x\nb: 2 # y\nc: 3\n", ["b"], "a: 1 # x\nc: 3\n"),
        ("a: 1\n# y\nb:\n  c: 2\n\n  d: 3 # z\ne: 4\n", ["b"], "a: 1\n# y\ne: 4\n"),
        ("a: 1\nb: 2", ["b"], "a: 1\n"),
        ("a: {b: 1, c: 2, d: 3}\n", ["a", "b"], "a: {c: 2, d: 3}\n"),
        ("a: {b: 1, c: 2, d: 3}\n", ["a", "c"], "a: {b: 1, d: 3}\n"),
        ("a: {b: 1, c: 2, d: 3}\n", ["a", "d"], "a: {b: 1, c: 2}\n"),
        ("a: {b: 1} # x\n", ["a", "b"], "a: {} # x\n"),
        ("a: # x\n  - 1\nb: 2\n", ["a", 0], "a: [] # x\nb: 2\n"),
        ("a:\n  - b: 1 # x\n    c: 2\n", ["a", 0, "b"], "a:\n  - c: 2\n"),
        ("a:\n- 1\n# two\n- 2 # x\n- 3\n", ["a", 1], "a:\n- 1\n# two\n- 3\n"),
        ("a:\n- - 1\n  - 2\n- 3\n", ["a", 0, 0], "a:\n- - 2\n- 3\n"),
        (
            "a: {\n  b: 1, # one\n  # two\n  c: 2, # 2\n  d: 3\n}\n",
            ["a", "b"],
            "a: {\n  # two\n  c: 2, # 2\n  d: 3\n}\n",
        ),
        ("a: [\n  1, # one\n  2 # two\n]\n", ["a", 1], "a: [\n  1, # one\n]\n"),
        ("a: {b: 1,\n    c: 2}\n", ["a", "c"], "a: {b: 1}\n"),
        ("? a\n: 1\n? b\n: 2\n", ["b"], "{a: 1}\n"),
    ],
)
def test_what_is_taken_out(text, path, becomes):
    edited = without(parse(text.encode(), "x").data, *path)
    assert rewritten(text, edited) == becomes


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_a_dash_in_a_comment_is_no_item(newline):
    lines = ["a:", "  - # one-way", "    x: 1", "  # - not yet", "  - # two - ways", "    x: 2", ""]
    text = newline.join(lines)
    assert rewritten(text, {"a": [{"x": 2}]}) == newline.join(["a:", *lines[3:]])
    longer = rewritten(text, {"a": [{"x": 1}, {"x": 2}, {"x": 3}]})
    assert longer == newline.join([*lines[:-1], "  - {x: 3}", ""])


def test_a_rule_that_is_removed_takes_only_its_own_comment():
    text = dedent("""\
        rules:
          # both ways
          - {from: vm1, to: vm2} # there
          - {from: vm2, to: [vm1, vm3]} # and back
          - {from: vm3, to: host} # out
    """)
    rules = [{"from": "vm2", "to": ["vm3"]}, {"from": "vm3", "to": "host"}]
    assert rewritten(text, {"rules": rules}) == dedent("""\
        rules:
          # both ways
          - {from: vm2, to: [vm3]} # and back
          - {from: vm3, to: host} # out
    """)


WORDS = """true null 5 +5 0x1F 1_000 x,y ::1 fd00:: fd00::/64 00:0c:29:12:34:56 tcp:80 vm* 中文
    &a * *a % @a << = ~ - -a ... --- [a] {a} " \\ ' ! | > ? ?a :a a: a:b: #"""


@pytest.mark.parametrize(
    "value",
    [*WORDS.split(), "", "a: b", "a #b", "- a", "a\n b ", "\x07\u2028\ufeff\U000e0001", " a", "a "],
)
def test_a_text_is_written_so_that_it_is_read_as_the_same(value):
    for text in ("a: 1\n", "a: {b: 1}\n", "- 1\n", "{1: 2}\n"):
        data = parse(text.encode(), "x").data
        key = 0 if isinstance(data, list) else next(iter(data))
        for edited in (having(data, key, value), having(data, key, {value: [value]})):
            again = parse(rewritten(text, edited).encode(), "x")
            assert (again.data, again.problems) == (edited, [])


def test_a_number_is_no_truth_and_no_text():
    assert rewritten("a: 1\n", {"a": True}) == "a: true\n"
    assert rewritten("a: true\n", {"a": 1}) == "a: 1\n"
    assert rewritten("a: 1\n", {"a": "1"}) == 'a: "1"\n'


def test_a_text_that_becomes_too_long_is_refused():
    with pytest.raises(ScenarioError, match="more than the"):
        rewritten("a: 1\n", {"a": "x" * MAX_BYTES})


NEW, OLD = ForwardedPorts(9999, 9999), ForwardedPorts(8080, 8080)
VERBS = {
    "remove": lambda data: edit.remove_vm(data, _vm(data)),
    "add": lambda data: edit.add_vm(data, "new", [next(iter(data["vmnets"]))]),
    "clone": lambda data: edit.clone_vm(data, _vm(data), "new", kept=True),
    "firewall": lambda data: edit.assign(data, _vm(data), {"firewall": "on"}),
    "adapter": lambda data: edit.assign(data, f"{_vm(data)}.eth0", {"connected": "false"}),
    "network": lambda data: edit.assign(data, _vm(data), {"nics": "[{network: vmnet8}, vmnet1]"}),
    "vmnet": lambda data: edit.assign(data, next(iter(data["vmnets"])), {"adapter": "none"}),
    "mode": lambda data: edit.assign(data, next(iter(data["vmnets"])), {"mode": ""}),
    "host": lambda data: edit.assign(data, "host", {"firewall": "[icmp]", "proxy": "3128"}),
    "card": lambda data: edit.assign(data, "host.eth9", {"address": "10.9.9.9"}),
    "lan": lambda data: edit.assign(data, "lan", {"ipv6": "2001:db8:1::/64"}),
    "forward": lambda data: edit.add_forward(data, "vmnet8", "tcp", NEW, "vm1:80"),
    "unforward": lambda data: edit.remove_forward(data, "tcp", OLD),
}


def _vm(data: Any) -> str:
    return str(next(iter(data["vms"])))


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("name", sorted(files.shipped()))
def test_an_edit_of_a_shipped_scenario_changes_its_own_lines_only(name, verb, monkeypatch):
    document = parse(files.shipped()[name].read_bytes(), name)
    try:
        edited = VERBS[verb](document.data)
    except (UsageError, KeyError, StopIteration):
        return  # This scenario has nothing of the kind: the others have.
    monkeypatch.setattr(rewrite, "_attempts", lambda: iter([(20, True)]))  # The first one is right.
    result = rewrite.rewrite(document, edited)
    assert result.data == edited
    before, after = (version.text.decode().splitlines() for version in (document, result))
    removed = [line for line in before if line not in after]
    new = [line for line in after if line not in before]
    assert {_comment(line) for line in new} <= {"", *map(_comment, removed)}
    assert [line for line in before if line.lstrip().startswith("#")] == [
        line for line in after if line.lstrip().startswith("#")
    ]
    assert [line for line in before if line in after] == [line for line in after if line in before]
    if verb not in ("remove", "network", "vmnet"):
        assert (len(removed), len(new)) <= (1, 2)


def _comment(line: str) -> str:
    return line.partition(" #")[2]


FORMS = [
    "a: &x {k: 1}\nb: *x\nc: [*x, *x, &y {z: *x}]\nd: *y\n",
    "a: {\n  b: 1, # one\n  # two\n  c: 2, # 2\n  d: [1,\n   2]\n}\ne: 3\n",
    "- a\n- b: c\n  d: e\n- - f\n  - g\n- \n",
    "a:\r\n  b: 1 # c\r\n  d:\r\n  - x\r\n  - y # why\r\ne: {}",
    "? a\n: b\n? c\n: - d\n  - e\n",
    "{a: 1, b: {c: [], d: {}}, e, f: , \"g\":2}",
    "a:   # why\n  - b: 1   # x\n    c: 2\n  # between\n  -\n    d: 3\n",
    "a: |+\n  x\n\n\nb: |2\n    y\nc: >-\n  z\n\n\n",
    "x: !!str 5\ny: !!map\n  z: 1\nw: !!seq [1]\n",
    "a: b\n  c\n  d\ne: \"f\n  g\"\n'h': i\n",
]  # fmt: skip
VALUES = [None, True, 7, "on", "a: b", "::1", "中", "\n", [], {}, ["x", {"y": None}], {"k": [1]}]


@pytest.mark.parametrize("form", range(len(FORMS)))
def test_whatever_is_wanted_of_whatever_form_is_said(form):
    """Chance chooses, always the same."""
    chance = random.Random(form)
    document = parse(FORMS[form].encode(), "x")
    for _ in range(150):
        edited = json.loads(json.dumps(document.data))
        for _ in range(chance.choice((1, 1, 2, 4))):
            _change_something(edited, chance)
        result = rewrite.rewrite(document, edited)
        assert (repr(result.data), result.problems) == (repr(edited), [])


def _change_something(data: Any, chance: random.Random) -> None:
    collection = chance.choice(list(_collections(data)))
    value = json.loads(json.dumps(chance.choice(VALUES)))
    steps = list(collection) if isinstance(collection, dict) else list(range(len(collection)))
    change = chance.choice(("add", "set", "delete")) if steps else "add"
    if change == "delete":
        del collection[chance.choice(steps)]
    elif change == "set":
        collection[chance.choice(steps)] = value
    elif isinstance(collection, dict):
        collection[chance.choice(("new", "true", "a b", "x: y", "中"))] = value
    else:
        collection.append(value)


def _collections(data: Any) -> Any:
    if isinstance(data, dict | list):
        yield data
        for value in data.values() if isinstance(data, dict) else data:
            yield from _collections(value)


@pytest.mark.parametrize("value", ["\udcff", "{a: ", "[1, 2", "*nobody"])
def test_what_is_no_value_is_refused_as_a_persons_mistake(value):
    """Python has a surrogate for each byte of the command line that is not UTF-8."""
    data = {"vms": {"vm1": {"nics": ["vmnet8"]}}}
    with pytest.raises(UsageError, match="is no value: "):
        edit.assign(data, "vm1", {"hostname": value})
