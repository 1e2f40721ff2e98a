"""The catalogues of texts for people: collected from the code, brought up to date, compiled.

`python -m tests.catalogues` does all of it for every language in netlab/locale; with a language's code
(`de`), it begins a catalogue for that language too. Translators edit `netlab.po` only.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Sequence
from pathlib import Path

from babel import Locale, UnknownLocaleError
from babel.messages.catalog import Catalog
from babel.messages.extract import DEFAULT_KEYWORDS, extract_from_dir
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

from netlab import __version__, messages

PACKAGE = Path(messages.__file__).parent
TEMPLATE = "netlab.pot"
_METHODS = [("**.py", "python"), ("**/page.js", "javascript")]
_KEYWORDS = {**DEFAULT_KEYWORDS, messages.Message.__name__: None}


def extracted(package: Path = PACKAGE) -> Catalog:
    """Return every text of a package, in the order of its files."""
    catalog = Catalog(project="netlab", charset="utf-8")
    texts = extract_from_dir(package, _METHODS, keywords=_KEYWORDS, comment_tags=("Translators:",))
    for file, line, text, comments, context in texts:
        catalog.add(text, None, [(f"netlab/{file}", line)], auto_comments=comments, context=context)
    return catalog


def catalogues(folder: Path) -> dict[str, Path]:
    """Return every language's .po file."""
    return {file.parts[-3]: file for file in sorted(folder.glob("*/LC_MESSAGES/netlab.po"))}


def read(file: Path, language: str | None = None) -> Catalog:
    """Return a .po or .pot file's catalogue."""
    with file.open("rb") as stream:
        return read_po(stream, locale=language)


def written(catalog: Catalog, *, header: bool = True) -> bytes:
    """Return a catalogue as the text of a file; without line numbers, which every edit would change."""
    stream = io.BytesIO()
    write_po(
        stream,
        catalog,
        width=100,
        omit_header=not header,
        sort_by_file=True,
        ignore_obsolete=True,
        include_lineno=False,
    )
    return stream.getvalue()


def compiled(catalog: Catalog) -> bytes:
    """Return a catalogue as gettext reads it."""
    stream = io.BytesIO()
    write_mo(stream, catalog)
    return stream.getvalue()


def update(template: Catalog, folder: Path, *new: str) -> None:
    """Write the template, and every language's catalogue with the texts of now, also as .mo."""
    folder.mkdir(exist_ok=True)
    (folder / TEMPLATE).write_bytes(written(template, header=False))
    files = {code: folder / code / "LC_MESSAGES" / "netlab.po" for code in new}
    for language, file in {**files, **catalogues(folder)}.items():
        if file.exists():
            catalog = read(file, language)
        else:
            file.parent.mkdir(parents=True)
            catalog = _begun(language)
        # A text that was only reworded keeps its translation, marked fuzzy until somebody has looked at it.
        catalog.update(template, update_creation_date=False)
        file.write_bytes(written(catalog))
        file.with_suffix(".mo").write_bytes(compiled(catalog))


def untranslated(folder: Path) -> dict[str, int]:
    """Return how many texts of each language are empty or fuzzy."""
    return {
        language: sum(1 for text in read(file) if text.id and (text.fuzzy or not text.string))
        for language, file in catalogues(folder).items()
    }


def _begun(language: str) -> Catalog:
    return Catalog(
        locale=language,
        header_comment="# Texts of netlab.",
        project="netlab",
        version=__version__,
        msgid_bugs_address="netlab",
        last_translator="netlab",
        language_team=language,
        charset="utf-8",
        fuzzy=False,
    )


def main(new: Sequence[str]) -> None:
    """Update all catalogues, and say how much is left to translate."""
    for language in new:
        try:
            Locale.parse(language)
        except (UnknownLocaleError, ValueError):
            sys.exit(f"'{language}' is no language code, such as de, fr or pt_BR")
    update(extracted(), messages.LOCALE, *new)
    for language, count in untranslated(messages.LOCALE).items():
        print(f"{language}: {f'{count} texts to translate' if count else 'complete'}")


if __name__ == "__main__":
    main(sys.argv[1:])
