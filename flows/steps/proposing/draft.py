"""A draft of `revealed.toml`: the files of each table, and lines with their reasons."""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from pydantic_settings import BaseSettings, PydanticBaseSettingsSource

from data.errors import InputError
from data.intake.proposals.proposal import Line, Question
from data.intake.reading.expressions import columns_of
from data.intake.reading.pasting import toml_text
from data.intake.sources import COMPUTED
from flows.settings import TABLES, Settings

_PART = re.compile(r'"(?:[^"\\]|\\.)*"|[^.]+')
"""A part of the name of a section."""


class OwnSettings(Settings):
    """Settings that read neither the environment nor a settings file."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 - the names are pydantic's
        init_settings: PydanticBaseSettingsSource,
        *others: PydanticBaseSettingsSource,  # noqa: ARG003
        **named: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Take only the values that are passed."""
        return (init_settings,)


@dataclass
class Draft:
    """A draft of the settings of a shop.

    Parameters
    ----------
    paths
        Table -> its files, as they are given.
    why
        Table -> what tells that these files are it.
    lines
        (section, key) -> line; the section is empty for what stands before all sections.
    assumed
        What was taken although the files do not tell it for certain, in sentences.
    open
        Questions that nobody answered and that must not be guessed.
    notes
        What else was found, in sentences.
    headers
        Table -> sections of its formats, each with the columns of its files.
    whole
        URL as it is written -> as it was given, with its password; only of those that differ.
    """

    paths: dict[str, list[str]] = field(default_factory=dict)
    why: dict[str, str] = field(default_factory=dict)
    lines: dict[tuple[str, str], Line] = field(default_factory=dict)
    assumed: list[str] = field(default_factory=list)
    open: list[Question] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    whole: dict[str, str] = field(default_factory=dict, repr=False)
    headers: dict[str, list[tuple[str, tuple[str, ...]]]] = field(default_factory=dict)

    def add(self, lines: Iterable[Line]) -> None:
        """Add lines; conditions on rows are joined, of other settings the newest counts."""
        for line in lines:
            if not line.section and line.key in TABLES:
                self.paths.setdefault(line.key, []).extend(map(str, line.value if isinstance(line.value, list) else []))
                continue
            place = (line.section, line.key)
            known = self.lines.get(place)
            if known is not None and line.key == "rows" and str(known.value) not in str(line.value):
                joined = f"({known.value}) and ({line.value})"
                line = replace(line, value=joined, reason=f"{known.reason}; {line.reason}")
            elif known is not None and line.key == "rows":
                line = replace(line, reason=f"{known.reason}; {line.reason}")
            self.lines[place] = line

    def placed(self, line: Line) -> list[Line]:
        """Put an expression that names columns of some files only into the sections of these."""
        places = self.headers.get(line.section.rpartition(".")[2], [])
        if len(places) < 2 or not line.section.startswith("formats.") or line.key not in ("rows", *COMPUTED):
            return [line]
        known = self.lines.get((line.section, line.key))
        text = str(line.value).removeprefix(f"({known.value}) and ") if known is not None else str(line.value)
        fitting = [section for section, header in places if _has_columns(text, header)]
        return [replace(line, section=section, value=text) for section in fitting] or [line]

    def values(self) -> dict[str, Any]:
        """Return the settings as a mapping, as `revealed.toml` would give them."""
        values: dict[str, Any] = {table: list(self.paths[table]) for table in TABLES if table in self.paths}
        for line in self.lines.values():
            section = values
            for name in filter(None, _PART.findall(line.section)):
                section = section.setdefault(json.loads(name) if name.startswith('"') else name, {})
            section[line.key] = line.value
        return values

    def settings(self, **changed: Any) -> Settings:
        """Build the settings, some of them changed, with URLs as they were given; nothing else is read."""
        return OwnSettings.load(**{**self.values(), **self.given_urls(), **changed})

    def given_urls(self) -> dict[str, list[str]]:
        """Return the files of the tables that have a URL with a password, as they were given."""
        return {
            table: [self.whole.get(path, path) for path in paths]
            for table, paths in self.paths.items()
            if any(path in self.whole for path in paths)
        }


def _has_columns(text: str, header: tuple[str, ...]) -> bool:
    try:
        return bool(columns_of("rows", text, header))
    except InputError:
        return False


def lines_of(values: Mapping[str, Any], reason: str, section: str = "") -> list[Line]:
    """Write nested settings as lines with one reason."""
    lines = []
    for key, value in values.items():
        if isinstance(value, Mapping):
            part = key if re.fullmatch(r"[\w-]+", key, re.ASCII) else toml_text(key)
            lines += lines_of(value, reason, f"{section}.{part}" if section else part)
        else:
            lines.append(Line(section, key, value, reason))
    return lines
