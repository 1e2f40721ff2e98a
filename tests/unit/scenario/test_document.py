"""Text that is no scenario, or no text at all: each gives a clear error at its place."""

from __future__ import annotations

import sys

import pytest

from netlab.errors import Missing, ScenarioError
from netlab.scenario.text.document import MAX_BYTES, Position, parse

BOMB = b"a: &a [x, x]\n" + b"".join(
    f"{chr(c)}: &{chr(c)} [{', '.join(['*' + chr(c - 1)] * 9)}]\n".encode()
    for c in range(ord("b"), ord("k"))
)


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        (b"", 1, "the file is empty"),
        (b"# only a comment\n", 1, "the file is empty"),
        (b"\x7fELF\x02\x01\x01\x00\x00\x00", 1, "not YAML"),
        (b"title: x\nvms: \xff\xfe\n", 2, "byte 0xff is not UTF-8 text"),
        (b"title: [a\nvms: {}\n", 2, "not YAML"),
        (b"a: b: c\n", 1, "not YAML"),
        (b"a: b\nc: [" + b"[" * 1_000, 2, "nested more than 20 levels deep"),
        (b"- " * 500_000, 1, "nested more than 20 levels deep"),
        ("x: 中\n中: \x07".encode(), 2, "the control character \\x07"),
        (b"a: b\n---\nc: d\n", 2, "expected one document"),
        (b"a: &a [*a]", 1, "'*a' stands for nothing above it"),
        (b"a: b\nc: {d: ::1}", 2, "expected node content"),
        (b"a: @b", 1, "found the character '@'"),
        (b"x" * (10 << 20), 1, "more than the"),
        (BOMB, 1, "values after expanding aliases"),
    ],
    ids=[
        "empty",
        "comment",
        "binary",
        "latin1",
        "unclosed",
        "colons",
        "flow",
        "dashes",
        "bell",
        "two",
        "itself",
        "colon",
        "at",
        "10MB",
        "bomb",
    ],
)
def test_what_is_no_scenario_is_refused_at_its_place(text, line, says):
    with pytest.raises(ScenarioError) as raised:
        parse(text, "x.yaml")
    (problem,) = raised.value.problems
    assert says in problem.what
    assert problem.fix
    if text is not BOMB:
        assert problem.line == line


TOO_DEEP = "nested more than 20 levels deep"


@pytest.mark.parametrize("levels", [25, 1_000, 1_001, 3_000])
@pytest.mark.parametrize(
    ("before", "level", "says", "position"),
    [
        ("", "[", TOO_DEEP, (1, 22)),
        ("", "{", TOO_DEEP, (1, 22)),
        ("", "[{", TOO_DEEP, (1, 22)),
        ("", "{a: ", TOO_DEEP, (1, 85)),
        ("", "&a [", TOO_DEEP, (1, 85)),
        ("", "[\n", TOO_DEEP, (22, 1)),
        ("", "- ", TOO_DEEP, (1, 43)),
        ("", "? ", TOO_DEEP, (1, 43)),
        ("a:\n- b: ", "[", TOO_DEEP, (2, 24)),
        ("a: &a {b: c}\nd: [*a, ", "[", TOO_DEEP, (2, 28)),
        ("[*a, ", "[", "not YAML: the alias '*a' stands for nothing above it", (1, 2)),
        ('"a" ', "[", "not YAML: did not find expected <document start>", (1, 5)),
    ],
)
def test_every_libyaml_tells_of_deep_nesting_alike(before, level, levels, says, position):
    """From 0.2.6 on it has words of its own for a thousand levels, and then older ones had none."""
    with pytest.raises(ScenarioError) as raised:
        parse((before + level * levels).encode(), "x.yaml")
    (problem,) = raised.value.problems
    assert (problem.what, (problem.line, problem.column)) == (says, position)


def test_a_file_at_the_limit_is_read():
    assert parse(b"a: " + b"x" * (MAX_BYTES - 4), "x.yaml").data["a"].startswith("x")


def test_every_key_and_value_keeps_its_place():
    document = parse(b"vms:\n  vm1:\n    nics: [a, b]\n", "x.yaml")
    assert document.key(("vms", "vm1")) == Position(2, 3)
    assert document.value(("vms", "vm1", "nics", 1)) == Position(3, 15)
    assert document.value(("vms", "vm1", "nics", 7, "mac")) == Position(3, 11), "the nearest place"


def test_all_duplicate_keys_are_found_and_the_first_is_kept():
    document = parse(b"a: 1\nb: 2\na: 3\nb: 4\n", "x.yaml")
    assert document.data == {"a": 1, "b": 2}
    assert [(p.line, p.what) for p in document.problems] == [
        (3, "'a' was already given on line 1"),
        (4, "'b' was already given on line 2"),
    ]


def test_yaml_1_2_reads_a_mac_as_text_and_yes_as_a_word():
    document = parse(b"mac: 52:54:00:12:34:56\nword: yes\nflag: true\nnumber: 010\n", "x.yaml")
    assert document.data == {
        "mac": "52:54:00:12:34:56",
        "word": "yes",
        "flag": True,
        "number": 10,
    }


def test_an_alias_within_the_budget_works():
    assert parse(b"a: &x {k: 1}\nb: *x\n", "x.yaml").data["b"] == {"k": 1}


@pytest.mark.parametrize(
    ("written", "means"),
    [
        ("on", "on"),
        ("1:2", "1:2"),
        ("010", 10),
        ("-5", -5),
        ("0x10", "0x10"),
        ("1_000", "1_000"),
        ("12345678901234567890", "12345678901234567890"),
        ("1.5", "1.5"),
        ("2001-01-01", "2001-01-01"),
        ("~", None),
        ("", None),
        ("'5'", "5"),
        ('"true"', "true"),
        ("!!str 5", "5"),
        ("!!int '5'", 5),
        ("!!int +-5", "+-5"),
        ("!!bool 'true'", True),
        ("!!null x", None),
        ("!mine 5", "5"),
    ],
)
def test_words_mean_what_the_core_schema_says(written, means):
    read = parse(f"a: {written}\n".encode(), "x.yaml").data["a"]
    assert (type(read), read) == (type(means), means)


def test_columns_count_letters_and_neither_bytes_nor_the_byte_order_mark():
    document = parse("\ufeff网络: {虚拟机: 😀, b: c}\r\nd: e\r\n".encode(), "x.yaml")
    assert document.key(("网络", "b")) == Position(1, 14)
    assert document.value(("d",)) == Position(2, 4)


def test_an_anchor_may_be_given_anew():
    assert parse(b"a: &x 1\nb: &x 2\nc: *x\n", "x.yaml").data["c"] == 2


def test_what_goes_on_too_long_in_one_line_is_where_it_ends():
    with pytest.raises(ScenarioError) as raised:
        parse(b"title: [a\n\n", "x.yaml")
    (problem,) = raised.value.problems
    assert (problem.line, problem.column) == (1, 10)


def test_a_pyyaml_without_libyaml_is_said_to_be_one(monkeypatch):
    monkeypatch.setitem(sys.modules, "yaml._yaml", None)
    with pytest.raises(Missing, match="without libyaml"):
        parse(b"a: 1", "x.yaml")
