"""Lines for `revealed.toml` in messages: they stand together, and are valid TOML."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from data.errors import InputError


def paste(section: str, values: Mapping[str, str | float], alternatives: Mapping[str, str] | None = None) -> str:
    """Write a section of `revealed.toml` that a reader can copy.

    Parameters
    ----------
    section
        Name of the section, such as ``columns.transactions``; empty for settings that stand before all sections.
    values
        Key -> text or number.
    alternatives
        Other lines, whole and valid, that may take the place of the lines above them, each with what it means;
        they are written as comments.
    """
    lines = [f"[{section}]"] if section else []
    lines += [f"{_key(key)} = {toml_text(value) if isinstance(value, str) else value}" for key, value in values.items()]
    lines += [f"# {line}   # {meaning}" for line, meaning in (alternatives or {}).items()]
    return "\n".join([f"Put {'into' if section else 'at the top of'} revealed.toml:", *lines])


def in_section(text: str, table: str, section: str) -> str:
    """Let a message name the section of files that have settings of their own, where it names that of their table.

    Parameters
    ----------
    text
        The message; what it says to put under ``formats.TABLE`` or ``columns.TABLE`` belongs to the section.
    table, section
        The table, and the section's name such as ``files.transactions."shop.csv"``; empty for none.
    """
    if not section:
        return text
    return text.replace(f"formats.{table}", section).replace(f"columns.{table}", f"{section}.columns")


@contextmanager
def naming_section(table: str, section: str, notes: list[str]) -> Iterator[None]:
    """Let what is said within the block, and what is refused, name the section of the files that it is about."""
    before = len(notes)
    try:
        yield
    except InputError as error:
        told = in_section(str(error), table, section)
        if told == str(error):
            raise
        raise InputError(told) from None
    finally:
        notes[before:] = [in_section(note, table, section) for note in notes[before:]]


def toml_text(text: str) -> str:
    """Write a TOML string, whatever letters it has."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _key(name: str) -> str:
    bare = name.isascii() and name.replace("_", "").replace("-", "").isalnum()
    return name if bare else toml_text(name)
