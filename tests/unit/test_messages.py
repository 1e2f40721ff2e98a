"""What evidence and decisions say: the same facts in every language, and English where nobody asks."""

from __future__ import annotations

import json
import pickle
import re
from string import Formatter

import pytest

from netlab.messages import TEXTS, said, told
from netlab.report.words import LANGUAGES, WORDS


def fields(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name}


@pytest.mark.parametrize("key", TEXTS)
def test_every_text_tells_the_same_facts_in_every_language(key):
    texts = TEXTS[key]
    assert set(texts) == set(LANGUAGES)
    assert fields(texts["en"]) == fields(texts["zh"])
    assert re.search(r"[\u4e00-\u9fff]", texts["zh"]) or not re.search(
        r"[A-Za-z]{2}", re.sub(r"\{\w+\}", "", texts["en"])
    )


@pytest.mark.parametrize("language", LANGUAGES)
def test_words_have_the_same_facts_in_every_language(language):
    assert WORDS[language].keys() == WORDS["en"].keys()
    for key, text in WORDS[language].items():
        assert fields(text) == fields(WORDS["en"][key]), key


def test_what_was_said_can_be_told_in_another_language_part_by_part():
    asked = said("unanswered", address="10.0.0.9")
    text = said("last seen", node="vm2", why=said("elsewhere", asked=asked, owner="pc"))
    assert text == (
        "the reply was last seen on vm2: it asked who has 10.0.0.9, and nobody answered; "
        "pc has it, on another network"
    )
    chinese = "应答最后出现在 vm2：它询问谁拥有 10.0.0.9，无人应答；拥有它的是 pc，在另一个网络上"
    assert told(text, "zh") == chinese
    assert json.loads(json.dumps(text)) == text == told(text, "en")
    assert told(pickle.loads(pickle.dumps(text)), "zh") == chinese


def test_linuxs_own_words_stay():
    rule = 'home_router forward: iifname "lan0" accept'
    assert told(rule, "zh") == rule
    assert (
        told(said("of mac", mac="00:0c:29:00:00:01", rule=rule), "zh")
        == f"00:0c:29:00:00:01：{rule}"
    )
