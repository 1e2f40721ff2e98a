"""Texts for people: English in the code, and whole catalogues of every other language."""

from __future__ import annotations

import ast
import gettext
import json
import pickle
import re
import subprocess
import sys
from pathlib import Path
from string import Formatter

import pytest
from babel.messages.catalog import Message as Entry

from netlab import messages
from netlab.messages import LOCALE, Message, join_and, languages, render, translator
from netlab.report.web import page
from tests import catalogues

FILES = catalogues.catalogues(LOCALE)
ADVICE = "run `make messages`, and translate what is empty"


def places(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name}


def entries(file: Path) -> dict[str, Entry]:
    return {entry.id: entry for entry in catalogues.read(file) if entry.id}


@pytest.fixture(scope="module")
def texts() -> set[str]:
    return {entry.id for entry in catalogues.extracted() if entry.id}


def test_the_template_has_the_texts_of_the_code(texts):
    assert set(entries(LOCALE / catalogues.TEMPLATE)) == texts, ADVICE


def test_chinese_is_there():
    assert languages() == ("en", *sorted(FILES))
    assert "zh" in FILES


@pytest.mark.parametrize("language", FILES)
def test_every_text_is_translated_with_the_same_places(language, texts):
    translated = entries(FILES[language])
    assert set(translated) == texts, ADVICE
    for text, entry in translated.items():
        assert entry.string, f"{ADVICE}: {text}"
        assert not entry.fuzzy, text
        assert places(entry.string) == places(text), text


@pytest.mark.parametrize("language", FILES)
def test_a_compiled_catalogue_is_up_to_date(language):
    file = FILES[language]
    with file.with_suffix(".mo").open("rb") as stream:
        compiled = gettext.GNUTranslations(stream)
    for text, entry in entries(file).items():
        assert compiled.gettext(text) == entry.string, ADVICE


@pytest.mark.parametrize("damage", [b"", b"\xde\x12\x04\x95", b"nonsense"])
def test_a_damaged_catalogue_leaves_english(tmp_path, monkeypatch, damage):
    file = tmp_path / "xx" / "LC_MESSAGES" / "netlab.mo"
    file.parent.mkdir(parents=True)
    file.write_bytes(damage)
    monkeypatch.setattr(messages, "LOCALE", tmp_path)
    assert messages.translator.__wrapped__("xx")("no subnet") == "no subnet"


def test_chinese_is_chinese():
    """But for texts that are all places and signs, and names of protocols."""
    for text, entry in entries(FILES["zh"]).items():
        words = "" if text in ("arp", "ndp", "nat") else re.sub(r"\{\w+\}", "", text)
        assert re.search(r"[\u4e00-\u9fff]", entry.string) or not re.search("[a-z]{2}", words)


def calls(file: Path) -> set[str]:
    """Texts that are written in calls of what translates or marks them."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            name = getattr(node.func, "id", getattr(node.func, "attr", ""))
            if name in ("gettext", "N_", "Message"):
                found.add(node.args[0].value)
            # What `translator(…)` returns is called by no name, and Babel does not find its texts.
            assert not ast.unparse(node.func).startswith("translator("), ast.unparse(node)
    return found


def test_babel_finds_every_text(texts):
    """It reads words, not meanings: a text in an f-string's braces, for example, is not found."""
    for file in catalogues.PACKAGE.rglob("*.py"):
        assert calls(file) <= texts, file


def test_the_page_finds_every_text_of_its_script(texts):
    """It looks for them by itself, and Babel by its own rules."""
    script = (catalogues.PACKAGE / "programs" / "page" / "page.js").read_text()
    entries = catalogues.extracted(catalogues.PACKAGE / "programs" / "page")
    assert set(page.texts_of(script)) == {entry.id for entry in entries if entry.id}
    assert set(page.texts_of(script)) <= texts


def test_a_message_is_rendered_in_another_language_with_its_arguments():
    asked = Message("it asked who has {address}, and nobody answered", address="10.0.0.9")
    where = Message("{owner} has that address, on {network}", owner="pc", network="lan")
    why = Message("{what}; {where}", what=asked, where=where)
    message = Message("the reply was last seen on {node}: {why}", node="vm2", why=why)
    assert message == (
        "the reply was last seen on vm2: it asked who has 10.0.0.9, and nobody answered; "
        "pc has that address, on lan"
    )
    chinese = "应答最后出现在 vm2：它询问谁拥有 10.0.0.9，无人应答；这个地址属于 pc，在 lan 上"
    assert message.render("zh") == chinese
    assert json.loads(json.dumps(message)) == message == render(message, "en")
    assert pickle.loads(pickle.dumps(message)).render("zh") == chinese


def test_linuxs_own_words_stay():
    rule = 'home_router forward: iifname "lan0" accept'
    assert render(rule, "zh") == rule
    assert Message("ARP: {rule}", rule=rule).render("zh") == f"ARP 查询：{rule}"


def test_names_are_joined_in_every_language():
    assert join_and(["vm2"]) == "vm2"
    assert join_and({"vm2", "vm1", "pc"}) == "pc and vm1 and vm2"
    assert render(join_and(["vm2", "vm1"]), "zh") == "vm1 和 vm2"


def test_english_needs_no_catalogue(monkeypatch, tmp_path):
    monkeypatch.setattr(messages, "LOCALE", tmp_path)
    translator.cache_clear()
    assert translator("en")("nobody answers") == "nobody answers"
    assert translator("zh")("nobody answers") == "nobody answers", "it is gone: English is left"
    translator.cache_clear()


SHOWN = """
import pathlib
from netlab import messages
messages.LOCALE = pathlib.Path({folder!r})
from netlab.cli import netlab
from netlab.messages import Message
print(Message("it never left {{node}}", node="vm1").render("de"))
netlab(["trace", "--help"])
"""


def test_a_language_is_added_by_its_catalogue_alone(tmp_path):
    catalogues.update(catalogues.extracted(), tmp_path, "de")
    file = catalogues.catalogues(tmp_path)["de"]
    english = 'msgid "it never left {node}"\nmsgstr "'
    file.write_text(file.read_text().replace(english, english + "verließ {node} nie"))
    catalogues.update(catalogues.extracted(), tmp_path)
    process = subprocess.run(
        [sys.executable, "-c", SHOWN.format(folder=str(tmp_path))],
        capture_output=True,
        text=True,
        check=True,
    )
    assert process.stdout.startswith("verließ vm1 nie\n")
    assert "--lang [en|de]" in process.stdout
