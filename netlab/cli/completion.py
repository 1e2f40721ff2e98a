"""The questions of the shells' completion scripts, and their answers.

A script says the line up to the cursor. It is answered with lines of three fields: `plain`, a word, and what
it means; or `scenario` or `file`, what the name of a file begins with, and what stands before that.
"""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import Any

from click.shell_completion import CompletionItem, ShellComplete, add_completion_class

_PROGRAMS = Path(__file__).parent.parent / "programs"


class _Complete(ShellComplete):
    """The protocol of all shells."""

    def source(self) -> str:
        """Return the script."""
        text = (_PROGRAMS / f"completion.{self.name}").read_text()
        names = {
            "@PROGRAM@": self.prog_name,
            "@FUNCTION@": self.func_name,
            "@VARIABLE@": self.complete_var,
        }
        for mark, name in names.items():
            text = text.replace(mark, name)
        return text.rstrip("\n")

    def get_completion_args(self) -> tuple[list[str], str]:
        _, *words, begun = split(os.environ.get("COMP_LINE", ""))
        return words, begun

    def complete(self) -> str:
        words, begun = self.get_completion_args()
        option, equals, _ = begun.partition("=")
        before = f"{option}=" if equals and option.startswith("--") else ""
        items = self.get_completions(words, begun)
        return "\n".join(line for item in items if (line := self._line(item, begun, before)))

    def _line(self, item: CompletionItem[Any], begun: str, before: str) -> str:
        """Return a line of the answer.

        `before` is the option whose value is completed: click answers with the value alone.
        """
        value = str(item.value)
        if {"\n", "\t"} & set(value):
            return ""
        if item.type == "plain":
            value = before * (not value.startswith(before)) + value
            return f"plain\t{self.inserted(value, begun)}\t{item.help or ''}"
        return f"{item.type}\t{value}\t{self.before_file(begun, before)}"

    def inserted(self, value: str, begun: str) -> str:
        """Return what the shell is to put in for a word."""
        return value

    def before_file(self, begun: str, before: str) -> str:
        """Return what stands before a file's name, and is no part of it."""
        return before


class _Bash(_Complete):
    """A shell that replaces only what stands behind the last `:`, `=` or `@` of a word."""

    name = "bash"

    def inserted(self, value: str, begun: str) -> str:
        return value.removeprefix(_kept(begun))

    def before_file(self, begun: str, before: str) -> str:
        """Return that part of the name itself that is not replaced."""
        return _kept(begun).removeprefix(before)


def _kept(begun: str) -> str:
    replaced = os.environ.get("COMP_REPLACED", "")  # As it was typed, but for an open quote.
    if not begun.endswith(replaced):
        *_, replaced = split(replaced)
    return begun.removesuffix(replaced) if begun.endswith(replaced) else ""


class _Zsh(_Complete):
    name = "zsh"


class _Fish(_Complete):
    name = "fish"


CLASSES = {"bash": _Bash, "zsh": _Zsh, "fish": _Fish}


def asking(program: str) -> str:
    """Return the variable that tells a program that its completion is asked for."""
    return f"_{program.upper().replace('-', '_')}_COMPLETE"


def answer_shells() -> None:
    """Let click find these instead of its own."""
    for cls in CLASSES.values():
        add_completion_class(cls)


def split(line: str) -> list[str]:
    """Return the words of a line as far as it has been typed; the last one, which may be empty, is begun."""
    # With a letter at its end a word is begun for sure.
    lexer = shlex.shlex(f"{line}x", posix=True)
    lexer.whitespace_split, lexer.commenters = True, ""
    words: list[str] = []
    try:
        words += lexer
    except ValueError:  # A quote is open.
        words.append(lexer.token)
    return [*words[:-1], words[-1][:-1]]
