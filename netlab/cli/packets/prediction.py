"""Questions about where a packet will go, before the journey is shown."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from netlab import report
from netlab.cli.output import say
from netlab.errors import UsageError
from netlab.messages import translator

if TYPE_CHECKING:
    from netlab.trace.model import Trace

_NO_MORE = "q"


def ask(traced: Trace, language: str) -> None:
    """Put every question, and say what is right. Ends early at `q` or at the end of the input.

    Raises UsageError if there is no input at all.
    """
    gettext = translator(language)
    terminal = sys.stdin is not None and sys.stdin.isatty()
    asked = right = 0
    for number, question in enumerate(report.quiz.questions(traced, language), 1):
        if number == 1:
            say(gettext("Type a number and Enter; q stops asking.") + "\n")
        say("\n".join(report.quiz.lines(number, question)))
        again = gettext("a number from 1 to {most}, please")
        choice = _choice(len(question.choices), again, terminal)
        if choice is None:
            if not asked and not terminal:
                raise UsageError(
                    "--predict reads answers from standard input, and there are none",
                    "use a terminal, or pipe a number for each question: printf '1\\n2\\n' | …",
                )
            break
        asked += 1
        correct = choice == question.right
        right += correct
        judgement = gettext("✔ right") if correct else gettext("✘ right is: {right}")
        say(f"   {judgement.format(right=question.choices[question.right])}")
        if question.reason:
            say(f"     {question.reason}")
        say("")
    if asked:
        say(gettext("{right} of {asked} right").format(right=right, asked=asked) + "\n")


def _choice(most: int, again: str, terminal: bool) -> int | None:
    """Read a choice, counted from 0; None if no more is to be asked.

    What is no choice is asked for again.
    """
    while True:
        if terminal:
            sys.stdout.write("> ")
            sys.stdout.flush()
        line = sys.stdin.readline() if sys.stdin else ""
        word = line.strip()
        if not line or word == _NO_MORE:
            return None
        if word.isdecimal() and 1 <= int(word) <= most:
            return int(word) - 1
        say(f"   {again.format(most=most)}")
